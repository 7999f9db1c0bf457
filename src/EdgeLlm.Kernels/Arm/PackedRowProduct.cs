using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Packed groups of eight rows times one token, straight from the file.</summary>
internal static unsafe class PackedRowProduct<TDots> where TDots : struct, IPackedDots
{
    public static void Multiply(in WeightMatrix weights, in PackedActivations x, float* y, int firstRow, int endRow)
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += PackedLayout.GroupRows, group += weights.GroupBytes)
            MultiplyGroup(group, codeOffset, weights.Codebook, x, y + r, Math.Min(endRow - r, PackedLayout.GroupRows));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyGroup(byte* group, nint codeOffset, Vector128<sbyte> codebook, in PackedActivations x, float* y, int rows)
    {
        nint subScaleBytes = TDots.HasScalePer16 ? 16 : 8;
        RowLanes result = RowLanes.Zero;
        byte* codes = group + codeOffset;
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values;
        int* shifts = x.Shifts;
        float* scale = x.Scales;
        nint left = x.Blocks;
        for (; TDots.IsShort && left >= PackedActivations.ScaleBlocks; left -= PackedActivations.ScaleBlocks, scale++)
        {
            // 1, 2, 4 or 8 for each of the eight blocks
            Vector128<short> multipliers = AdvSimd.ShiftLogical(Vector128.Create((short)1),
                AdvSimd.Arm64.UnzipEven(Vector128.Load((short*)shifts), Vector128.Load((short*)shifts + 8)));
            RowSums sums = default;
            AddTwo(codes, codebook, values, subScales, multipliers, 0, ref sums);
            AddTwo(codes + 2 * TDots.BlockBytes, codebook, values + 64, subScales + 2 * subScaleBytes, multipliers, 2, ref sums);
            AddTwo(codes + 4 * TDots.BlockBytes, codebook, values + 128, subScales + 4 * subScaleBytes, multipliers, 4, ref sums);
            AddTwo(codes + 6 * TDots.BlockBytes, codebook, values + 192, subScales + 6 * subScaleBytes, multipliers, 6, ref sums);
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
                TDots.Sum(codes, codebook, values, out RowSums first, out RowSums second);
                sums.AddShifted(first, AdvSimd.SignExtendWideningLower(Vector64.Load(subScales)), shift);
                if (TDots.HasScalePer16) sums.AddShifted(second, AdvSimd.SignExtendWideningLower(Vector64.Load(subScales + 8)), shift);
            }
            result = result.AddScaled(*scale, sums);
        }
        result.Times(RowLanes.Load((float*)group)).Store(y, rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTwo(
        byte* codes, Vector128<sbyte> codebook, sbyte* values, sbyte* subScales, Vector128<short> multipliers, [ConstantExpected(Max = (byte)6)] byte lane, ref RowSums sums)
    {
        Vector128<sbyte> scales = Vector128.Load(subScales);
        TDots.Sum(codes, codebook, values, out RowSums first, out RowSums second);
        sums.AddScaled(first, AdvSimd.SignExtendWideningLower(scales.GetLower()), multipliers, lane);
        if (TDots.HasScalePer16)
        {
            sums.AddScaled(second, AdvSimd.SignExtendWideningUpper(scales), multipliers, lane);
            scales = Vector128.Load(subScales + 16);
        }
        TDots.Sum(codes + TDots.BlockBytes, codebook, values + 32, out RowSums third, out RowSums fourth);
        if (TDots.HasScalePer16)
        {
            sums.AddScaled(third, AdvSimd.SignExtendWideningLower(scales.GetLower()), multipliers, (byte)(lane + 1));
            sums.AddScaled(fourth, AdvSimd.SignExtendWideningUpper(scales), multipliers, (byte)(lane + 1));
        }
        else
        {
            sums.AddScaled(third, AdvSimd.SignExtendWideningUpper(scales), multipliers, (byte)(lane + 1));
        }
    }
}
