using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>Packed weights times int8 activations: few tokens group by group from the file, more of them by unpacked panels.</summary>
internal static unsafe class PackedProducts<TArithmetic>
    where TArithmetic : struct, IPackedArithmetic
{
    /// <summary>Groups that are unpacked at a time.</summary>
    private const int PanelGroups = 16; // 128 rows

    /// <summary>Tiles that are regrouped once for all panels of a call: those of a pass of some answers that decode together, of which it would be a large part.</summary>
    private const int KeptTiles = 2;

    private const int AccumulatorBytes = PackedTile.Tokens * 16 * sizeof(float);

    // Scratch: accumulators [4 tokens][16 rows], then the starts of a few tokens, or tiles and unpacked groups.
    public static long ScratchBytes(int columns)
    {
        long blocks = (columns + 31) / 32;
        return PanelsAt(columns) + PanelGroups * blocks * (PackedPanel.CodeBytes + 2 * PackedPanel.ScaleBytes);
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
        if (tokens <= TArithmetic.MostRowTokens) MultiplyGroups<TCodes>(weights, table, x, tokens, y, yStride, firstRow, endRow, scratch);
        else MultiplyPanels<TCodes>(weights, table, x, tokens, y, yStride, firstRow, endRow, scratch);
    }

    private static void MultiplyGroups<TCodes>(
        in WeightMatrix weights, Vector256<byte> table, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
        where TCodes : struct, IPackedCodes
    {
        int* starts = (int*)(scratch + AccumulatorBytes);
        if (TCodes.HasCodebook)
        {
            for (int block = 0; block < tokens * x.Blocks; block++) TArithmetic.Starts<TCodes>(x.Values + 32L * block, starts + 8 * block);
        }
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        float* result = (float*)scratch;
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += 8, group += weights.GroupBytes)
        {
            int count;
            for (int t = 0; t < tokens; t += count)
            {
                int* tokenStarts = starts + (long)t * x.Blocks * 8;
                count = tokens - t >= 4 ? 4 : tokens - t >= 2 ? 2 : 1;
                if (count == 4) TArithmetic.MultiplyGroup<TCodes, FourTokens>(group, codeOffset, table, x, t, tokenStarts, result);
                else if (count == 2) TArithmetic.MultiplyGroup<TCodes, TwoTokens>(group, codeOffset, table, x, t, tokenStarts, result);
                else TArithmetic.MultiplyGroup<TCodes, OneToken>(group, codeOffset, table, x, t, tokenStarts, result);
                for (int i = 0; i < count; i++) Store(Vector256.Load(result + 8 * i), y + (t + i) * yStride + r, endRow - r);
            }
        }
    }

    private static void MultiplyPanels<TCodes>(
        in WeightMatrix weights, Vector256<byte> table, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
        where TCodes : struct, IPackedCodes
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset, codeBytes = (nint)x.Blocks * PackedPanel.CodeBytes, scaleBytes = (nint)x.Blocks * PackedPanel.BlockScaleBytes<TCodes>();
        byte* panelScales = scratch + PanelsAt(x.Columns), panelCodes = panelScales + PanelGroups * scaleBytes, tiles = scratch + AccumulatorBytes;
        nint tileBytes = (nint)x.Blocks * PackedTile.BlockBytes;
        bool areKept = tokens <= KeptTiles * PackedTile.Tokens;
        if (areKept)
        {
            for (int t = 0; t < tokens; t += PackedTile.Tokens) FillTile<TCodes>(tiles + t / PackedTile.Tokens * tileBytes, x, t, Math.Min(PackedTile.Tokens, tokens - t));
        }
        for (int r = firstRow; r < endRow; r += 8 * PanelGroups)
        {
            int rows = Math.Min(8 * PanelGroups, endRow - r);
            byte* groups = weights.Group(r), codes = groups + codeOffset;
            nint codeStride = weights.GroupBytes;
            for (int g = 0; g * 8 < rows; g++)
            {
                sbyte* subScales = (sbyte*)groups + g * weights.GroupBytes + PackedLayout.SubScaleOffset;
                for (nint done = 0; done < scaleBytes; done += PackedPanel.ScaleBytes, subScales += 8) TArithmetic.Scales(subScales, panelScales + g * scaleBytes + done);
                if (TCodes.HasCodebook) Unpack(codes + g * weights.GroupBytes, table, x.Blocks, panelCodes + g * codeBytes);
            }
            if (TCodes.HasCodebook)
            {
                codes = panelCodes;
                codeStride = codeBytes;
            }
            float* target = y + r;
            for (int t = 0; t < tokens; t += PackedTile.Tokens, target += PackedTile.Tokens * yStride)
            {
                int count = Math.Min(PackedTile.Tokens, tokens - t);
                byte* tile = areKept ? tiles + t / PackedTile.Tokens * tileBytes : tiles;
                if (!areKept) FillTile<TCodes>(tile, x, t, count);
                if (count == 1) MultiplyTile<TCodes, OneToken>(groups, weights.GroupBytes, codes, codeStride, panelScales, scaleBytes, x.Blocks, tile, count, target, yStride, rows, scratch);
                else if (count == 2) MultiplyTile<TCodes, TwoTokens>(groups, weights.GroupBytes, codes, codeStride, panelScales, scaleBytes, x.Blocks, tile, count, target, yStride, rows, scratch);
                else MultiplyTile<TCodes, FourTokens>(groups, weights.GroupBytes, codes, codeStride, panelScales, scaleBytes, x.Blocks, tile, count, target, yStride, rows, scratch);
            }
        }
    }

    private static void FillTile<TCodes>(byte* tile, in PackedActivations x, int firstToken, int count)
        where TCodes : struct, IPackedCodes
    {
        if (count == 1) PackedTile.Fill<TArithmetic, TCodes, OneToken>(tile, x, firstToken, count);
        else if (count == 2) PackedTile.Fill<TArithmetic, TCodes, TwoTokens>(tile, x, firstToken, count);
        else PackedTile.Fill<TArithmetic, TCodes, FourTokens>(tile, x, firstToken, count);
    }

    private static void MultiplyTile<TCodes, TTokens>(
        byte* groups, nint groupBytes, byte* codes, nint codeStride, byte* scales, nint scaleStride, int blocks, byte* tile, int tokens, float* y, nint yStride, int rows, byte* scratch)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        float* accumulators = (float*)scratch;
        for (int r = 0; r < rows; r += 16, groups += 2 * groupBytes, codes += 2 * codeStride, scales += 2 * scaleStride)
        {
            bool pair = r + 8 < rows; // a lone group takes both places
            var panel = new PackedPanel(codes, pair ? codes + codeStride : codes, scales, pair ? scales + scaleStride : scales);
            new Span<float>(accumulators, TTokens.Count * 16).Clear();
            TArithmetic.MultiplyTile<TCodes, TTokens>(panel, blocks, tile, accumulators);
            for (int t = 0; t < tokens; t++)
            {
                float* source = accumulators + t * 16, target = y + t * yStride + r;
                Store(Vector256.Load(source) * Vector256.Load((float*)groups), target, rows - r);
                if (pair) Store(Vector256.Load(source + 8) * Vector256.Load((float*)(groups + groupBytes)), target + 8, rows - r - 8);
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

    // The starts of at most MostRowTokens, 32 bytes a block, or tiles.
    private static long PanelsAt(int columns) => (AccumulatorBytes + (columns + 31L) / 32 * Math.Max(KeptTiles * PackedTile.BlockBytes, TArithmetic.MostRowTokens * 32) + 63) & ~63L;
}
