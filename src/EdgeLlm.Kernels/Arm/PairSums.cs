using System.Diagnostics.CodeAnalysis;
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
    /// <summary>Adds 8 columns: the panel's 64 bytes at <paramref name="w"/> and two of the quads of activations.</summary>
    static abstract void Add(sbyte* w, Vector128<int> x, [ConstantExpected(Max = (byte)3)] byte quad,
        [ConstantExpected(Max = (byte)3)] byte nextQuad, ref TSelf sums);

    /// <summary>Adds 8 columns for two tokens, x and z.</summary>
    static abstract void Add(sbyte* w, Vector128<int> x, Vector128<int> z, [ConstantExpected(Max = (byte)3)] byte quad,
        [ConstantExpected(Max = (byte)3)] byte nextQuad, ref TSelf sums, ref TSelf others);

    RowLanes ToRowLanes();
}

/// <summary>
/// Sums that stay in int16, two rows a vector: of weights in [-32, 32] up to eight products a lane, a whole group of 32 columns.
/// </summary>
internal unsafe struct NarrowSums : IPairSums<NarrowSums>
{
    public Vector128<short> R01, R23, R45, R67;

    /// <summary>Sums of four columns: of four rows p, of the others q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static NarrowSums Of(Vector128<sbyte> p, Vector128<sbyte> q, Vector128<int> columns, [ConstantExpected(Max = (byte)3)] byte quad)
    {
        Vector128<sbyte> x = Repeat(columns, quad);
        NarrowSums sums;
        sums.R23 = AdvSimd.MultiplyWideningUpper(p, x);
        sums.R67 = AdvSimd.MultiplyWideningUpper(q, x);
        sums.R01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        sums.R45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        return sums;
    }

    /// <summary>Adds four columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddQuad(Vector128<sbyte> p, Vector128<sbyte> q, Vector128<int> columns, [ConstantExpected(Max = (byte)3)] byte quad)
    {
        Vector128<sbyte> x = Repeat(columns, quad);
        R23 = AdvSimd.MultiplyWideningUpperAndAdd(R23, p, x);
        R67 = AdvSimd.MultiplyWideningUpperAndAdd(R67, q, x);
        R01 = AdvSimd.MultiplyWideningLowerAndAdd(R01, p.GetLower(), x.GetLower());
        R45 = AdvSimd.MultiplyWideningLowerAndAdd(R45, q.GetLower(), x.GetLower());
    }

    /// <summary>The sums of four columns for two tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Start(Vector128<sbyte> p, Vector128<sbyte> q, Vector128<int> columns, Vector128<int> others,
        [ConstantExpected(Max = (byte)3)] byte quad, out NarrowSums sums, out NarrowSums otherSums)
    {
        Vector128<sbyte> x = Repeat(columns, quad), z = Repeat(others, quad);
        sums.R23 = AdvSimd.MultiplyWideningUpper(p, x);
        otherSums.R23 = AdvSimd.MultiplyWideningUpper(p, z);
        sums.R67 = AdvSimd.MultiplyWideningUpper(q, x);
        otherSums.R67 = AdvSimd.MultiplyWideningUpper(q, z);
        sums.R01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        otherSums.R01 = AdvSimd.MultiplyWideningLower(p.GetLower(), z.GetLower());
        sums.R45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        otherSums.R45 = AdvSimd.MultiplyWideningLower(q.GetLower(), z.GetLower());
    }

    /// <summary>Adds four columns for two tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddQuad(Vector128<sbyte> p, Vector128<sbyte> q, Vector128<int> columns, Vector128<int> others,
        [ConstantExpected(Max = (byte)3)] byte quad, ref NarrowSums sums, ref NarrowSums otherSums)
    {
        Vector128<sbyte> x = Repeat(columns, quad), z = Repeat(others, quad);
        sums.R23 = AdvSimd.MultiplyWideningUpperAndAdd(sums.R23, p, x);
        otherSums.R23 = AdvSimd.MultiplyWideningUpperAndAdd(otherSums.R23, p, z);
        sums.R67 = AdvSimd.MultiplyWideningUpperAndAdd(sums.R67, q, x);
        otherSums.R67 = AdvSimd.MultiplyWideningUpperAndAdd(otherSums.R67, q, z);
        sums.R01 = AdvSimd.MultiplyWideningLowerAndAdd(sums.R01, p.GetLower(), x.GetLower());
        otherSums.R01 = AdvSimd.MultiplyWideningLowerAndAdd(otherSums.R01, p.GetLower(), z.GetLower());
        sums.R45 = AdvSimd.MultiplyWideningLowerAndAdd(sums.R45, q.GetLower(), x.GetLower());
        otherSums.R45 = AdvSimd.MultiplyWideningLowerAndAdd(otherSums.R45, q.GetLower(), z.GetLower());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<int> x, [ConstantExpected(Max = (byte)3)] byte quad,
        [ConstantExpected(Max = (byte)3)] byte nextQuad, ref NarrowSums sums)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        sums.AddQuad(p, q, x, quad);
        sums.AddQuad(r, s, x, nextQuad);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<int> x, Vector128<int> z, [ConstantExpected(Max = (byte)3)] byte quad,
        [ConstantExpected(Max = (byte)3)] byte nextQuad, ref NarrowSums sums, ref NarrowSums others)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        AddQuad(p, q, x, z, quad, ref sums, ref others);
        AddQuad(r, s, x, z, nextQuad, ref sums, ref others);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly RowLanes ToRowLanes() => new(
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(R01), AdvSimd.AddPairwiseWidening(R23))),
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(R45), AdvSimd.AddPairwiseWidening(R67))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Repeat(Vector128<int> columns, [ConstantExpected(Max = (byte)3)] byte quad) =>
        AdvSimd.DuplicateSelectedScalarToVector128(columns, quad).AsSByte();
}

/// <summary>Any int8 weights: an int16 holds two products (2 * 128 * 127 = 32512), then SADALP takes them to int32.</summary>
internal unsafe struct WideSums : IPairSums<WideSums>
{
    private Vector128<int> r01, r23, r45, r67;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<int> x, [ConstantExpected(Max = (byte)3)] byte quad,
        [ConstantExpected(Max = (byte)3)] byte nextQuad, ref WideSums sums)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        NarrowSums narrow = NarrowSums.Of(p, q, x, quad);
        narrow.AddQuad(r, s, x, nextQuad);
        sums.Add(narrow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(sbyte* w, Vector128<int> x, Vector128<int> z, [ConstantExpected(Max = (byte)3)] byte quad,
        [ConstantExpected(Max = (byte)3)] byte nextQuad, ref WideSums sums, ref WideSums others)
    {
        Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
        NarrowSums.Start(p, q, x, z, quad, out NarrowSums narrow, out NarrowSums otherNarrow);
        NarrowSums.AddQuad(r, s, x, z, nextQuad, ref narrow, ref otherNarrow);
        sums.Add(narrow);
        others.Add(otherNarrow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly RowLanes ToRowLanes() => new(
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(r01, r23)),
        AdvSimd.ConvertToSingle(AdvSimd.Arm64.AddPairwise(r45, r67)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly RowSums ToRowSums() => new(AdvSimd.Arm64.AddPairwise(r01, r23), AdvSimd.Arm64.AddPairwise(r45, r67));

    /// <summary>Adds sums, or begins with them.</summary>
    /// <param name="starts">A constant: true where these are the first.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(in NarrowSums sums, bool starts = false)
    {
        if (starts)
        {
            r01 = AdvSimd.AddPairwiseWidening(sums.R01);
            r23 = AdvSimd.AddPairwiseWidening(sums.R23);
            r45 = AdvSimd.AddPairwiseWidening(sums.R45);
            r67 = AdvSimd.AddPairwiseWidening(sums.R67);
        }
        else
        {
            r01 = AdvSimd.AddPairwiseWideningAndAdd(r01, sums.R01);
            r23 = AdvSimd.AddPairwiseWideningAndAdd(r23, sums.R23);
            r45 = AdvSimd.AddPairwiseWideningAndAdd(r45, sums.R45);
            r67 = AdvSimd.AddPairwiseWideningAndAdd(r67, sums.R67);
        }
    }
}
