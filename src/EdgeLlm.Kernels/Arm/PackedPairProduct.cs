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
        Vector128<sbyte> p, q, x, z;
        Vector128<short> r01, r23, r45, r67, s01, s23, s45, s67;
        WideSums first = default, second = default;
        p = Vector128.Load(w);
        q = Vector128.Load(w + 16);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 0).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z0, 0).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        s23 = AdvSimd.MultiplyWideningUpper(p, z);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        s67 = AdvSimd.MultiplyWideningUpper(q, z);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLower(p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLower(q.GetLower(), z.GetLower());
        p = Vector128.Load(w + 32);
        q = Vector128.Load(w + 48);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 1).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z0, 1).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, p, z);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        s67 = AdvSimd.MultiplyWideningUpperAndAdd(s67, q, z);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLowerAndAdd(s45, q.GetLower(), z.GetLower());
        if (TDots.BlockBytes == BlockBytes) // E8: two products to an int16; E4: four
        {
            first.Start(r01, r23, r45, r67);
            second.Start(s01, s23, s45, s67);
            r01 = r23 = r45 = r67 = s01 = s23 = s45 = s67 = Vector128<short>.Zero;
        }
        p = Vector128.Load(w + 64);
        q = Vector128.Load(w + 80);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 2).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z0, 2).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, p, z);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        s67 = AdvSimd.MultiplyWideningUpperAndAdd(s67, q, z);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLowerAndAdd(s45, q.GetLower(), z.GetLower());
        p = Vector128.Load(w + 96);
        q = Vector128.Load(w + 112);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 3).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z0, 3).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, p, z);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        s67 = AdvSimd.MultiplyWideningUpperAndAdd(s67, q, z);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLowerAndAdd(s45, q.GetLower(), z.GetLower());
        if (TDots.BlockBytes == BlockBytes)
        {
            first.Widen(r01, r23, r45, r67);
            second.Widen(s01, s23, s45, s67);
        }
        else
        {
            first.Start(r01, r23, r45, r67);
            second.Start(s01, s23, s45, s67);
        }
        if (TDots.HasScalePer16)
        {
            sum0.AddShifted(first.ToRowSums(), scales, shifts0);
            sum1.AddShifted(second.ToRowSums(), scales, shifts1);
            scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales));
            subScales += PackedLayout.GroupRows;
        }
        p = Vector128.Load(w + 128);
        q = Vector128.Load(w + 144);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 0).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z1, 0).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        s23 = AdvSimd.MultiplyWideningUpper(p, z);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        s67 = AdvSimd.MultiplyWideningUpper(q, z);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLower(p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLower(q.GetLower(), z.GetLower());
        p = Vector128.Load(w + 160);
        q = Vector128.Load(w + 176);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 1).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z1, 1).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, p, z);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        s67 = AdvSimd.MultiplyWideningUpperAndAdd(s67, q, z);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLowerAndAdd(s45, q.GetLower(), z.GetLower());
        if (TDots.BlockBytes == BlockBytes) // E8: two products to an int16; E4: four
        {
            first.Widen(r01, r23, r45, r67);
            second.Widen(s01, s23, s45, s67);
            r01 = r23 = r45 = r67 = s01 = s23 = s45 = s67 = Vector128<short>.Zero;
        }
        p = Vector128.Load(w + 192);
        q = Vector128.Load(w + 208);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 2).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z1, 2).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, p, z);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        s67 = AdvSimd.MultiplyWideningUpperAndAdd(s67, q, z);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLowerAndAdd(s45, q.GetLower(), z.GetLower());
        p = Vector128.Load(w + 224);
        q = Vector128.Load(w + 240);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 3).AsSByte();
        z = AdvSimd.DuplicateSelectedScalarToVector128(z1, 3).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        s23 = AdvSimd.MultiplyWideningUpperAndAdd(s23, p, z);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        s67 = AdvSimd.MultiplyWideningUpperAndAdd(s67, q, z);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        s01 = AdvSimd.MultiplyWideningLowerAndAdd(s01, p.GetLower(), z.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        s45 = AdvSimd.MultiplyWideningLowerAndAdd(s45, q.GetLower(), z.GetLower());
        if (TDots.HasScalePer16)
        {
            first.Start(r01, r23, r45, r67);
            second.Start(s01, s23, s45, s67);
        }
        else
        {
            first.Widen(r01, r23, r45, r67);
            second.Widen(s01, s23, s45, s67);
        }
        sum0.AddShifted(first.ToRowSums(), scales, shifts0);
        sum1.AddShifted(second.ToRowSums(), scales, shifts1);
    }
}
