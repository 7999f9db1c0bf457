using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// How an instruction set multiplies packed weights. E4's codes become codebook values plus <see cref="PackedTile.Bias"/>, not negative; a
/// start takes the bias off again, eight ints for a token's block of 32 columns in the form that the instruction set wants. E8's are
/// multiplied by magnitude and sign straight from the file, in panels as the others.
/// </summary>
internal unsafe interface IPackedArithmetic
{
    /// <summary>Bytes that <see cref="Prepare"/> takes for a token's block of 32 columns.</summary>
    static abstract int TokenBlockBytes { get; }

    /// <summary>Brings tokens into the form that <see cref="MultiplyGroup"/> takes.</summary>
    static abstract void Prepare<TCodes, TTokens>(in PackedActivations x, int firstToken, byte* tokens)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount;

    /// <summary>The starts [8] of 32 values.</summary>
    static abstract void Starts<TCodes>(sbyte* values, int* starts)
        where TCodes : struct, IPackedCodes;

    /// <summary>Eight sub-scales times 1, 2, 4 and 8 as its products take them: [4 shifts][8 lanes].</summary>
    static abstract void Scales(sbyte* subScales, byte* target);

    /// <summary>A group of eight rows, straight from the file, times one to four tokens: y [tokens][8], with the row scales.</summary>
    /// <param name="codebook">Not used by codes without one.</param>
    /// <param name="tokens">What <see cref="Prepare"/> made of them.</param>
    static abstract void MultiplyGroup<TCodes, TTokens>(byte* group, nint codeOffset, in BiasedCodebook codebook,
        in PackedActivations x, int firstToken, byte* tokens, float* y)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount;

    /// <summary>Two unpacked groups times a tile, added to accumulators [tokens][16 rows], without the row scales.</summary>
    static abstract void MultiplyTile<TCodes, TTokens>(in PackedPanel panel, int blocks, byte* tile, float* accumulators)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount;
}

/// <summary>
/// Packed weights on AVX2. VPMADDUBSW adds two products of a biased codebook value, up to 127, in an int16; two of those and a start, the
/// bias times the four activations, leave in an int16 that wraps around exactly the sum of four unbiased products (63 * 127 * 4 = 32004).
/// VPMADDWD multiplies such sums by the sub-scale times the activations' multiplier, another int16, and adds up pairs: so int32 sums run
/// over 256 columns and no product is converted in between.
/// </summary>
internal readonly unsafe partial struct MaddArithmetic : IPackedArithmetic
{
    /// <summary>
    /// Two int16 for two of the four columns of two quads each: in ints 0, 2, 4, 6 for quads 0 and 1, 2 and 3, and so on.
    /// </summary>
    public static void Starts<TCodes>(sbyte* values, int* starts)
        where TCodes : struct, IPackedCodes
    {
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(Vector256.Create((byte)PackedTile.Bias), Vector256.Load(values));
        pairs += Avx2.Shuffle(pairs.AsInt32(), 0b10_11_00_01).AsInt16();
        (-pairs).AsInt32().Store(starts);
    }

    /// <summary>Each lane has the scale twice, as int16.</summary>
    public static void Scales(sbyte* subScales, byte* target)
    {
        Vector256<short> scales = Spread(subScales);
        Avx2.ShiftRightArithmetic(scales, 8).Store((short*)target);
        Avx2.ShiftRightArithmetic(scales, 7).Store((short*)target + 16);
        Avx2.ShiftRightArithmetic(scales, 6).Store((short*)target + 32);
        Avx2.ShiftRightArithmetic(scales, 5).Store((short*)target + 48);
    }

    /// <summary>Eight bytes times 256 as int16, each twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Spread(sbyte* bytes) => Avx2.Shuffle(
        Vector256.Create(*(long*)bytes).AsByte(),
        Vector256.Create(0x01800180_00800080, 0x03800380_02800280, 0x05800580_04800480, 0x07800780_06800680).AsByte()).AsInt16();

    /// <summary>Sums of two products of signed bytes: magnitudes times activations that take the signs (128 * 127 * 2 = 32512).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> SignedProducts(Vector256<sbyte> codes, Vector256<sbyte> x) =>
        Avx2.MultiplyAddAdjacent(Avx2.Abs(codes), Avx2.Sign(x, codes));

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void MultiplyTile<TCodes, TTokens>(in PackedPanel panel, int blocks, byte* tile, float* accumulators)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        byte* a = panel.FirstCodes, b = panel.SecondCodes, aScales = panel.FirstScales, bScales = panel.SecondScales;
        byte* end = tile + blocks * PackedTile.BlockBytes;
        while (tile < end)
        {
            float* scales = (float*)(tile + PackedTile.Scales);
            byte* sectionEnd = (byte*)Math.Min((nint)end, (nint)(tile + PackedActivations.ScaleBlocks * PackedTile.BlockBytes));
            // a: rows 0 to 7, b: rows 8 to 15, of tokens 0 to 3
            Vector256<int> a0 = Vector256<int>.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
            for (; tile < sectionEnd; tile += PackedTile.BlockBytes)
            {
                int* offsets = (int*)(tile + PackedTile.Offsets);
                nint offset0 = offsets[0], offset1 = offsets[1], offset2 = offsets[2], offset3 = offsets[3];
                byte* values = tile;
                for (int pair = 0; pair < 4; pair++, values += 8, a += 64, b += 64)
                {
                    if (TCodes.HasScalePer16 && pair == 2)
                    {
                        aScales += PackedPanel.ScaleBytes;
                        bScales += PackedPanel.ScaleBytes;
                    }
                    Vector256<byte> aFirst = Vector256.Load(a), aSecond = Vector256.Load(a + 32), bFirst = Vector256.Load(b),
                        bSecond = Vector256.Load(b + 32);
                    AddQuads(ref a0, ref b0, aFirst, aSecond, bFirst, bSecond, values, aScales + offset0, bScales + offset0);
                    if (TTokens.Count > 1)
                        AddQuads(ref a1, ref b1, aFirst, aSecond, bFirst, bSecond, values + 32,
                            aScales + offset1, bScales + offset1);
                    if (TTokens.Count > 2)
                    {
                        AddQuads(ref a2, ref b2, aFirst, aSecond, bFirst, bSecond, values + 64,
                            aScales + offset2, bScales + offset2);
                        AddQuads(ref a3, ref b3, aFirst, aSecond, bFirst, bSecond, values + 96,
                            aScales + offset3, bScales + offset3);
                    }
                }
                aScales += PackedPanel.ScaleBytes;
                bScales += PackedPanel.ScaleBytes;
            }
            Finish(a0, b0, scales, accumulators);
            if (TTokens.Count > 1) Finish(a1, b1, scales + 1, accumulators + 16);
            if (TTokens.Count > 2)
            {
                Finish(a2, b2, scales + 2, accumulators + 32);
                Finish(a3, b3, scales + 3, accumulators + 48);
            }
        }
    }

    /// <summary>Two quads of both groups and one token. The order keeps all in 16 registers.</summary>
    /// <remarks>Values plus <see cref="PackedTile.Bias"/>: E8's would be too large (<see cref="BytePanelProduct"/> takes those).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuads(
        ref Vector256<int> aSum, ref Vector256<int> bSum, Vector256<byte> aFirst, Vector256<byte> aSecond,
        Vector256<byte> bFirst, Vector256<byte> bSecond,
        byte* values, byte* aScale, byte* bScale)
    {
        Vector256<sbyte> x = Vector256.Create(*(int*)values).AsSByte();
        Vector256<short> start = Vector256.Create(*(int*)(values + PackedTile.Starts)).AsInt16();
        Vector256<short> a = Avx2.MultiplyAddAdjacent(aFirst, x) + start;
        Vector256<short> b = Avx2.MultiplyAddAdjacent(bFirst, x) + start;
        x = Vector256.Create(*(int*)(values + 4)).AsSByte();
        a += Avx2.MultiplyAddAdjacent(aSecond, x);
        b += Avx2.MultiplyAddAdjacent(bSecond, x);
        aSum += Avx2.MultiplyAddAdjacent(a, Vector256.Load((short*)aScale));
        bSum += Avx2.MultiplyAddAdjacent(b, Vector256.Load((short*)bScale));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector256<int> a, Vector256<int> b, float* scale, float* accumulators)
    {
        Vector256<float> factor = Vector256.Create(*scale);
        Fma.MultiplyAdd(factor, Vector256.ConvertToSingle(a), Vector256.Load(accumulators)).Store(accumulators);
        Fma.MultiplyAdd(factor, Vector256.ConvertToSingle(b), Vector256.Load(accumulators + 8)).Store(accumulators + 8);
    }
}
