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
internal static unsafe class WeightPanel
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

    /// <summary>
    /// Unpacks 16 rows with <see cref="BlockUnpacker"/>; what follows <paramref name="rows"/> valid ones is the last of them again.
    /// </summary>
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

    /// <summary>Unpacks 16 rows that are <paramref name="stride"/> bytes apart.</summary>
    public static void Unpack<TFormat>(byte* rows, nint stride, int blocks, byte* panel)
        where TFormat : struct, IBlockFormat
    {
        for (int octet = 0; octet < 2; octet++, rows += 8 * stride)
        {
            byte* source = rows, target = panel + 32 * octet;
            for (int b = 0; b < blocks; b += TFormat.SubBlocks, source += TFormat.BlockBytes)
            {
                TFormat.Scales(source, stride, (float*)(target + CodeBytes), BlockBytes<TFormat>() / sizeof(float));
                for (int subBlock = 0; subBlock < TFormat.SubBlocks; subBlock++, target += BlockBytes<TFormat>())
                    Transpose<TFormat>(source, stride, subBlock, target);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose<TFormat>(byte* block, nint stride, int subBlock, byte* target)
        where TFormat : struct, IBlockFormat
    {
        nint stride4 = 4 * stride;
        byte* row1 = block + stride, row2 = block + 2 * stride, row3 = row2 + stride;
        TFormat.Codes(block, block + stride4, subBlock, out Vector256<byte> first0, out Vector256<byte> second0);
        TFormat.Codes(row1, row1 + stride4, subBlock, out Vector256<byte> first1, out Vector256<byte> second1);
        TFormat.Codes(row2, row2 + stride4, subBlock, out Vector256<byte> first2, out Vector256<byte> second2);
        TFormat.Codes(row3, row3 + stride4, subBlock, out Vector256<byte> first3, out Vector256<byte> second3);
        StoreQuads(first0.AsInt32(), first1.AsInt32(), first2.AsInt32(), first3.AsInt32(), target);
        StoreQuads(second0.AsInt32(), second1.AsInt32(), second2.AsInt32(), second3.AsInt32(), target + 4 * QuadBytes);
    }

    /// <summary>Stores four quads of eight rows; vector r has those of row r and of row r + 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuads(Vector256<int> rows0, Vector256<int> rows1, Vector256<int> rows2, Vector256<int> rows3, byte* target)
    {
        Vector256<long> a = Avx2.UnpackLow(rows0, rows1).AsInt64(), b = Avx2.UnpackLow(rows2, rows3).AsInt64();
        Vector256<long> c = Avx2.UnpackHigh(rows0, rows1).AsInt64(), d = Avx2.UnpackHigh(rows2, rows3).AsInt64();
        Avx2.UnpackLow(a, b).AsByte().Store(target);
        Avx2.UnpackHigh(a, b).AsByte().Store(target + QuadBytes);
        Avx2.UnpackLow(c, d).AsByte().Store(target + 2 * QuadBytes);
        Avx2.UnpackHigh(c, d).AsByte().Store(target + 3 * QuadBytes);
    }
}
