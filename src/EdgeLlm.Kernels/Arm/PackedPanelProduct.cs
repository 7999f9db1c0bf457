using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SDOT: a panel of eight rows times many tokens, four at a time.</summary>
internal static unsafe class PackedPanelProduct<TDots> where TDots : struct, IPackedDots
{
    /// <summary>From 32 columns to the next, unpacked; E8 needs no unpacking.</summary>
    private const int BlockBytes = 256;

    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
    {
        var panel = new PackedPanel(scratch, x.Blocks);
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        for (int first = 0; first < tokens; first += PackedPanel.Tokens)
        {
            int count = Math.Min(PackedPanel.Tokens, tokens - first), tiles = (count + PackedPanel.TileTokens - 1) / PackedPanel.TileTokens;
            panel.FillTokens(x, first, count, y + first * yStride, yStride, TDots.HasScalePer16);
            byte* group = weights.Group(firstRow);
            for (int r = firstRow; r < endRow; r += PackedLayout.GroupRows, group += weights.GroupBytes)
            {
                panel.FillFactors<TDots>((sbyte*)group + PackedLayout.SubScaleOffset);
                sbyte* values = (sbyte*)group + codeOffset;
                if (TDots.BlockBytes < BlockBytes)
                {
                    PackedPanel.Unpack(group + codeOffset, weights.Codebook, x.Blocks, panel.Values);
                    values = panel.Values;
                }
                MultiplyTiles(panel, values, (float*)group, tiles, r, Math.Min(endRow - r, PackedLayout.GroupRows));
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MultiplyTiles(in PackedPanel panel, sbyte* values, float* rowScales, int tiles, nint row, int rows)
    {
        nint blocks = panel.Blocks;
        int** steps = panel.Steps;
        float* scales = panel.Scales, sums = panel.Sums;
        for (; tiles > 0; tiles--)
        {
            sbyte* w = values, x0 = (sbyte*)steps[0], x1 = (sbyte*)steps[1], x2 = (sbyte*)steps[2], x3 = (sbyte*)steps[3];
            float** y = (float**)steps + PackedPanel.TileTokens;
            steps += 2 * PackedPanel.TileTokens;
            Vector128<float>.Zero.Store(sums);
            Vector128<float>.Zero.Store(sums + 4);
            Vector128<float>.Zero.Store(sums + 8);
            Vector128<float>.Zero.Store(sums + 12);
            Vector128<float>.Zero.Store(sums + 16);
            Vector128<float>.Zero.Store(sums + 20);
            Vector128<float>.Zero.Store(sums + 24);
            Vector128<float>.Zero.Store(sums + 28);
            for (nint left = blocks; left > 0; left -= PackedActivations.ScaleBlocks)
            {
                TokenSums lowDots = default, highDots = default, low = default, high = default;
                if (left >= PackedActivations.ScaleBlocks)
                {
                    Add(0, true, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    Add(1, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    Add(2, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    Add(3, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    w += 4 * BlockBytes;
                    Add(4, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    Add(5, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    Add(6, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    Add(7, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                    w += 4 * BlockBytes;
                    x0 += PackedActivations.ScaleColumns;
                    x1 += PackedActivations.ScaleColumns;
                    x2 += PackedActivations.ScaleColumns;
                    x3 += PackedActivations.ScaleColumns;
                    steps += PackedActivations.ScaleBlocks * PackedPanel.TileTokens;
                }
                else
                {
                    for (nint b = left; b > 0; b--)
                    {
                        Add(0, false, w, x0, x1, x2, x3, steps, ref lowDots, ref highDots, ref low, ref high);
                        w += BlockBytes;
                        x0 += 32;
                        x1 += 32;
                        x2 += 32;
                        x3 += 32;
                        steps += PackedPanel.TileTokens;
                    }
                }
                Vector128<float> scale = Vector128.Load(scales);
                scales += PackedPanel.TileTokens;
                Vector128<float> a0 = Vector128.Load(sums), b0 = Vector128.Load(sums + 4);
                Vector128<float> a1 = Vector128.Load(sums + 8), b1 = Vector128.Load(sums + 12);
                Vector128<float> a2 = Vector128.Load(sums + 16), b2 = Vector128.Load(sums + 20);
                Vector128<float> a3 = Vector128.Load(sums + 24), b3 = Vector128.Load(sums + 28);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a0, AdvSimd.ConvertToSingle(low.T0), scale, 0).Store(sums);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b0, AdvSimd.ConvertToSingle(high.T0), scale, 0).Store(sums + 4);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a1, AdvSimd.ConvertToSingle(low.T1), scale, 1).Store(sums + 8);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b1, AdvSimd.ConvertToSingle(high.T1), scale, 1).Store(sums + 12);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a2, AdvSimd.ConvertToSingle(low.T2), scale, 2).Store(sums + 16);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b2, AdvSimd.ConvertToSingle(high.T2), scale, 2).Store(sums + 20);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a3, AdvSimd.ConvertToSingle(low.T3), scale, 3).Store(sums + 24);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b3, AdvSimd.ConvertToSingle(high.T3), scale, 3).Store(sums + 28);
            }
            if (rows < PackedLayout.GroupRows)
            {
                StoreSome(sums, rowScales, y, row, rows);
                continue;
            }
            Vector128<float> lowScales = AdvSimd.LoadVector128(rowScales), highScales = AdvSimd.LoadVector128(rowScales + 4);
            float* y0 = y[0] + row, y1 = y[1] + row, y2 = y[2] + row, y3 = y[3] + row;
            Vector128<float> first, second;
            first = AdvSimd.LoadVector128(sums);
            second = AdvSimd.LoadVector128(sums + 4);
            AdvSimd.Store(y0, first * lowScales);
            AdvSimd.Store(y0 + 4, second * highScales);
            first = AdvSimd.LoadVector128(sums + 8);
            second = AdvSimd.LoadVector128(sums + 12);
            AdvSimd.Store(y1, first * lowScales);
            AdvSimd.Store(y1 + 4, second * highScales);
            first = AdvSimd.LoadVector128(sums + 16);
            second = AdvSimd.LoadVector128(sums + 20);
            AdvSimd.Store(y2, first * lowScales);
            AdvSimd.Store(y2 + 4, second * highScales);
            first = AdvSimd.LoadVector128(sums + 24);
            second = AdvSimd.LoadVector128(sums + 28);
            AdvSimd.Store(y3, first * lowScales);
            AdvSimd.Store(y3 + 4, second * highScales);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreSome(float* sums, float* rowScales, float** y, nint row, int rows)
    {
        for (int t = 0; t < PackedPanel.TileTokens; t++) RowLanes.Load(sums + 8 * t).Times(RowLanes.Load(rowScales)).Store(y[t] + row, rows);
    }

    /// <summary>
    /// 32 columns: goes on with the dot products, then adds them times the tokens' factors. One flat method: many small ones would exhaust what the compiler
    /// is willing to inline.
    /// </summary>
    /// <param name="block">A constant, as the next: its place among eight; <paramref name="w"/> points to the first, or from the fifth on to that.</param>
    /// <param name="isFirst">True where the sums start: a product needs no zero to be added to.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(int block, bool isFirst, sbyte* w, sbyte* x0, sbyte* x1, sbyte* x2, sbyte* x3, int** steps, ref TokenSums lowDots, ref TokenSums highDots, ref TokenSums low, ref TokenSums high)
    {
        Vector128<int> a0 = lowDots.T0, a1 = lowDots.T1, a2 = lowDots.T2, a3 = lowDots.T3, b0 = highDots.T0, b1 = highDots.T1, b2 = highDots.T2, b3 = highDots.T3;
        Vector128<sbyte> c0 = AdvSimd.LoadVector128(x0 + block * 32), d0 = AdvSimd.LoadVector128(x0 + (block * 32 + 16)), c1 = AdvSimd.LoadVector128(x1 + block * 32), d1 = AdvSimd.LoadVector128(x1 + (block * 32 + 16));
        Vector128<sbyte> c2 = AdvSimd.LoadVector128(x2 + block * 32), d2 = AdvSimd.LoadVector128(x2 + (block * 32 + 16)), c3 = AdvSimd.LoadVector128(x3 + block * 32), d3 = AdvSimd.LoadVector128(x3 + (block * 32 + 16));
        Vector128<sbyte> p, q;
        int* f0 = steps[4 * block], f1 = steps[4 * block + 1], f2 = steps[4 * block + 2], f3 = steps[4 * block + 3];
        p = AdvSimd.LoadVector128(w + block % 4 * BlockBytes);
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 16));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 0);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 0);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 0);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 0);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 0);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 32));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 48));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 1);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 1);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 1);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 1);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 1);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 64));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 80));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 2);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 2);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 2);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 2);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 2);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 96));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 112));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 3);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 3);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 3);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 3);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 3);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 3);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 3);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 3);
        if (TDots.HasScalePer16)
        {
            AddScaled(a0, b0, f0, isFirst, ref low.T0, ref high.T0);
            AddScaled(a1, b1, f1, isFirst, ref low.T1, ref high.T1);
            AddScaled(a2, b2, f2, isFirst, ref low.T2, ref high.T2);
            AddScaled(a3, b3, f3, isFirst, ref low.T3, ref high.T3);
            f0 += 8;
            f1 += 8;
            f2 += 8;
            f3 += 8;
            isFirst = false;
        }
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 128));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 144));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 0);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 0);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 0);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 0);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 0);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 160));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 176));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 1);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 1);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 1);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 1);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 1);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 192));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 208));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 2);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 2);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 2);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 2);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 2);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 224));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 240));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 3);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 3);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 3);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 3);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 3);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 3);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 3);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 3);
        AddScaled(a0, b0, f0, isFirst, ref low.T0, ref high.T0);
        AddScaled(a1, b1, f1, isFirst, ref low.T1, ref high.T1);
        AddScaled(a2, b2, f2, isFirst, ref low.T2, ref high.T2);
        AddScaled(a3, b3, f3, isFirst, ref low.T3, ref high.T3);
        lowDots.T0 = a0;
        lowDots.T1 = a1;
        lowDots.T2 = a2;
        lowDots.T3 = a3;
        highDots.T0 = b0;
        highDots.T1 = b1;
        highDots.T2 = b2;
        highDots.T3 = b3;
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled(Vector128<int> lowDots, Vector128<int> highDots, int* factors, bool isFirst, ref Vector128<int> low, ref Vector128<int> high)
    {
        Vector128<int> lowFactors = AdvSimd.LoadVector128(factors), highFactors = AdvSimd.LoadVector128(factors + 4);
        if (isFirst)
        {
            low = AdvSimd.Multiply(lowDots, lowFactors);
            high = AdvSimd.Multiply(highDots, highFactors);
        }
        else
        {
            low = AdvSimd.MultiplyAdd(low, lowDots, lowFactors);
            high = AdvSimd.MultiplyAdd(high, highDots, highFactors);
        }
    }
}
