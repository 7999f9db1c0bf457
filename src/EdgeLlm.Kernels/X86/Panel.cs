using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// 16 rows of weights unpacked, block of 32 columns after block: codes [8 quads][16 rows][4 columns] as bytes, float scales [16 rows], and
/// where there are any float offsets [16 rows]. Scales and offsets are [2 halves][16 rows] where each 16 columns have one.
/// So the lanes of a vector are rows, and sums need no reduction.
/// </summary>
internal static unsafe class Panel
{
    public const int Rows = 16;
    public const int QuadBytes = 4 * Rows;
    public const int CodeBytes = 8 * QuadBytes;

    /// <summary>The largest <see cref="BlockBytes"/>.</summary>
    public const int MaximumBlockBytes = CodeBytes + 4 * Rows * sizeof(float);

    /// <summary>From a block's scales to its offsets, in floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int OffsetsAfterScales<TCodes>()
        where TCodes : struct, ICodes => TCodes.HasScalePer16 ? 2 * Rows : Rows;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int BlockBytes<TCodes>()
        where TCodes : struct, ICodes => CodeBytes + OffsetsAfterScales<TCodes>() * sizeof(float) * (TCodes.HasOffset ? 2 : 1);

    /// <summary>Unpacks 16 rows with <see cref="BlockUnpacker"/>; what follows <paramref name="rows"/> valid ones is the last of them again.</summary>
    public static void Unpack<TCodes>(in WeightMatrix weights, int firstRow, int rows, int blocks, byte* panel)
        where TCodes : struct, ICodes
    {
        int* codes = stackalloc int[8];
        float* scales = stackalloc float[2], offsets = stackalloc float[2];
        for (int r = 0; r < Rows; r++)
        {
            byte* row = weights.Row(firstRow + Math.Min(r, rows - 1));
            byte* block = panel;
            for (int b = 0; b < blocks; b++, block += BlockBytes<TCodes>())
            {
                BlockUnpacker.Unpack(weights.Type, row, b, (sbyte*)codes, scales, offsets);
                for (int quad = 0; quad < 8; quad++) ((int*)block)[quad * Rows + r] = codes[quad];
                float* target = (float*)(block + CodeBytes) + r;
                for (int half = 0; half < (TCodes.HasScalePer16 ? 2 : 1); half++)
                {
                    target[half * Rows] = scales[half];
                    if (TCodes.HasOffset) target[OffsetsAfterScales<TCodes>() + half * Rows] = offsets[half];
                }
            }
        }
    }

    /// <summary>Unpacks 16 rows that lie <paramref name="stride"/> bytes apart.</summary>
    public static void Unpack<TFormat>(byte* rows, nint stride, int blocks, byte* panel)
        where TFormat : struct, IRowFormat
    {
        for (int octet = 0; octet < 2; octet++, rows += 8 * stride)
        {
            byte* source = rows, target = panel + 32 * octet;
            for (int b = 0; b < blocks; b += TFormat.Groups, source += TFormat.BlockBytes)
            {
                TFormat.Scales(source, stride, (float*)(target + CodeBytes), BlockBytes<TFormat>() / sizeof(float));
                for (int group = 0; group < TFormat.Groups; group++, target += BlockBytes<TFormat>())
                    Transpose<TFormat>(source, stride, group, target);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose<TFormat>(byte* block, nint stride, int group, byte* target)
        where TFormat : struct, IRowFormat
    {
        nint stride3 = 3 * stride;
        byte* upper = block + 4 * stride;
        Vector256<int> r0 = TFormat.Codes(block, group).AsInt32(), r1 = TFormat.Codes(block + stride, group).AsInt32();
        Vector256<int> r2 = TFormat.Codes(block + 2 * stride, group).AsInt32(), r3 = TFormat.Codes(block + stride3, group).AsInt32();
        Vector256<int> r4 = TFormat.Codes(upper, group).AsInt32(), r5 = TFormat.Codes(upper + stride, group).AsInt32();
        Vector256<int> r6 = TFormat.Codes(upper + 2 * stride, group).AsInt32(), r7 = TFormat.Codes(upper + stride3, group).AsInt32();
        Vector256<long> a0 = Avx2.UnpackLow(r0, r1).AsInt64(), a1 = Avx2.UnpackHigh(r0, r1).AsInt64();
        Vector256<long> b0 = Avx2.UnpackLow(r2, r3).AsInt64(), b1 = Avx2.UnpackHigh(r2, r3).AsInt64();
        Vector256<long> c0 = Avx2.UnpackLow(r4, r5).AsInt64(), c1 = Avx2.UnpackHigh(r4, r5).AsInt64();
        Vector256<long> d0 = Avx2.UnpackLow(r6, r7).AsInt64(), d1 = Avx2.UnpackHigh(r6, r7).AsInt64();
        StoreQuads(Avx2.UnpackLow(a0, b0), Avx2.UnpackLow(c0, d0), target);
        StoreQuads(Avx2.UnpackHigh(a0, b0), Avx2.UnpackHigh(c0, d0), target + QuadBytes);
        StoreQuads(Avx2.UnpackLow(a1, b1), Avx2.UnpackLow(c1, d1), target + 2 * QuadBytes);
        StoreQuads(Avx2.UnpackHigh(a1, b1), Avx2.UnpackHigh(c1, d1), target + 3 * QuadBytes);
    }

    /// <summary>Stores quad k of eight rows (lower halves) at <paramref name="target"/> and quad 4 + k (upper halves) four quads on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuads(Vector256<long> rows0To3, Vector256<long> rows4To7, byte* target)
    {
        Avx2.Permute2x128(rows0To3, rows4To7, 0x20).AsByte().Store(target);
        Avx2.Permute2x128(rows0To3, rows4To7, 0x31).AsByte().Store(target + 4 * QuadBytes);
    }
}
