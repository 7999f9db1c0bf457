using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// A packed group of eight rows made ready for many tokens, in a thread's scratch. Values are int8 [blocks of 32][8 quads][8 rows][4]. Dot
/// products run on from block to block, D(b) = dot(0) + ... + dot(b), so that a sum of s(b) * dot(b) is one of (s(b) - s(b + 1)) * D(b),
/// with s = 0 after the last of 256 columns: no sum has to start at zero again. s is a sub-scale times the token's multiplier, 1, 2, 4 or
/// 8, so the factors of a block are [4 multipliers of the next block][4 of this one][8 rows] int32 (where 16 columns have a sub-scale two
/// by two of them: for the first half of the block and for the second).
/// </summary>
internal readonly unsafe struct PackedPanel
{
    /// <summary>Most tokens whose steps fit.</summary>
    public const int Tokens = 252;

    public const int TileTokens = 6;

    /// <summary>From 32 columns' values to the next 32's.</summary>
    public const int BlockBytes = 256;

    /// <summary>The values of a tile's tokens in 32 columns.</summary>
    public const int StepBytes = TileTokens * 32;

    /// <summary>From one 256 columns' scales of a tile to the next: whole vectors.</summary>
    public const int ScaleStride = 8;

    private const int Choices = 16;
    private const int SumBytes = TileTokens * 8 * sizeof(float);

    public PackedPanel(byte* scratch, int blocks)
    {
        Blocks = blocks;
        Sums = (float*)scratch;
        Values = (sbyte*)scratch + SumBytes;
        Factors = (int*)(Values + 256L * blocks);
        Activations = (sbyte*)Factors + 2L * Choices * 8 * sizeof(int) * blocks;
        Steps = (int**)(Activations + Tokens * 32L * blocks);
        Scales = (float*)(Steps + Tokens * (1L + blocks));
    }

    public int Blocks { get; }

    /// <summary>[6 tokens][8 rows], of the tile at hand.</summary>
    public float* Sums { get; }

    public sbyte* Values { get; }

    public int* Factors { get; }

    /// <summary>[tokens / 6][blocks][2 halves of 32 columns][6 tokens][16]: what a tile reads, one piece after the other.</summary>
    public sbyte* Activations { get; }

    /// <summary>
    /// [tokens / 6][1 + blocks][6 tokens]: where a token's row of the result is, then where the factors of each of its blocks are.
    /// </summary>
    public int** Steps { get; }

    /// <summary>[tokens / 6][columns / 256][8], of which six are in use.</summary>
    public float* Scales { get; }

    public static long ByteCount(int columns) =>
        SumBytes + Tokens * sizeof(int*) + (columns + 31L) / 32 * (256 + 2 * Choices * 8 * sizeof(int) + Tokens * (32 + sizeof(int*)))
        + (columns + 255L) / 256 * Tokens / TileTokens * ScaleStride * sizeof(float);

    /// <summary>
    /// Fills <see cref="Activations"/>, <see cref="Steps"/> and <see cref="Scales"/>: the same for all groups. The last token again up to a
    /// multiple of six.
    /// </summary>
    /// <param name="y">Where the first token's sum of row 0 goes.</param>
    public void FillTokens(in PackedActivations x, int firstToken, int tokens, float* y, nint yStride, bool hasScalePer16)
    {
        int** steps = Steps;
        float* scales = Scales;
        sbyte* activations = Activations;
        for (int t = 0; t < tokens; t += TileTokens)
        {
            for (int i = 0; i < TileTokens; i++)
            {
                nint token = Math.Min(t + i, tokens - 1);
                FillValues((sbyte*)x.Values + (firstToken + token) * x.Columns, activations + 16 * i);
                steps[i] = (int*)(y + token * yStride);
                FillSteps(steps + TileTokens + i, x.Shifts + (firstToken + token) * Blocks, hasScalePer16 ? 6 : 5);
                for (int j = 0; j < x.ScaleCount; j++) scales[j * ScaleStride + i] = x.Scales[(firstToken + token) * x.ScaleCount + j];
            }
            activations += (nint)Blocks * StepBytes;
            steps += TileTokens * (1 + Blocks);
            scales += ScaleStride * x.ScaleCount;
        }
    }

    private void FillValues(sbyte* x, sbyte* activations)
    {
        for (int b = Blocks; b > 0; b--, x += 32, activations += StepBytes)
        {
            Vector128<sbyte> first = Vector128.Load(x), second = Vector128.Load(x + 16);
            first.Store(activations);
            second.Store(activations + StepBytes / 2);
        }
    }

    /// <summary>A token's steps.</summary>
    private void FillSteps(int** steps, int* shifts, int logarithm)
    {
        int b = 0;
        Vector128<long> first = Vector128.Create((long)Factors), four = Vector128.Create(4L * Choices << logarithm);
        Vector128<int> shift = Vector128.Create(logarithm), places = Vector128.Create(0, Choices, 2 * Choices, 3 * Choices) << logarithm;
        for (; b < Blocks - 4; b += 4, shifts += 4, steps += 4 * TileTokens, first += four)
        {
            (Vector128<long> a, Vector128<long> c) = Addresses(shifts, first, shift, places);
            AdvSimd.StoreSelectedScalar((long*)steps, a, 0);
            AdvSimd.StoreSelectedScalar((long*)(steps + TileTokens), a, 1);
            AdvSimd.StoreSelectedScalar((long*)(steps + 2 * TileTokens), c, 0);
            AdvSimd.StoreSelectedScalar((long*)(steps + 3 * TileTokens), c, 1);
        }
        for (; b < Blocks; b++, shifts++, steps += TileTokens)
        {
            nint next = b + 1 < Blocks ? 1 : 0; // what follows the last block does not matter: its factors are the same for all
            *steps = (int*)((byte*)Factors + (((nint)b * Choices + shifts[0] + 4 * shifts[next]) << logarithm));
        }
    }

    /// <summary>Where the factors of four blocks are.</summary>
    /// <param name="first">Where those of the first block begin.</param>
    /// <param name="shift">The logarithm of a choice's bytes.</param>
    /// <param name="places">Bytes from the first block.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<long> First, Vector128<long> Second) Addresses(int* shifts, Vector128<long> first,
        Vector128<int> shift, Vector128<int> places)
    {
        Vector128<int> choices = AdvSimd.ShiftLeftAndInsert(Vector128.Load(shifts), Vector128.Load(shifts + 1), 2);
        choices = AdvSimd.ShiftLogical(choices, shift) + places;
        return (AdvSimd.AddWideningLower(first, choices.GetLower()), AdvSimd.AddWideningUpper(first, choices));
    }

    /// <summary>A group's values: E8's where they are, others' in <paramref name="target"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static sbyte* ValuesOf<TDots>(in WeightMatrix weights, byte* group, nint blocks, sbyte* target) where TDots : struct, IPackedDots
    {
        byte* codes = group + (nint)weights.Layout.CodeOffset;
        if (TDots.BlockBytes == BlockBytes) return (sbyte*)codes;
        Vector128<sbyte> codebook = weights.Codebook.GetLower(), upper = weights.Codebook.GetUpper();
        if (TDots.AreNibbles)
        {
            Unpack(codes, codebook, blocks, target);
            return target;
        }
        for (nint b = 0; b < blocks; b++) TDots.Unpack(codes + b * TDots.BlockBytes, codebook, upper, target + b * BlockBytes);
        return target;
    }

    private static void Unpack(byte* codes, Vector128<sbyte> codebook, nint blocks, sbyte* values)
    {
        Vector128<sbyte> half = Vector128.Create((sbyte)15);
        for (; blocks > 0; blocks--, codes += 128, values += 256)
        {
            var c = (sbyte*)codes;
            Vector128<sbyte> c0 = Vector128.Load(c), c1 = Vector128.Load(c + 16), c2 = Vector128.Load(c + 32), c3 = Vector128.Load(c + 48);
            Vector128<sbyte> c4 = Vector128.Load(c + 64), c5 = Vector128.Load(c + 80), c6 = Vector128.Load(c + 96),
                c7 = Vector128.Load(c + 112);
            AdvSimd.Arm64.VectorTableLookup(codebook, c0 & half).Store(values);
            AdvSimd.Arm64.VectorTableLookup(codebook, c1 & half).Store(values + 16);
            AdvSimd.Arm64.VectorTableLookup(codebook, c2 & half).Store(values + 32);
            AdvSimd.Arm64.VectorTableLookup(codebook, c3 & half).Store(values + 48);
            AdvSimd.Arm64.VectorTableLookup(codebook, c4 & half).Store(values + 64);
            AdvSimd.Arm64.VectorTableLookup(codebook, c5 & half).Store(values + 80);
            AdvSimd.Arm64.VectorTableLookup(codebook, c6 & half).Store(values + 96);
            AdvSimd.Arm64.VectorTableLookup(codebook, c7 & half).Store(values + 112);
            AdvSimd.Arm64.VectorTableLookup(codebook, c0 >>> 4).Store(values + 128);
            AdvSimd.Arm64.VectorTableLookup(codebook, c1 >>> 4).Store(values + 144);
            AdvSimd.Arm64.VectorTableLookup(codebook, c2 >>> 4).Store(values + 160);
            AdvSimd.Arm64.VectorTableLookup(codebook, c3 >>> 4).Store(values + 176);
            AdvSimd.Arm64.VectorTableLookup(codebook, c4 >>> 4).Store(values + 192);
            AdvSimd.Arm64.VectorTableLookup(codebook, c5 >>> 4).Store(values + 208);
            AdvSimd.Arm64.VectorTableLookup(codebook, c6 >>> 4).Store(values + 224);
            AdvSimd.Arm64.VectorTableLookup(codebook, c7 >>> 4).Store(values + 240);
        }
    }

    /// <summary>The factors of a group's sub-scales.</summary>
    /// <param name="subScales">[32 or 16 columns][8 rows]</param>
    public void FillFactors<TDots>(sbyte* subScales) where TDots : struct, IPackedDots
    {
        int* target = Factors;
        for (int b = 0; b < Blocks; b++)
        {
            bool last = b == Blocks - 1 || b % PackedActivations.ScaleBlocks == PackedActivations.ScaleBlocks - 1;
            Vector128<short> scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales));
            subScales += PackedLayout.GroupRows;
            RowSums second = Widen(scales), first = second;
            if (TDots.HasScalePer16)
            {
                second = Widen(AdvSimd.SignExtendWideningLower(Vector64.Load(subScales)));
                subScales += PackedLayout.GroupRows;
                first = new RowSums(first.Low - second.Low, first.High - second.High);
            }
            RowSums next = last ? default : Widen(AdvSimd.SignExtendWideningLower(Vector64.Load(subScales)));
            for (int choice = 0; choice < 4; choice++)
            {
                if (TDots.HasScalePer16)
                {
                    StoreFour(first, default, target, 16);
                    StoreFour(second, next, target + 8, 16);
                    target += 64;
                }
                else
                {
                    StoreFour(second, next, target, 8);
                    target += 32;
                }
                next = new RowSums(next.Low << 1, next.High << 1);
            }
        }
    }

    /// <summary>scales * 1, 2, 4 and 8, less next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(RowSums scales, RowSums next, int* target, int stride)
    {
        Store(scales.Low - next.Low, scales.High - next.High, target);
        Store((scales.Low << 1) - next.Low, (scales.High << 1) - next.High, target + stride);
        Store((scales.Low << 2) - next.Low, (scales.High << 2) - next.High, target + 2 * stride);
        Store((scales.Low << 3) - next.Low, (scales.High << 3) - next.High, target + 3 * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<int> low, Vector128<int> high, int* target)
    {
        low.Store(target);
        high.Store(target + 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static RowSums Widen(Vector128<short> scales) =>
        new(AdvSimd.SignExtendWideningLower(scales.GetLower()), AdvSimd.SignExtendWideningUpper(scales));
}
