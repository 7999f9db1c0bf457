using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// E8 times many tokens on AVX2. VPMADDUBSW takes activations plus 128 as its unsigned operand, so that no sign has to move, and an int16
/// that wraps around adds up eight products of a row; a start, -128 times the weights' sum, takes the bias off again. That is exact where
/// the magnitudes of those eight weights sum to at most 258 (127 * 258 is an int16) and no pair's to more than 128 (255 * 128 is one, and
/// VPMADDUBSW saturates). Most weights of a matrix are that small. 16 columns of 16 rows that have larger ones add up four products, and
/// the few whose pairs are too large go the way of magnitude and sign.
/// </summary>
internal static unsafe class BytePanelProduct
{
    /// <summary>Tokens that 16 columns of weights stay in registers for.</summary>
    private const int TileTokens = 64;

    private const int Rows = 16;
    private const int MostPair = 128;
    private const int MostSum = 258;

    /// <summary>Four multipliers of two groups' scales, each as two int16 a lane.</summary>
    private const int ScaleBytes = 2 * 32;

    // Scratch: accumulators and sums [tokens][16 rows], then of the tile's tokens values [blocks][tokens][32], offsets [blocks][tokens].
    public static long ScratchBytes(int columns) =>
        TileTokens * (2L * Rows * sizeof(float) + (columns + 31L) / 32 * (PackedActivations.BlockColumns + sizeof(int)));

    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        for (int first = 0; first < tokens; first += TileTokens, y += TileTokens * yStride)
            MultiplyTile(weights, x, first, Math.Min(TileTokens, tokens - first), y, yStride, firstRow, endRow, scratch);
    }

    private static void MultiplyTile(in WeightMatrix weights, in PackedActivations x, int firstToken, int tokens, float* y, nint yStride,
        int firstRow, int endRow, byte* scratch)
    {
        float* accumulators = (float*)scratch;
        int* sums = (int*)scratch + TileTokens * Rows, offsets = sums + TileTokens * Rows;
        byte* values = (byte*)(offsets + TileTokens * x.Blocks);
        Fill(x, firstToken, tokens, values, offsets);
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        for (int r = firstRow; r < endRow; r += Rows)
        {
            byte* a = weights.Group(r), b = r + 8 < endRow ? a + weights.GroupBytes : a; // a lone group takes both places
            new Span<float>(accumulators, tokens * Rows).Clear();
            for (int block = 0; block < x.Blocks; block += PackedActivations.ScaleBlocks)
            {
                new Span<int>(sums, tokens * Rows).Clear();
                AddSection(a, b, codeOffset, block, Math.Min(x.Blocks, block + PackedActivations.ScaleBlocks), values, offsets, tokens,
                    sums);
                float* scale = x.Scales + (long)firstToken * x.ScaleCount + block / PackedActivations.ScaleBlocks;
                for (int t = 0; t < tokens * Rows; t += Rows, scale += x.ScaleCount)
                {
                    Vector256<float> factor = Vector256.Create(*scale);
                    float* target = accumulators + t;
                    Fma.MultiplyAdd(factor, Vector256.ConvertToSingle(Vector256.Load(sums + t)), Vector256.Load(target)).Store(target);
                    Fma.MultiplyAdd(factor, Vector256.ConvertToSingle(Vector256.Load(sums + t + 8)), Vector256.Load(target + 8))
                        .Store(target + 8);
                }
            }
            Store(accumulators, Vector256.Load((float*)a), tokens, y + r, yStride, endRow - r);
            if (b != a) Store(accumulators + 8, Vector256.Load((float*)b), tokens, y + r + 8, yStride, endRow - r - 8);
        }
    }

    /// <summary>The tokens' values plus 128, and where the scales of their multipliers are.</summary>
    private static void Fill(in PackedActivations x, int firstToken, int tokens, byte* values, int* offsets)
    {
        Vector256<byte> bias = Vector256.Create((byte)128);
        for (int t = 0; t < tokens; t++)
        {
            sbyte* source = x.Values + (long)(firstToken + t) * x.Columns;
            int* shifts = x.Shifts + (long)(firstToken + t) * x.Blocks;
            for (nint block = 0; block < x.Blocks; block++)
            {
                (Vector256.Load((byte*)source + 32 * block) ^ bias).Store(values + (block * tokens + t) * 32);
                offsets[block * tokens + t] = shifts[block] * ScaleBytes;
            }
        }
    }

    /// <summary>Adds the columns of one activation scale.</summary>
    [SkipLocalsInit]
    private static void AddSection(byte* a, byte* b, nint codeOffset, int block, int end, byte* values, int* offsets, int tokens, int* sums)
    {
        byte* scales = stackalloc byte[4 * ScaleBytes];
        values += (nint)block * tokens * 32;
        offsets += (nint)block * tokens;
        for (nint i = block; i < end; i++, values += (nint)tokens * 32, offsets += tokens)
        {
            Scales((sbyte*)a + PackedLayout.SubScaleOffset + 8 * i, scales);
            Scales((sbyte*)b + PackedLayout.SubScaleOffset + 8 * i, scales + 32);
            sbyte* aCodes = (sbyte*)a + codeOffset + 256 * i, bCodes = (sbyte*)b + codeOffset + 256 * i;
            AddHalf(aCodes, bCodes, values, offsets, scales, tokens, sums);
            AddHalf(aCodes + 128, bCodes + 128, values + 16, offsets, scales, tokens, sums);
        }
    }

    /// <summary>Eight sub-scales times 1, 2, 4 and 8, as two int16 a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scales(sbyte* subScales, byte* target)
    {
        Vector256<int> scales = Avx2.ConvertToVector256Int32(subScales) & Vector256.Create(0xFFFF);
        Vector256<short> pairs = (scales | scales << 16).AsInt16();
        for (int shift = 0; shift < 4; shift++) (pairs << shift).Store((short*)(target + shift * ScaleBytes));
    }

    /// <summary>Adds 16 columns of 16 rows.</summary>
    private static void AddHalf(sbyte* a, sbyte* b, byte* values, int* offsets, byte* scales, int tokens, int* sums)
    {
        switch (MostQuads(a, b))
        {
            case 4: AddFourQuads(a, b, values, offsets, scales, tokens, sums); break;
            case 2:
                AddTwoQuads(a, b, values, offsets, scales, tokens, sums);
                AddTwoQuads(a + 64, b + 64, values + 8, offsets, scales, tokens, sums);
                break;
            default: AddAny(a, b, values, offsets, scales, tokens, sums); break;
        }
    }

    // The loops are methods of their own: beside a call, weights would not stay in registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddFourQuads(sbyte* a, sbyte* b, byte* values, int* offsets, byte* scales, int tokens, int* sums)
    {
        Vector256<sbyte> a0 = Vector256.Load(a), a1 = Vector256.Load(a + 32), a2 = Vector256.Load(a + 64), a3 = Vector256.Load(a + 96);
        Vector256<sbyte> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 32), b2 = Vector256.Load(b + 64), b3 = Vector256.Load(b + 96);
        Vector256<short> aStart = Start(a0, a1) + Start(a2, a3), bStart = Start(b0, b1) + Start(b2, b3);
        for (; tokens > 0; tokens--, values += 32, offsets++, sums += Rows)
        {
            Vector256<byte> x = Vector256.Create(*(int*)values).AsByte();
            Vector256<short> aSum = aStart + Avx2.MultiplyAddAdjacent(x, a0), bSum = bStart + Avx2.MultiplyAddAdjacent(x, b0);
            x = Vector256.Create(*(int*)(values + 4)).AsByte();
            aSum += Avx2.MultiplyAddAdjacent(x, a1);
            bSum += Avx2.MultiplyAddAdjacent(x, b1);
            x = Vector256.Create(*(int*)(values + 8)).AsByte();
            aSum += Avx2.MultiplyAddAdjacent(x, a2);
            bSum += Avx2.MultiplyAddAdjacent(x, b2);
            x = Vector256.Create(*(int*)(values + 12)).AsByte();
            aSum += Avx2.MultiplyAddAdjacent(x, a3);
            bSum += Avx2.MultiplyAddAdjacent(x, b3);
            AddScaled(aSum, bSum, (short*)(scales + *offsets), sums);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddTwoQuads(sbyte* a, sbyte* b, byte* values, int* offsets, byte* scales, int tokens, int* sums)
    {
        Vector256<sbyte> a0 = Vector256.Load(a), a1 = Vector256.Load(a + 32), b0 = Vector256.Load(b), b1 = Vector256.Load(b + 32);
        Vector256<short> aStart = Start(a0, a1), bStart = Start(b0, b1);
        for (; tokens > 0; tokens--, values += 32, offsets++, sums += Rows)
        {
            Vector256<byte> x = Vector256.Create(*(int*)values).AsByte();
            Vector256<short> aSum = aStart + Avx2.MultiplyAddAdjacent(x, a0), bSum = bStart + Avx2.MultiplyAddAdjacent(x, b0);
            x = Vector256.Create(*(int*)(values + 4)).AsByte();
            aSum += Avx2.MultiplyAddAdjacent(x, a1);
            bSum += Avx2.MultiplyAddAdjacent(x, b1);
            AddScaled(aSum, bSum, (short*)(scales + *offsets), sums);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled(Vector256<short> a, Vector256<short> b, short* scale, int* sums)
    {
        (Vector256.Load(sums) + Avx2.MultiplyAddAdjacent(a, Vector256.Load(scale))).Store(sums);
        (Vector256.Load(sums + 8) + Avx2.MultiplyAddAdjacent(b, Vector256.Load(scale + 16))).Store(sums + 8);
    }

    /// <summary>16 columns whose weights may be anything.</summary>
    private static void AddAny(sbyte* a, sbyte* b, byte* values, int* offsets, byte* scales, int tokens, int* sums)
    {
        Vector256<sbyte> bias = Vector256.Create((sbyte)-128);
        for (; tokens > 0; tokens--, values += 32, offsets++, sums += Rows)
        {
            short* scale = (short*)(scales + *offsets);
            Vector256<short> aScale = Vector256.Load(scale), bScale = Vector256.Load(scale + 16);
            Vector256<int> aSum = Vector256.Load(sums), bSum = Vector256.Load(sums + 8);
            for (int quad = 0; quad < 4; quad++)
            {
                Vector256<sbyte> x = Vector256.Create(*(int*)(values + 4 * quad)).AsSByte() ^ bias;
                aSum += Avx2.MultiplyAddAdjacent(SignedProducts(Vector256.Load(a + 32 * quad), x), aScale);
                bSum += Avx2.MultiplyAddAdjacent(SignedProducts(Vector256.Load(b + 32 * quad), x), bScale);
            }
            aSum.Store(sums);
            bSum.Store(sums + 8);
        }
    }

    /// <summary>Sums of two products of signed bytes: magnitudes times activations that take the signs (128 * 127 * 2 = 32512).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> SignedProducts(Vector256<sbyte> codes, Vector256<sbyte> x) =>
        Avx2.MultiplyAddAdjacent(Avx2.Abs(codes), Avx2.Sign(x, codes));

    /// <summary>-128 times the sums of a lane's four weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Start(Vector256<sbyte> q0, Vector256<sbyte> q1)
    {
        Vector256<byte> ones = Vector256.Create((byte)1);
        return -((Avx2.MultiplyAddAdjacent(ones, q0) + Avx2.MultiplyAddAdjacent(ones, q1)) << 7);
    }

    /// <summary>How many of four quads' products an int16 takes: all four, two, or by magnitude and sign alone 0.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int MostQuads(sbyte* a, sbyte* b)
    {
        Vector256<short> a0 = Magnitudes(a), a1 = Magnitudes(a + 32), a2 = Magnitudes(a + 64), a3 = Magnitudes(a + 96);
        Vector256<short> b0 = Magnitudes(b), b1 = Magnitudes(b + 32), b2 = Magnitudes(b + 64), b3 = Magnitudes(b + 96);
        Vector256<short> largest = Avx2.Max(Avx2.Max(Avx2.Max(a0, a1), Avx2.Max(a2, a3)), Avx2.Max(Avx2.Max(b0, b1), Avx2.Max(b2, b3)));
        if (Vector256.GreaterThanAny(largest, Vector256.Create((short)MostPair))) return 0; // else two quads are at most 127 * 256
        Vector256<short> sum = Avx2.Max(a0 + a1 + (a2 + a3), b0 + b1 + (b2 + b3));
        return Vector256.GreaterThanAny(sum, Vector256.Create((short)MostSum)) ? 2 : 4;
    }

    /// <summary>Sums of the magnitudes of each two weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Magnitudes(sbyte* q) =>
        Avx2.MultiplyAddAdjacent(Avx2.Abs(Vector256.Load(q)), Vector256.Create((sbyte)1));

    private static void Store(float* accumulators, Vector256<float> rowScales, int tokens, float* y, nint yStride, int rows)
    {
        for (int t = 0; t < tokens; t++, accumulators += Rows, y += yStride)
        {
            Vector256<float> values = Vector256.Load(accumulators) * rowScales;
            if (rows >= 8) values.Store(y);
            else for (int r = 0; r < rows; r++) y[r] = values.GetElement(r);
        }
    }
}
