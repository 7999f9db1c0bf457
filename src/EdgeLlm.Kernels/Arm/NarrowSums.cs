using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Weights in [-32, 32]: up to eight products a lane stay in int16, a whole group of 32 columns.</summary>
internal unsafe struct NarrowSums : IPairSums<NarrowSums>
{
    private Vector128<short> r01, r23, r45, r67;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, ref NarrowSums sums)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        sums.r23 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r23, p, x0);
        sums.r67 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r67, q, x0);
        sums.r01 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r01, p.GetLower(), x0.GetLower());
        sums.r45 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r45, q.GetLower(), x0.GetLower());
        sums.r23 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r23, r, x1);
        sums.r67 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r67, s, x1);
        sums.r01 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r01, r.GetLower(), x1.GetLower());
        sums.r45 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r45, s.GetLower(), x1.GetLower());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, Vector128<sbyte> z0, Vector128<sbyte> z1, ref NarrowSums sums, ref NarrowSums others)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        sums.r23 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r23, p, x0);
        others.r23 = AdvSimd.MultiplyWideningUpperAndAdd(others.r23, p, z0);
        sums.r67 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r67, q, x0);
        others.r67 = AdvSimd.MultiplyWideningUpperAndAdd(others.r67, q, z0);
        sums.r01 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r01, p.GetLower(), x0.GetLower());
        others.r01 = AdvSimd.MultiplyWideningLowerAndAdd(others.r01, p.GetLower(), z0.GetLower());
        sums.r45 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r45, q.GetLower(), x0.GetLower());
        others.r45 = AdvSimd.MultiplyWideningLowerAndAdd(others.r45, q.GetLower(), z0.GetLower());
        sums.r23 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r23, r, x1);
        others.r23 = AdvSimd.MultiplyWideningUpperAndAdd(others.r23, r, z1);
        sums.r67 = AdvSimd.MultiplyWideningUpperAndAdd(sums.r67, s, x1);
        others.r67 = AdvSimd.MultiplyWideningUpperAndAdd(others.r67, s, z1);
        sums.r01 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r01, r.GetLower(), x1.GetLower());
        others.r01 = AdvSimd.MultiplyWideningLowerAndAdd(others.r01, r.GetLower(), z1.GetLower());
        sums.r45 = AdvSimd.MultiplyWideningLowerAndAdd(sums.r45, s.GetLower(), x1.GetLower());
        others.r45 = AdvSimd.MultiplyWideningLowerAndAdd(others.r45, s.GetLower(), z1.GetLower());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly RowLanes ToRowLanes() => new(
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(r01), AdvSimd.AddPairwiseWidening(r23))),
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(r45), AdvSimd.AddPairwiseWidening(r67))));
}
