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

/// <summary>
/// SMULL and SMLAL: packed groups of eight rows, unpacked to int8 [blocks of 32][8 quads][8 rows][4], times many tokens, two at a time.
/// </summary>
internal static unsafe class PackedPairProduct<TDots> where TDots : struct, IPackedDots
{
    /// <summary>From 32 columns to the next, unpacked; E8 needs no unpacking.</summary>
    private const int BlockBytes = PackedPanel.BlockBytes;

    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += PackedLayout.GroupRows, group += weights.GroupBytes)
        {
            sbyte* values = PackedPanel.ValuesOf<TDots>(weights, group, x.Blocks, (sbyte*)scratch);
            for (int t = 0; t < tokens; t += 2)
                MultiplyTwo(group, values, x, t, Math.Min(t + 1, tokens - 1), y + r, yStride, Math.Min(endRow - r, PackedLayout.GroupRows));
        }
    }

    private static void MultiplyTwo(byte* group, sbyte* w, in PackedActivations x, nint t0, nint t1, float* y, nint yStride, int rows)
    {
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values + t0 * x.Columns;
        int* shift = x.Shifts + t0 * x.Blocks;
        float* scale = x.Scales + t0 * x.ScaleCount;
        nint valueStride = (t1 - t0) * x.Columns, shiftStride = (t1 - t0) * x.Blocks, scaleStride = (t1 - t0) * x.ScaleCount;
        RowLanes result0 = RowLanes.Zero, result1 = RowLanes.Zero;
        for (nint left = x.Blocks; left > 0; left -= PackedActivations.ScaleBlocks, scale++)
        {
            RowSums sum0 = default, sum1 = default;
            for (nint b = nint.Min(left, PackedActivations.ScaleBlocks); b > 0; b--, w += BlockBytes, values += 32, shift++)
                Add(w, values, values + valueStride, ref subScales, shift, shift + shiftStride, ref sum0, ref sum1);
            result0 = result0.AddScaled(*scale, sum0);
            result1 = result1.AddScaled(scale[scaleStride], sum1);
        }
        RowLanes rowScales = RowLanes.Load((float*)group);
        result0.Times(rowScales).Store(y + t0 * yStride, rows);
        result1.Times(rowScales).Store(y + t1 * yStride, rows);
    }

    /// <summary>32 columns and two tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(sbyte* w, sbyte* values0, sbyte* values1, ref sbyte* subScales, int* shift0, int* shift1,
        ref RowSums sum0, ref RowSums sum1)
    {
        Vector128<int> x0 = Vector128.Load((int*)values0), x1 = Vector128.Load((int*)values0 + 4), z0 = Vector128.Load((int*)values1),
            z1 = Vector128.Load((int*)values1 + 4);
        Vector128<short> scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales));
        Vector128<short> shifts0 = AdvSimd.LoadAndReplicateToVector128((short*)shift0),
            shifts1 = AdvSimd.LoadAndReplicateToVector128((short*)shift1);
        subScales += PackedLayout.GroupRows;
        WideSums first = default, second = default;
        AddHalf(w, 0, x0, z0, true, ref first, ref second);
        if (TDots.HasScalePer16)
        {
            sum0.AddShifted(first.ToRowSums(), scales, shifts0);
            sum1.AddShifted(second.ToRowSums(), scales, shifts1);
            scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales));
            subScales += PackedLayout.GroupRows;
        }
        AddHalf(w, 1, x1, z1, TDots.HasScalePer16, ref first, ref second);
        sum0.AddShifted(first.ToRowSums(), scales, shifts0);
        sum1.AddShifted(second.ToRowSums(), scales, shifts1);
    }

    /// <summary>16 columns: of E8 two products to an int16, else four.</summary>
    /// <param name="half">A constant: 0 or 1.</param>
    /// <param name="starts">A constant: true where the sums start.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddHalf(sbyte* w, int half, Vector128<int> x, Vector128<int> z, bool starts, ref WideSums first,
        ref WideSums second)
    {
        NarrowSums.Start(Load(w, half, 0), Load(w, half, 16), x, z, 0, out NarrowSums narrow, out NarrowSums other);
        NarrowSums.AddQuad(Load(w, half, 32), Load(w, half, 48), x, z, 1, ref narrow, ref other);
        if (TDots.BlockBytes == BlockBytes)
        {
            first.Add(narrow, starts);
            second.Add(other, starts);
            NarrowSums.Start(Load(w, half, 64), Load(w, half, 80), x, z, 2, out narrow, out other);
            NarrowSums.AddQuad(Load(w, half, 96), Load(w, half, 112), x, z, 3, ref narrow, ref other);
            first.Add(narrow);
            second.Add(other);
        }
        else
        {
            NarrowSums.AddQuad(Load(w, half, 64), Load(w, half, 80), x, z, 2, ref narrow, ref other);
            NarrowSums.AddQuad(Load(w, half, 96), Load(w, half, 112), x, z, 3, ref narrow, ref other);
            first.Add(narrow, starts);
            second.Add(other, starts);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Load(sbyte* w, int half, int offset) => Vector128.Load(w + (BlockBytes / 2 * half + offset));
}
