using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Two products of 127 * 127 fit an int16 (and two of 128 * 127, which a damaged file may ask for).</summary>
internal readonly unsafe struct E8Group32WideningDots : IPackedDots
{
    public static int BlockBytes => 256;

    public static bool HasScalePer16 => false;

    public static bool AreNibbles => false;

    public static bool IsShort => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second)
    {
        Vector128<int> x0 = Vector128.Load((int*)values + 8 * block), x1 = Vector128.Load((int*)values + (8 * block + 4));
        sbyte* q0 = (sbyte*)codes + 256 * (block % 4);
        WideSums sums = default;
        Vector128<sbyte> p, q, x;
        Vector128<short> r01, r23, r45, r67;
        p = Vector128.Load(q0);
        q = Vector128.Load(q0 + 16);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 0).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        p = Vector128.Load(q0 + 32);
        q = Vector128.Load(q0 + 48);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 1).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        sums.Start(r01, r23, r45, r67);
        p = Vector128.Load(q0 + 64);
        q = Vector128.Load(q0 + 80);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 2).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        p = Vector128.Load(q0 + 96);
        q = Vector128.Load(q0 + 112);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x0, 3).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        sums.Widen(r01, r23, r45, r67);
        p = Vector128.Load(q0 + 128);
        q = Vector128.Load(q0 + 144);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 0).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        p = Vector128.Load(q0 + 160);
        q = Vector128.Load(q0 + 176);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 1).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        sums.Widen(r01, r23, r45, r67);
        p = Vector128.Load(q0 + 192);
        q = Vector128.Load(q0 + 208);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 2).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpper(p, x);
        r67 = AdvSimd.MultiplyWideningUpper(q, x);
        r01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        p = Vector128.Load(q0 + 224);
        q = Vector128.Load(q0 + 240);
        x = AdvSimd.DuplicateSelectedScalarToVector128(x1, 3).AsSByte();
        r23 = AdvSimd.MultiplyWideningUpperAndAdd(r23, p, x);
        r67 = AdvSimd.MultiplyWideningUpperAndAdd(r67, q, x);
        r01 = AdvSimd.MultiplyWideningLowerAndAdd(r01, p.GetLower(), x.GetLower());
        r45 = AdvSimd.MultiplyWideningLowerAndAdd(r45, q.GetLower(), x.GetLower());
        sums.Widen(r01, r23, r45, r67);
        first = second = sums.ToRowSums();
    }
}
