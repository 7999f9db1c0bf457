using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// A panel's integer sums without dot products: SMULL and SMLAL take 4 columns of 2 rows with one token, and a row's sum is spread over
/// several lanes until the group of columns ends. The upper halves of vectors always go first: what is left of a register is its lower
/// half, which then needs no move.
/// </summary>
internal unsafe interface IPairSums<TSelf> where TSelf : struct, IPairSums<TSelf>
{
    /// <summary>
    /// Adds 8 columns: the panel's 64 bytes at <paramref name="w"/> and two quads of activations, each repeated in a vector.
    /// </summary>
    static abstract void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, ref TSelf sums);

    /// <summary>Adds 8 columns for two tokens, x and z.</summary>
    static abstract void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, Vector128<sbyte> z0, Vector128<sbyte> z1,
        ref TSelf sums, ref TSelf others);

    RowLanes ToRowLanes();
}

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
    public static void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, Vector128<sbyte> z0, Vector128<sbyte> z1,
        ref NarrowSums sums, ref NarrowSums others)
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

/// <summary>Any int8 weights: an int16 holds two products (2 * 128 * 127 = 32512), then SADALP takes them to int32.</summary>
internal unsafe struct WideSums : IPairSums<WideSums>
{
    private Vector128<int> r01, r23, r45, r67;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, ref WideSums sums)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        Vector128<short> t23 = AdvSimd.MultiplyWideningUpper(p, x0);
        Vector128<short> t67 = AdvSimd.MultiplyWideningUpper(q, x0);
        Vector128<short> t01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x0.GetLower());
        Vector128<short> t45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x0.GetLower());
        t23 = AdvSimd.MultiplyWideningUpperAndAdd(t23, r, x1);
        t67 = AdvSimd.MultiplyWideningUpperAndAdd(t67, s, x1);
        t01 = AdvSimd.MultiplyWideningLowerAndAdd(t01, r.GetLower(), x1.GetLower());
        t45 = AdvSimd.MultiplyWideningLowerAndAdd(t45, s.GetLower(), x1.GetLower());
        sums.Widen(t01, t23, t45, t67);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, Vector128<sbyte> z0, Vector128<sbyte> z1,
        ref WideSums sums, ref WideSums others)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        Vector128<short> t23 = AdvSimd.MultiplyWideningUpper(p, x0);
        Vector128<short> u23 = AdvSimd.MultiplyWideningUpper(p, z0);
        Vector128<short> t67 = AdvSimd.MultiplyWideningUpper(q, x0);
        Vector128<short> u67 = AdvSimd.MultiplyWideningUpper(q, z0);
        Vector128<short> t01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x0.GetLower());
        Vector128<short> u01 = AdvSimd.MultiplyWideningLower(p.GetLower(), z0.GetLower());
        Vector128<short> t45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x0.GetLower());
        Vector128<short> u45 = AdvSimd.MultiplyWideningLower(q.GetLower(), z0.GetLower());
        t23 = AdvSimd.MultiplyWideningUpperAndAdd(t23, r, x1);
        u23 = AdvSimd.MultiplyWideningUpperAndAdd(u23, r, z1);
        t67 = AdvSimd.MultiplyWideningUpperAndAdd(t67, s, x1);
        u67 = AdvSimd.MultiplyWideningUpperAndAdd(u67, s, z1);
        t01 = AdvSimd.MultiplyWideningLowerAndAdd(t01, r.GetLower(), x1.GetLower());
        u01 = AdvSimd.MultiplyWideningLowerAndAdd(u01, r.GetLower(), z1.GetLower());
        t45 = AdvSimd.MultiplyWideningLowerAndAdd(t45, s.GetLower(), x1.GetLower());
        u45 = AdvSimd.MultiplyWideningLowerAndAdd(u45, s.GetLower(), z1.GetLower());
        sums.Widen(t01, t23, t45, t67);
        others.Widen(u01, u23, u45, u67);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly RowLanes ToRowLanes() => new(
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(r01, r23)),
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(r45, r67)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly RowSums ToRowSums() => new(AdvSimd.Arm64.AddPairwise(r01, r23), AdvSimd.Arm64.AddPairwise(r45, r67));

    /// <summary>Sets the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Start(Vector128<short> t01, Vector128<short> t23, Vector128<short> t45, Vector128<short> t67)
    {
        r01 = AdvSimd.AddPairwiseWidening(t01);
        r23 = AdvSimd.AddPairwiseWidening(t23);
        r45 = AdvSimd.AddPairwiseWidening(t45);
        r67 = AdvSimd.AddPairwiseWidening(t67);
    }

    /// <summary>Adds to the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Widen(Vector128<short> t01, Vector128<short> t23, Vector128<short> t45, Vector128<short> t67)
    {
        r01 = AdvSimd.AddPairwiseWideningAndAdd(r01, t01);
        r23 = AdvSimd.AddPairwiseWideningAndAdd(r23, t23);
        r45 = AdvSimd.AddPairwiseWideningAndAdd(r45, t45);
        r67 = AdvSimd.AddPairwiseWideningAndAdd(r67, t67);
    }
}
