using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>Two groups of eight rows times one <see cref="PackedTile"/>: 16 rows by up to four tokens.</summary>
internal static unsafe class PackedPanelProduct<TDot, TCodes, TTokens>
    where TDot : struct, IByteDot
    where TCodes : struct, IPackedCodes
    where TTokens : struct, ITokenCount
{
    /// <summary>Rows of two groups.</summary>
    public const int Rows = 16;

    private const int BlockBytes = 256;

    /// <param name="a">Codes of the first group, per 32 columns [8 quads][8 rows][4 columns]: as E8 has them in the file, as <see cref="PackedProducts{TDot}"/> unpacks them of E4.</param>
    /// <param name="b">Those of the second group.</param>
    /// <param name="firstScales">Sub-scales of the first group, as in the file.</param>
    /// <param name="secondScales">Those of the second group.</param>
    /// <param name="accumulators">The results without the row scales, [tokens][16 rows].</param>
    /// <param name="sums">Scratch of the same shape.</param>
    public static void Multiply(byte* a, byte* b, sbyte* firstScales, sbyte* secondScales, byte* tile, int blocks, float* accumulators, int* sums)
    {
        for (int t = 0; t < TTokens.Count * Rows; t += 8) Vector256<float>.Zero.Store(accumulators + t);
        for (; blocks > 0; blocks -= PackedActivations.ScaleBlocks)
        {
            for (int t = 0; t < TTokens.Count * Rows; t += 8) Vector256<int>.Zero.Store(sums + t);
            float* scales = (float*)(tile + PackedTile.Scales);
            for (int block = Math.Min(blocks, PackedActivations.ScaleBlocks); block > 0; block--, a += BlockBytes, b += BlockBytes, tile += PackedTile.BlockBytes)
            {
                if (TCodes.HasScalePer16)
                {
                    AddColumns(a, b, firstScales, secondScales, tile, 0, 1, sums);
                    AddColumns(a, b, firstScales + 8, secondScales + 8, tile, 1, 1, sums);
                    firstScales += 16;
                    secondScales += 16;
                }
                else
                {
                    AddColumns(a, b, firstScales, secondScales, tile, 0, 2, sums);
                    firstScales += 8;
                    secondScales += 8;
                }
            }
            for (int t = 0; t < TTokens.Count; t++, accumulators += Rows, sums += Rows)
            {
                Vector256<float> scale = Vector256.Create(scales[t]);
                Fma.MultiplyAdd(scale, Vector256.ConvertToSingle(Vector256.Load(sums)), Vector256.Load(accumulators)).Store(accumulators);
                Fma.MultiplyAdd(scale, Vector256.ConvertToSingle(Vector256.Load(sums + 8)), Vector256.Load(accumulators + 8)).Store(accumulators + 8);
            }
            accumulators -= TTokens.Count * Rows;
            sums -= TTokens.Count * Rows;
        }
    }

    /// <summary>Adds 16 columns or 32 (one or two <paramref name="runs"/> of four quads), with their sub-scales.</summary>
    /// <remarks>A method of its own, with a loop over the quads: all of it in one was too much for the inlining budget of .NET 9.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddColumns(byte* a, byte* b, sbyte* firstScales, sbyte* secondScales, byte* tile, int half, int runs, int* sums)
    {
        // a: rows 0 to 7, b: rows 8 to 15, of tokens 0 to 3
        int* starts = (int*)(tile + PackedTile.Starts) + half * PackedTile.Tokens;
        Vector256<int> a0 = Start(starts), a1 = Start(starts + 1), a2 = Start(starts + 2), a3 = Start(starts + 3), b0 = a0, b1 = a1, b2 = a2, b3 = a3;
        a += half * 128;
        b += half * 128;
        byte* values = tile + half * 16;
        for (int quad = 4 * runs; quad > 0; quad--, a += 32, b += 32, values += 4)
        {
            if (TCodes.HasCodebook) AddQuad(Vector256.Load(a), Vector256.Load(b), values, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
            else AddSignedQuad(Vector256.Load((sbyte*)a), Vector256.Load((sbyte*)b), values, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1, ref b2, ref b3);
        }
        Vector256<int> first = Avx2.ConvertToVector256Int32(firstScales), second = Avx2.ConvertToVector256Int32(secondScales);
        uint* shifts = (uint*)(tile + PackedTile.Shifts);
        Finish(a0, b0, first, second, shifts + 0, sums);
        if (TTokens.Count > 1) Finish(a1, b1, first, second, shifts + 1, sums + Rows);
        if (TTokens.Count > 2)
        {
            Finish(a2, b2, first, second, shifts + 2, sums + 2 * Rows);
            Finish(a3, b3, first, second, shifts + 3, sums + 3 * Rows);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuad(
        Vector256<byte> a, Vector256<byte> b, byte* values, ref Vector256<int> a0, ref Vector256<int> a1, ref Vector256<int> a2, ref Vector256<int> a3,
        ref Vector256<int> b0, ref Vector256<int> b1, ref Vector256<int> b2, ref Vector256<int> b3)
    {
        Vector256<sbyte> x = Broadcast(values);
        a0 = TDot.AccumulateWide(a0, a, x);
        b0 = TDot.AccumulateWide(b0, b, x);
        if (TTokens.Count > 1)
        {
            x = Broadcast(values + 32);
            a1 = TDot.AccumulateWide(a1, a, x);
            b1 = TDot.AccumulateWide(b1, b, x);
        }
        if (TTokens.Count > 2)
        {
            x = Broadcast(values + 64);
            a2 = TDot.AccumulateWide(a2, a, x);
            b2 = TDot.AccumulateWide(b2, b, x);
            x = Broadcast(values + 96);
            a3 = TDot.AccumulateWide(a3, a, x);
            b3 = TDot.AccumulateWide(b3, b, x);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSignedQuad(
        Vector256<sbyte> a, Vector256<sbyte> b, byte* values, ref Vector256<int> a0, ref Vector256<int> a1, ref Vector256<int> a2, ref Vector256<int> a3,
        ref Vector256<int> b0, ref Vector256<int> b1, ref Vector256<int> b2, ref Vector256<int> b3)
    {
        Vector256<byte> aMagnitude = Avx2.Abs(a), bMagnitude = Avx2.Abs(b);
        Vector256<sbyte> x = Broadcast(values);
        a0 = TDot.AccumulateWide(a0, aMagnitude, Avx2.Sign(x, a));
        b0 = TDot.AccumulateWide(b0, bMagnitude, Avx2.Sign(x, b));
        if (TTokens.Count > 1)
        {
            x = Broadcast(values + 32);
            a1 = TDot.AccumulateWide(a1, aMagnitude, Avx2.Sign(x, a));
            b1 = TDot.AccumulateWide(b1, bMagnitude, Avx2.Sign(x, b));
        }
        if (TTokens.Count > 2)
        {
            x = Broadcast(values + 64);
            a2 = TDot.AccumulateWide(a2, aMagnitude, Avx2.Sign(x, a));
            b2 = TDot.AccumulateWide(b2, bMagnitude, Avx2.Sign(x, b));
            x = Broadcast(values + 96);
            a3 = TDot.AccumulateWide(a3, aMagnitude, Avx2.Sign(x, a));
            b3 = TDot.AccumulateWide(b3, bMagnitude, Avx2.Sign(x, b));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Start(int* start) => TCodes.HasCodebook ? Vector256.Create(*start) : Vector256<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector256<int> a, Vector256<int> b, Vector256<int> first, Vector256<int> second, uint* shift, int* sums)
    {
        Vector256<uint> shifts = Vector256.Create(*shift);
        (Vector256.Load(sums) + a * Avx2.ShiftLeftLogicalVariable(first, shifts)).Store(sums);
        (Vector256.Load(sums + 8) + b * Avx2.ShiftLeftLogicalVariable(second, shifts)).Store(sums + 8);
    }

    /// <summary>Four activations in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(byte* values) => Vector256.Create(*(int*)values).AsSByte();
}
