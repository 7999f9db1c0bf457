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

    /// <summary>Up to that number of tokens are multiplied group by group, more of them with unpacked panels.</summary>
    public const int MostRowTokens = 8;

    /// <summary>Most tokens that a group is multiplied with at once.</summary>
    private const int GroupTokens = 4;

    private const int AccumulatorBytes = PackedTile.Tokens * 16 * sizeof(float);

    // Scratch: accumulators [4 tokens][16 rows], then a few tokens as groups take them, or a tile and unpacked groups.
    public static long ScratchBytes(int columns)
    {
        long blocks = (columns + 31) / 32;
        return PanelsAt(columns) + PanelGroups * blocks * (PackedPanel.CodeBytes + 2 * PackedPanel.ScaleBytes);
    }

    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        switch (weights.Packing)
        {
            case Packing.E4Group32: Multiply<E4Group32Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E4Group16: Multiply<E4Group16Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E8Group32: Multiply<E8Group32Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E5Group32: Multiply<E5Group32Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case Packing.E3Group32: Multiply<E3Group32Codes>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
        }
    }

    private static void Multiply<TCodes>(
        in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
        where TCodes : struct, IPackedCodes
    {
        var codebook = new BiasedCodebook(weights.Codebook);
        if (tokens <= MostRowTokens) MultiplyGroups<TCodes>(weights, codebook, x, tokens, y, yStride, firstRow, endRow, scratch);
        else MultiplyPanels<TCodes>(weights, codebook, x, tokens, y, yStride, firstRow, endRow, scratch);
    }

    private static void MultiplyGroups<TCodes>(
        in WeightMatrix weights, in BiasedCodebook codebook, in PackedActivations x, int tokens, float* y, nint yStride,
        int firstRow, int endRow, byte* scratch)
        where TCodes : struct, IPackedCodes
    {
        byte* prepared = scratch + AccumulatorBytes;
        nint tokenBytes = (nint)x.Blocks * TArithmetic.TokenBlockBytes, codeOffset = (nint)weights.Layout.CodeOffset;
        for (int t = 0; t < tokens; t += GroupTokens) Prepare<TCodes>(Math.Min(GroupTokens, tokens - t), x, t, prepared + t * tokenBytes);
        float* result = (float*)scratch;
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += 8, group += weights.GroupBytes)
        {
            for (int t = 0; t < tokens; t += GroupTokens)
            {
                int count = Math.Min(GroupTokens, tokens - t);
                MultiplyGroup<TCodes>(count, group, codeOffset, codebook, x, t, prepared + t * tokenBytes, result);
                for (int i = 0; i < count; i++) Store(Vector256.Load(result + 8 * i), y + (t + i) * yStride + r, endRow - r);
            }
        }
    }

    private static void Prepare<TCodes>(int count, in PackedActivations x, int firstToken, byte* tokens)
        where TCodes : struct, IPackedCodes
    {
        switch (count)
        {
            case 1: TArithmetic.Prepare<TCodes, OneToken>(x, firstToken, tokens); break;
            case 2: TArithmetic.Prepare<TCodes, TwoTokens>(x, firstToken, tokens); break;
            case 3: TArithmetic.Prepare<TCodes, ThreeTokens>(x, firstToken, tokens); break;
            case 4: TArithmetic.Prepare<TCodes, FourTokens>(x, firstToken, tokens); break;
        }
    }

    private static void MultiplyGroup<TCodes>(int count, byte* group, nint codeOffset, in BiasedCodebook codebook,
        in PackedActivations x, int firstToken, byte* tokens, float* y)
        where TCodes : struct, IPackedCodes
    {
        switch (count)
        {
            case 1: TArithmetic.MultiplyGroup<TCodes, OneToken>(group, codeOffset, codebook, x, firstToken, tokens, y); break;
            case 2: TArithmetic.MultiplyGroup<TCodes, TwoTokens>(group, codeOffset, codebook, x, firstToken, tokens, y); break;
            case 3: TArithmetic.MultiplyGroup<TCodes, ThreeTokens>(group, codeOffset, codebook, x, firstToken, tokens, y); break;
            case 4: TArithmetic.MultiplyGroup<TCodes, FourTokens>(group, codeOffset, codebook, x, firstToken, tokens, y); break;
        }
    }

    private static void MultiplyPanels<TCodes>(
        in WeightMatrix weights, in BiasedCodebook codebook, in PackedActivations x, int tokens, float* y, nint yStride,
        int firstRow, int endRow, byte* scratch)
        where TCodes : struct, IPackedCodes
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset, codeBytes = (nint)x.Blocks * PackedPanel.CodeBytes,
            scaleBytes = (nint)x.Blocks * PackedPanel.BlockScaleBytes<TCodes>();
        byte* panelScales = scratch + PanelsAt(x.Columns), panelCodes = panelScales + PanelGroups * scaleBytes,
            tile = scratch + AccumulatorBytes;
        for (int r = firstRow; r < endRow; r += 8 * PanelGroups)
        {
            int rows = Math.Min(8 * PanelGroups, endRow - r);
            byte* groups = weights.Group(r), codes = groups + codeOffset;
            for (int g = 0; g * 8 < rows; g++)
            {
                sbyte* subScales = (sbyte*)groups + g * weights.GroupBytes + PackedLayout.SubScaleOffset;
                for (nint done = 0; done < scaleBytes; done += PackedPanel.ScaleBytes, subScales += 8)
                    TArithmetic.Scales(subScales, panelScales + g * scaleBytes + done);
                if (TCodes.AreNibbles) Unpack(codes + g * weights.GroupBytes, codebook.Lower, x.Blocks, panelCodes + g * codeBytes);
                else
                    Unpack<TCodes>(codes + g * weights.GroupBytes, codebook, x.Blocks, panelCodes + g * codeBytes);
            }
            var run = new PanelRun(groups, weights.GroupBytes, panelCodes, codeBytes, panelScales, scaleBytes, rows);
            float* target = y + r;
            for (int t = 0; t < tokens; t += PackedTile.Tokens, target += PackedTile.Tokens * yStride)
            {
                int count = Math.Min(PackedTile.Tokens, tokens - t);
                FillTile<TCodes>(tile, x, t, count);
                if (count == 1) MultiplyTile<TCodes, OneToken>(run, x.Blocks, tile, count, target, yStride, (float*)scratch);
                else if (count == 2) MultiplyTile<TCodes, TwoTokens>(run, x.Blocks, tile, count, target, yStride, (float*)scratch);
                else MultiplyTile<TCodes, FourTokens>(run, x.Blocks, tile, count, target, yStride, (float*)scratch);
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
        in PanelRun run, int blocks, byte* tile, int tokens, float* y, nint yStride, float* accumulators)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        byte* group = run.Groups, codes = run.Codes, scales = run.Scales;
        for (int left = run.Rows; left > 0; left -= 16, y += 16)
        {
            bool pair = left > 8; // a lone group takes both places
            var panel = new PackedPanel(codes, pair ? codes + run.CodeStride : codes, scales, pair ? scales + run.ScaleStride : scales);
            new Span<float>(accumulators, TTokens.Count * 16).Clear();
            TArithmetic.MultiplyTile<TCodes, TTokens>(panel, blocks, tile, accumulators);
            for (int t = 0; t < tokens; t++)
            {
                float* source = accumulators + t * 16, target = y + t * yStride;
                Store(Vector256.Load(source) * Vector256.Load((float*)group), target, left);
                if (pair) Store(Vector256.Load(source + 8) * Vector256.Load((float*)(group + run.GroupBytes)), target + 8, left - 8);
            }
            group += 2 * run.GroupBytes;
            codes += 2 * run.CodeStride;
            scales += 2 * run.ScaleStride;
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

    /// <summary>Unpacks codes that are not nibbles.</summary>
    private static void Unpack<TCodes>(byte* codes, in BiasedCodebook codebook, int blocks, byte* target)
        where TCodes : struct, IPackedCodes
    {
        Vector256<byte> table = codebook.Lower, upper = codebook.Upper;
        for (; blocks > 0; blocks--, codes += TCodes.BlockBytes, target += 256)
        {
            TCodes.Quad(codes, table, upper, 0).Store(target);
            TCodes.Quad(codes, table, upper, 1).Store(target + 32);
            TCodes.Quad(codes, table, upper, 2).Store(target + 64);
            TCodes.Quad(codes, table, upper, 3).Store(target + 96);
            TCodes.Quad(codes, table, upper, 4).Store(target + 128);
            TCodes.Quad(codes, table, upper, 5).Store(target + 160);
            TCodes.Quad(codes, table, upper, 6).Store(target + 192);
            TCodes.Quad(codes, table, upper, 7).Store(target + 224);
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

    // At most MostRowTokens as a group takes them, or a tile.
    private static long PanelsAt(int columns) =>
        (AccumulatorBytes + (columns + 31L) / 32
            * Math.Max(PackedTile.BlockBytes, MostRowTokens * TArithmetic.TokenBlockBytes) + 63) & ~63L;

    /// <summary>Up to <see cref="PanelGroups"/> groups: in the file, for their row scales, and unpacked.</summary>
    private readonly struct PanelRun(
        byte* groups, nint groupBytes, byte* codes, nint codeStride, byte* scales, nint scaleStride, int rows)
    {
        public readonly byte* Groups = groups;
        public readonly nint GroupBytes = groupBytes;
        public readonly byte* Codes = codes;
        public readonly nint CodeStride = codeStride;
        public readonly byte* Scales = scales;
        public readonly nint ScaleStride = scaleStride;
        public readonly int Rows = rows;
    }
}
