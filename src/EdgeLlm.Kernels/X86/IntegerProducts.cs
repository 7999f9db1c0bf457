using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>Quantized weights times int8 activations: one token row by row, more of them by unpacked panels.</summary>
internal static unsafe class IntegerProducts<TDot>
    where TDot : struct, IByteDot
{
    /// <summary>As many panels are unpacked at a time as fit into this (but one at least), to stay in the second-level cache.</summary>
    private const long PanelBytes = 256 << 10;

    private const int MaximumPanels = 4;

    private const int SumBytes = TokenTile.Tokens * WeightPanel.Rows * sizeof(float);

    // Scratch: sums [4 tokens][16 rows], a tile (or the starts and scales of a row product), 16 rows that lie at the end of a matrix,
    // panels.
    public static long ScratchBytes(int columns)
    {
        long blocks = (columns + 31) / 32;
        return PanelsAt(columns) + Math.Max(PanelBytes, blocks * WeightPanel.MaximumBlockBytes);
    }

    public static void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        switch (weights.Type)
        {
            case ElementType.Q4_0: Multiply<Q4_0Block>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q4_1: Multiply<Q4_1Block>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q5_0: Multiply<Q5_0Block>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q5_1: Multiply<Q5_1Block>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q8_0: Multiply<Q8_0Block>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.IQ4_NL: Multiply<IQ4_NLBlock>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.IQ4_XS: Multiply<IQ4_XSBlock>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.MXFP4: Multiply<MXFP4Block>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q2_K: Multiply<Q2_KBlock>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q3_K: Multiply<Q3_KBlock>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q4_K: Multiply<Q4_KBlock>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q5_K: Multiply<Q5_KBlock>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case ElementType.Q6_K: Multiply<Q6_KBlock>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            default: MultiplyOther(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
        }
    }

    private static void Multiply<TFormat>(
        in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
        where TFormat : struct, IBlockFormat
    {
        if (tokens == 1)
        {
            MultiplyRows<TFormat>(weights, x, y, firstRow, endRow, scratch);
            return;
        }
        byte* panels = scratch + PanelsAt(x.Columns);
        nint panelBytes = (nint)x.Blocks * WeightPanel.BlockBytes<TFormat>();
        int rowsAtATime = RowsAtATime(panelBytes);
        for (int r = firstRow; r < endRow; r += rowsAtATime)
        {
            int rows = Math.Min(rowsAtATime, endRow - r);
            byte* panel = panels;
            for (int done = 0; done < rows; done += WeightPanel.Rows, panel += panelBytes)
                WeightPanel.Unpack<TFormat>(RowsAt(weights, r + done, Math.Min(WeightPanel.Rows, rows - done), WeightPanel.Rows, scratch),
                    weights.RowBytes, x.Blocks, panel);
            MultiplyPanels<TFormat>(panels, x, tokens, y + r, yStride, rows, scratch);
        }
    }

    private static void MultiplyRows<TFormat>(in WeightMatrix weights, in QuantizedActivations x, float* y, int firstRow,
        int endRow, byte* scratch)
        where TFormat : struct, IBlockFormat
    {
        float* scales = (float*)(scratch + SumBytes);
        int* starts = (int*)(scales + RowProduct<TDot, TFormat>.ScratchFloats);
        if (TFormat.Bias != 0)
        {
            for (int b = 0; b < 2 * x.Blocks; b += 2)
            {
                starts[b] = -TFormat.Bias * (TFormat.HasScalePer16 ? x.Sums[b] : x.Sums[b] + x.Sums[b + 1]);
                starts[b + 1] = -TFormat.Bias * x.Sums[b + 1];
            }
        }
        for (int r = firstRow; r < endRow; r += 8)
        {
            int rows = Math.Min(8, endRow - r);
            Vector256<float> sum =
                RowProduct<TDot, TFormat>.Multiply(RowsAt(weights, r, rows, 8, scratch), weights.RowBytes, x, starts, scales);
            if (rows == 8)
            {
                sum.Store(y + r);
                continue;
            }
            sum.Store((float*)scratch);
            new Span<float>(scratch, rows).CopyTo(new Span<float>(y + r, rows));
        }
    }

    /// <summary>Types without vectors of their own to unpack them.</summary>
    private static void MultiplyOther(
        in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
    {
        switch (BlockUnpacker.HasScalePer16(weights.Type), BlockUnpacker.HasOffset(weights.Type))
        {
            case (false, false):
                MultiplySigned<SignedCodes<Unset, Unset>>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case (false, true): MultiplySigned<SignedCodes<Unset, Set>>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case (true, false): MultiplySigned<SignedCodes<Set, Unset>>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
            case (true, true): MultiplySigned<SignedCodes<Set, Set>>(weights, x, tokens, y, yStride, firstRow, endRow, scratch); break;
        }
    }

    private static void MultiplySigned<TCodes>(
        in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
        where TCodes : struct, ICodes
    {
        byte* panels = scratch + PanelsAt(x.Columns);
        nint panelBytes = (nint)x.Blocks * WeightPanel.BlockBytes<TCodes>();
        int rowsAtATime = RowsAtATime(panelBytes);
        for (int r = firstRow; r < endRow; r += rowsAtATime)
        {
            int rows = Math.Min(rowsAtATime, endRow - r);
            byte* panel = panels;
            for (int done = 0; done < rows; done += WeightPanel.Rows, panel += panelBytes)
                WeightPanel.Unpack<TCodes>(weights, r + done, Math.Min(WeightPanel.Rows, rows - done), x.Blocks, panel);
            MultiplyPanels<TCodes>(panels, x, tokens, y + r, yStride, rows, scratch);
        }
    }

    private static void MultiplyPanels<TCodes>(byte* panels, in QuantizedActivations x, int tokens, float* y,
        nint yStride, int rows, byte* scratch)
        where TCodes : struct, ICodes
    {
        for (int t = 0; t < tokens; t += TokenTile.Tokens, y += TokenTile.Tokens * yStride)
        {
            switch (tokens - t)
            {
                case 1: MultiplyTile<TCodes, OneToken>(panels, x, t, 1, y, yStride, rows, scratch); break;
                case 2: MultiplyTile<TCodes, TwoTokens>(panels, x, t, 2, y, yStride, rows, scratch); break;
                default: MultiplyTile<TCodes, FourTokens>(panels, x, t, Math.Min(4, tokens - t), y, yStride, rows, scratch); break;
            }
        }
    }

    private static void MultiplyTile<TCodes, TTokens>(
        byte* panels, in QuantizedActivations x, int firstToken, int tokens, float* y, nint yStride, int rows, byte* scratch)
        where TCodes : struct, ICodes
        where TTokens : struct, ITokenCount
    {
        float* sums = (float*)scratch;
        byte* tile = scratch + SumBytes;
        nint panelBytes = (nint)x.Blocks * WeightPanel.BlockBytes<TCodes>();
        TokenTile.Fill<TCodes, TTokens>(tile, x, firstToken, tokens);
        for (int r = 0; r < rows; r += WeightPanel.Rows, panels += panelBytes)
        {
            PanelProduct<TDot, TCodes, TTokens>.Multiply(panels, tile, x.Blocks, sums);
            int count = Math.Min(WeightPanel.Rows, rows - r);
            for (int t = 0; t < tokens; t++)
                new Span<float>(sums + t * WeightPanel.Rows, count).CopyTo(new Span<float>(y + t * yStride + r, count));
        }
    }

    /// <summary>
    /// The place of <paramref name="needed"/> rows: in the matrix, or where it has fewer than that in scratch, with any rows after the
    /// valid ones.
    /// </summary>
    private static byte* RowsAt(in WeightMatrix weights, int firstRow, int rows, int needed, byte* scratch)
    {
        if (rows == needed) return weights.Row(firstRow);
        byte* copy = scratch + RowsOffset(weights.Columns);
        for (int r = 0; r < needed; r++)
            Buffer.MemoryCopy(weights.Row(firstRow + Math.Min(r, rows - 1)), copy + r * weights.RowBytes,
                weights.RowBytes, weights.RowBytes);
        return copy;
    }

    private static int RowsAtATime(nint panelBytes) => WeightPanel.Rows * (int)Math.Clamp(PanelBytes / panelBytes, 1, MaximumPanels);

    private static long RowsOffset(int columns) =>
        SumBytes + Align((columns + 31L) / 32 * TokenTile.BlockBytes + RowProduct<TDot, Q8_0Block>.ScratchFloats * sizeof(float));

    // Q8_0 has the longest rows: 34 bytes per 32 columns.
    private static long PanelsAt(int columns) => RowsOffset(columns) + Align(WeightPanel.Rows * ((columns + 31L) / 32) * 34);

    private static long Align(long bytes) => (bytes + 63) & ~63L;
}
