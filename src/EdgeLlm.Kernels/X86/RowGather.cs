using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>Gathers equal fields of eight rows into the eight lanes of a vector.</summary>
internal static unsafe class RowGather
{
    /// <summary>
    /// The 32 bits at <paramref name="at"/> and at the same place of the seven rows after it. Each row r is loaded from 4r bytes before,
    /// where its bits fall into lane r, and blended in. That reads nothing before the first row or after the last: rows are at least 16
    /// bytes long.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Lanes(byte* at, nint stride)
    {
        nint step = stride - 4;
        byte* upper = at + 4 * step;
        Vector256<uint> rows = Vector256.Load((uint*)at);
        rows = Avx2.Blend(rows, Vector256.Load((uint*)(at + step)), 0x02);
        rows = Avx2.Blend(rows, Vector256.Load((uint*)(at + 2 * step)), 0x04);
        rows = Avx2.Blend(rows, Vector256.Load((uint*)(upper - step)), 0x08);
        rows = Avx2.Blend(rows, Vector256.Load((uint*)upper), 0x10);
        rows = Avx2.Blend(rows, Vector256.Load((uint*)(upper + step)), 0x20);
        rows = Avx2.Blend(rows, Vector256.Load((uint*)(upper + 2 * step)), 0x40);
        return Avx2.Blend(rows, Vector256.Load((uint*)(upper + 3 * step)), 0x80);
    }

    /// <summary>The floats of the halfs in the lower 16 bits of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LowerHalfs(Vector256<uint> lanes) => Halfs(lanes << 16);

    /// <summary>The floats of the halfs in the upper 16 bits of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> UpperHalfs(Vector256<uint> lanes) => Halfs(lanes & Vector256.Create(0xFFFF0000u));

    /// <summary>
    /// The floats of halfs that are alone in the upper 16 bits of each lane, as <see cref="HalfConversion"/> converts them. With exponent
    /// and mantissa moved to a float's, a half is 2^112 too small, subnormal or not; infinity and NaN still need a float's largest
    /// exponent.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halfs(Vector256<uint> halfs)
    {
        Vector256<int> moved = halfs.AsInt32() >> 3 & Vector256.Create(unchecked((int)0x8FFFE000));
        Vector256<int> isNotFinite = Vector256.GreaterThan(moved << 1, Vector256.Create(0x1EFFFFFF));
        Vector256<float> finite = moved.AsSingle() * Vector256.Create(5.192296858534828e33f); // 2^112
        return (finite.AsInt32() | (isNotFinite & Vector256.Create(0x7F800000))).AsSingle();
    }

    /// <summary>Scales and minimums of Q4_K and Q5_K: d and dmin, then 12 bytes with eight of each in 6 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ScalesAndMinimums(byte* block, nint stride, float* scales, nint subBlockStride)
    {
        (Vector256<uint> both, Vector256<uint> s0, Vector256<uint> s4, Vector256<uint> s8) = SixteenBytes(block, stride);
        Vector256<float> d = LowerHalfs(both), minus = -UpperHalfs(both);
        Vector256<uint> six = Vector256.Create(0x3F3F3F3Fu), four = Vector256.Create(0x0F0F0F0Fu), two = Vector256.Create(0x03030303u);
        StoreSubBlocks(d, s0 & six, scales, subBlockStride);
        StoreSubBlocks(minus, s4 & six, scales + WeightPanel.Rows, subBlockStride);
        StoreSubBlocks(d, (s8 & four) | (s0 >> 6 & two) << 4, scales + 4 * subBlockStride, subBlockStride);
        StoreSubBlocks(minus, (s8 >> 4 & four) | (s4 >> 6 & two) << 4, scales + 4 * subBlockStride + WeightPanel.Rows, subBlockStride);
    }

    /// <summary>Stores factor times byte g of each lane for sub-blocks g from 0 to 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreSubBlocks(Vector256<float> factor, Vector256<uint> bytes, float* target, nint subBlockStride)
    {
        Vector256<uint> lowest = Vector256.Create(255u);
        (factor * Vector256.ConvertToSingle((bytes & lowest).AsInt32())).Store(target);
        (factor * Vector256.ConvertToSingle((bytes >> 8 & lowest).AsInt32())).Store(target + subBlockStride);
        (factor * Vector256.ConvertToSingle((bytes >> 16 & lowest).AsInt32())).Store(target + 2 * subBlockStride);
        (factor * Vector256.ConvertToSingle((bytes >> 24).AsInt32())).Store(target + 3 * subBlockStride);
    }

    /// <summary>
    /// Transposes the 16 bytes at <paramref name="at"/> of eight rows: result k has bytes 4k to 4k + 3 of row r in lane r.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<uint> Q0, Vector256<uint> Q1, Vector256<uint> Q2, Vector256<uint> Q3) SixteenBytes(byte* at, nint stride)
    {
        byte* upper = at + 4 * stride;
        Vector256<uint> r0 = CodeBits.Pair(at, upper).AsUInt32(), r1 = CodeBits.Pair(at + stride, upper + stride).AsUInt32();
        Vector256<uint> r2 = CodeBits.Pair(at + 2 * stride, upper + 2 * stride).AsUInt32();
        Vector256<uint> r3 = CodeBits.Pair(at + 3 * stride, upper + 3 * stride).AsUInt32();
        Vector256<ulong> a0 = Avx2.UnpackLow(r0, r1).AsUInt64(), a1 = Avx2.UnpackHigh(r0, r1).AsUInt64();
        Vector256<ulong> b0 = Avx2.UnpackLow(r2, r3).AsUInt64(), b1 = Avx2.UnpackHigh(r2, r3).AsUInt64();
        return (Avx2.UnpackLow(a0, b0).AsUInt32(), Avx2.UnpackHigh(a0, b0).AsUInt32(),
            Avx2.UnpackLow(a1, b1).AsUInt32(), Avx2.UnpackHigh(a1, b1).AsUInt32());
    }
}
