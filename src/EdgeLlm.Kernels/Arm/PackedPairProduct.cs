using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

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
