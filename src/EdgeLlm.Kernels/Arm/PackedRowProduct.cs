using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Packed groups of eight rows times one token, straight from the file.</summary>
internal static unsafe class PackedRowProduct<TDots> where TDots : struct, IPackedDots
{
    /// <summary>One method for all groups: what a call costs is a percent or two of a group.</summary>
    public static void Multiply(in WeightMatrix weights, in PackedActivations x, nint token, float* y, int firstRow, int endRow)
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset, groupBytes = weights.GroupBytes,
            subScaleBytes = TDots.HasScalePer16 ? 16 : 8, blocks = x.Blocks;
        Vector128<sbyte> codebook = weights.Codebook.GetLower(), upper = weights.Codebook.GetUpper();
        sbyte* tokenValues = x.Values + token * x.Columns;
        int* tokenShifts = x.Shifts + token * blocks;
        float* tokenScales = x.Scales + token * x.ScaleCount;
        byte* group = weights.Group(firstRow);
        y += firstRow;
        for (int rows = endRow - firstRow; rows > 0; rows -= PackedLayout.GroupRows, group += groupBytes, y += PackedLayout.GroupRows)
        {
            RowLanes result = RowLanes.Zero;
            byte* codes = group + codeOffset;
            sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = tokenValues;
            int* shifts = tokenShifts;
            float* scale = tokenScales;
            nint left = blocks;
            for (; TDots.IsShort && left >= PackedActivations.ScaleBlocks; left -= PackedActivations.ScaleBlocks, scale++)
            {
                // 1, 2, 4 or 8 for each of the eight blocks
                Vector128<short> multipliers = AdvSimd.ShiftLogical(Vector128.Create((short)1),
                    AdvSimd.Arm64.UnzipEven(Vector128.Load((short*)shifts), Vector128.Load((short*)shifts + 8)));
                RowSums sums = default;
                AddTwo(codes, codebook, upper, values, subScales, multipliers, 0, 1, ref sums);
                AddTwo(codes, codebook, upper, values, subScales, multipliers, 2, 3, ref sums);
                codes += 4 * TDots.BlockBytes;
                AddTwo(codes, codebook, upper, values, subScales, multipliers, 4, 5, ref sums);
                AddTwo(codes, codebook, upper, values, subScales, multipliers, 6, 7, ref sums);
                codes += 4 * TDots.BlockBytes;
                values += PackedActivations.ScaleColumns;
                subScales += 8 * subScaleBytes;
                shifts += PackedActivations.ScaleBlocks;
                result = result.AddScaled(*scale, sums);
            }
            for (; left > 0; scale++)
            {
                RowSums sums = default;
                nint run = nint.Min(left, PackedActivations.ScaleBlocks);
                left -= run;
                for (; run > 0; run--, codes += TDots.BlockBytes, values += 32, subScales += subScaleBytes, shifts++)
                {
                    Vector128<short> shift = AdvSimd.LoadAndReplicateToVector128((short*)shifts);
                    TDots.Sum(codes, codebook, upper, values, 0, out RowSums first, out RowSums second);
                    sums.AddShifted(first, AdvSimd.SignExtendWideningLower(Vector64.Load(subScales)), shift);
                    if (TDots.HasScalePer16) sums.AddShifted(second, AdvSimd.SignExtendWideningLower(Vector64.Load(subScales + 8)), shift);
                }
                result = result.AddScaled(*scale, sums);
            }
            result.Times(RowLanes.Load((float*)group)).Store(y, Math.Min(rows, PackedLayout.GroupRows));
        }
    }

#pragma warning disable CA1857 // block + 1 is a constant once this is inlined
    /// <summary>64 columns.</summary>
    /// <param name="block">A constant: the place of the first 32 among eight.</param>
    /// <param name="next">block + 1: a constant must be written as one.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTwo(
        byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, sbyte* subScales, Vector128<short> multipliers,
        [ConstantExpected(Max = (byte)7)] byte block, [ConstantExpected(Max = (byte)7)] byte next,
        ref RowSums sums)
    {
        TDots.Sum(codes, codebook, upper, values, block, out RowSums first, out RowSums second);
        Vector128<sbyte> scales = AdvSimd.LoadVector128(subScales + block * (TDots.HasScalePer16 ? 16 : 8));
        Vector128<short> high = AdvSimd.SignExtendWideningUpper(scales), low = AdvSimd.SignExtendWideningLower(scales.GetLower());
        sums.AddScaled(first, low, multipliers, block);
        if (TDots.HasScalePer16)
        {
            sums.AddScaled(second, high, multipliers, block);
            scales = AdvSimd.LoadVector128(subScales + next * 16);
            high = AdvSimd.SignExtendWideningUpper(scales);
            low = AdvSimd.SignExtendWideningLower(scales.GetLower());
        }
        TDots.Sum(codes, codebook, upper, values, next, out RowSums third, out RowSums fourth);
        if (TDots.HasScalePer16)
        {
            sums.AddScaled(third, low, multipliers, next);
            sums.AddScaled(fourth, high, multipliers, next);
        }
        else
        {
            sums.AddScaled(third, high, multipliers, next);
        }
    }
#pragma warning restore CA1857
}
