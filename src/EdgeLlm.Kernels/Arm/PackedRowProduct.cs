using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Packed groups of eight rows times one token, straight from the file.</summary>
internal static unsafe class PackedRowProduct<TDots> where TDots : struct, IPackedDots
{
    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int token, float* y, int firstRow, int endRow)
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += PackedLayout.GroupRows, group += weights.GroupBytes)
            MultiplyGroup(group, codeOffset, weights.Codebook, x, token, y + r, Math.Min(endRow - r, PackedLayout.GroupRows));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyGroup(byte* group, nint codeOffset, Vector128<sbyte> codebook, in PackedActivations x, nint token, float* y, int rows)
    {
        nint subScaleBytes = TDots.HasScalePer16 ? 16 : 8;
        RowLanes result = RowLanes.Zero;
        byte* codes = group + codeOffset;
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values + token * x.Columns;
        int* shifts = x.Shifts + token * x.Blocks;
        float* scale = x.Scales + token * x.ScaleCount;
        nint left = x.Blocks;
        for (; TDots.IsShort && left >= PackedActivations.ScaleBlocks; left -= PackedActivations.ScaleBlocks, scale++)
        {
            // 1, 2, 4 or 8 for each of the eight blocks
            Vector128<short> multipliers = AdvSimd.ShiftLogical(Vector128.Create((short)1),
                AdvSimd.Arm64.UnzipEven(Vector128.Load((short*)shifts), Vector128.Load((short*)shifts + 8)));
            RowSums sums = default;
            AddTwo(codes, codebook, values, subScales, multipliers, 0, ref sums);
            AddTwo(codes, codebook, values, subScales, multipliers, 2, ref sums);
            AddTwo(codes, codebook, values, subScales, multipliers, 4, ref sums);
            AddTwo(codes, codebook, values, subScales, multipliers, 6, ref sums);
            codes += 8 * TDots.BlockBytes;
            values += PackedActivations.ScaleColumns;
            subScales += 8 * subScaleBytes;
            shifts += PackedActivations.ScaleBlocks;
            result = result.AddScaled(*scale, sums);
        }
        for (; left > 0; scale++)
        {
            RowSums sums = default;
            nint blocks = nint.Min(left, PackedActivations.ScaleBlocks);
            left -= blocks;
            for (; blocks > 0; blocks--, codes += TDots.BlockBytes, values += 32, subScales += subScaleBytes, shifts++)
            {
                Vector128<short> shift = AdvSimd.LoadAndReplicateToVector128((short*)shifts);
                TDots.Sum(codes, codebook, values, 0, out RowSums first, out RowSums second);
                sums.AddShifted(first, AdvSimd.SignExtendWideningLower(Vector64.Load(subScales)), shift);
                if (TDots.HasScalePer16) sums.AddShifted(second, AdvSimd.SignExtendWideningLower(Vector64.Load(subScales + 8)), shift);
            }
            result = result.AddScaled(*scale, sums);
        }
        result.Times(RowLanes.Load((float*)group)).Store(y, rows);
    }

#pragma warning disable CA1857 // block + 1 is a constant once this is inlined
    /// <summary>64 columns.</summary>
    /// <param name="block">A constant: their place among eight times 32.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTwo(
        byte* codes, Vector128<sbyte> codebook, sbyte* values, sbyte* subScales, Vector128<short> multipliers, [ConstantExpected(Max = (byte)6)] byte block, ref RowSums sums)
    {
        TDots.Sum(codes, codebook, values, block, out RowSums first, out RowSums second);
        Vector128<sbyte> scales = AdvSimd.LoadVector128(subScales + block * (TDots.HasScalePer16 ? 16 : 8));
        Vector128<short> upper = AdvSimd.SignExtendWideningUpper(scales), lower = AdvSimd.SignExtendWideningLower(scales.GetLower());
        sums.AddScaled(first, lower, multipliers, block);
        if (TDots.HasScalePer16)
        {
            sums.AddScaled(second, upper, multipliers, block);
            scales = AdvSimd.LoadVector128(subScales + (block + 1) * 16);
            upper = AdvSimd.SignExtendWideningUpper(scales);
            lower = AdvSimd.SignExtendWideningLower(scales.GetLower());
        }
        TDots.Sum(codes, codebook, values, block + 1, out RowSums third, out RowSums fourth);
        if (TDots.HasScalePer16)
        {
            sums.AddScaled(third, lower, multipliers, (byte)(block + 1));
            sums.AddScaled(fourth, upper, multipliers, (byte)(block + 1));
        }
        else
        {
            sums.AddScaled(third, upper, multipliers, (byte)(block + 1));
        }
    }
#pragma warning restore CA1857
}
