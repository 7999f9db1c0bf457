using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>Packed weights times int8 activations: one token group by group, more of them by panels. E8 needs no unpacking: a group is a panel.</summary>
internal static unsafe class PackedProducts<TDot>
    where TDot : struct, IByteDot
{
    /// <summary>As many groups are unpacked at a time as fit into this (but two at least), to stay in the second-level cache.</summary>
    private const long PanelBytes = 256 << 10;

    private const int MaximumGroups = 8;

    private const int SumBytes = PackedTile.Tokens * 16 * sizeof(float);

    // Scratch: accumulators [4 tokens][16 rows], sums of the same shape, a tile (or the starts of one token), unpacked groups.
    public static long ScratchBytes(int columns)
    {
        long blocks = (columns + 31) / 32;
        return PanelsAt(columns) + Math.Max(PanelBytes, 2 * 256 * blocks);
    }

    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
    {
        switch (weights.Packing)
        {
            case Packing.E4Group32: Multiply<E4Group32Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E4Group16: Multiply<E4Group16Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E8Group32: Multiply<E8Group32Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
        }
    }

    private static void Multiply<TCodes>(
        in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
        where TCodes : struct, IPackedCodes
    {
        Vector128<byte> codebook = weights.Codebook.AsByte() + Vector128.Create((byte)PackedTile.Bias);
        var table = Vector256.Create(codebook, codebook);
        if (tokens == 1)
        {
            MultiplyRows<TCodes>(weights, table, x, y, firstRow, endRow, scratch);
            return;
        }
        nint codeOffset = (nint)weights.Layout.CodeOffset, panelBytes = (nint)x.Blocks * 256;
        byte* panels = scratch + PanelsAt(x.Columns);
        int rowsAtATime = 8 * (int)Math.Clamp(PanelBytes / panelBytes, 2, MaximumGroups);
        for (int r = firstRow; r < endRow; r += rowsAtATime)
        {
            int rows = Math.Min(rowsAtATime, endRow - r);
            byte* groups = weights.Group(r), codes = groups + codeOffset;
            nint codeStride = weights.GroupBytes;
            if (TCodes.HasCodebook)
            {
                for (int done = 0; done < rows; done += 8) Unpack(codes + done / 8 * weights.GroupBytes, table, x.Blocks, panels + done / 8 * panelBytes);
                codes = panels;
                codeStride = panelBytes;
            }
            float* target = y + r;
            for (int t = 0; t < tokens; t += PackedTile.Tokens, target += PackedTile.Tokens * yStride)
            {
                switch (tokens - t)
                {
                    case 1: MultiplyTile<TCodes, OneToken>(groups, weights.GroupBytes, codes, codeStride, x, t, 1, target, yStride, rows, scratch); break;
                    case 2: MultiplyTile<TCodes, TwoTokens>(groups, weights.GroupBytes, codes, codeStride, x, t, 2, target, yStride, rows, scratch); break;
                    default: MultiplyTile<TCodes, FourTokens>(groups, weights.GroupBytes, codes, codeStride, x, t, Math.Min(4, tokens - t), target, yStride, rows, scratch); break;
                }
            }
        }
    }

    private static void MultiplyRows<TCodes>(in WeightMatrix weights, Vector256<byte> table, in PackedActivations x, float* y, int firstRow, int endRow, byte* scratch)
        where TCodes : struct, IPackedCodes
    {
        int* starts = (int*)(scratch + 2 * SumBytes);
        if (TCodes.HasCodebook)
        {
            for (int i = 0; i < 2 * x.Blocks; i++) starts[i] = -PackedTile.Bias * x.Sums[i];
        }
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += 8, group += weights.GroupBytes)
            Store(PackedRowProduct<TDot, TCodes>.Multiply(group, codeOffset, table, x, starts), y + r, endRow - r);
    }

    private static void MultiplyTile<TCodes, TTokens>(
        byte* groups, nint groupBytes, byte* codes, nint codeStride, in PackedActivations x, int firstToken, int tokens, float* y, nint yStride, int rows, byte* scratch)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        float* accumulators = (float*)scratch;
        int* sums = (int*)(scratch + SumBytes);
        byte* tile = scratch + 2 * SumBytes;
        PackedTile.Fill<TCodes, TTokens>(tile, x, firstToken, tokens);
        for (int r = 0; r < rows; r += 16, groups += 2 * groupBytes, codes += 2 * codeStride)
        {
            bool pair = r + 8 < rows; // a lone group takes both places
            byte* second = pair ? groups + groupBytes : groups;
            PackedPanelProduct<TDot, TCodes, TTokens>.Multiply(
                codes, pair ? codes + codeStride : codes, (sbyte*)groups + PackedLayout.SubScaleOffset, (sbyte*)second + PackedLayout.SubScaleOffset,
                tile, x.Blocks, accumulators, sums);
            for (int t = 0; t < tokens; t++)
            {
                float* source = accumulators + t * 16, target = y + t * yStride + r;
                Store(Vector256.Load(source) * Vector256.Load((float*)groups), target, rows - r);
                if (pair) Store(Vector256.Load(source + 8) * Vector256.Load((float*)second), target + 8, rows - r - 8);
            }
        }
    }

    /// <summary>Codes of a group to codebook values plus bias, per 32 columns [8 quads][8 rows][4 columns].</summary>
    private static void Unpack(byte* codes, Vector256<byte> table, int blocks, byte* target)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        for (; blocks > 0; blocks--, codes += 128, target += 256)
        {
            for (int quad = 0; quad < 128; quad += 32)
            {
                Vector256<byte> both = Vector256.Load(codes + quad);
                Avx2.Shuffle(table, both & low).Store(target + quad);
                Avx2.Shuffle(table, (both.AsUInt16() >> 4).AsByte() & low).Store(target + 128 + quad);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> values, float* target, int rows)
    {
        if (rows >= 8)
        {
            values.Store(target);
            return;
        }
        for (int r = 0; r < rows; r++) target[r] = values.GetElement(r);
    }

    private static long PanelsAt(int columns) => (2 * SumBytes + (columns + 31L) / 32 * PackedTile.BlockBytes + 63) & ~63L;
}
