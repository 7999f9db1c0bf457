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
            float* y0 = (float*)steps[4] + row, y1 = (float*)steps[5] + row, y2 = (float*)steps[6] + row, y3 = (float*)steps[7] + row;
            steps += 8;
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
                TokenSums lowDots = default, highDots = default, low, high;
                if (left >= PackedActivations.ScaleBlocks)
                {
                    low = high = default;
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
                    low = high = default;
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
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums), AdvSimd.ConvertToSingle(low.T0), scale, 0).Store(sums);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums + 4), AdvSimd.ConvertToSingle(high.T0), scale, 0).Store(sums + 4);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums + 8), AdvSimd.ConvertToSingle(low.T1), scale, 1).Store(sums + 8);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums + 12), AdvSimd.ConvertToSingle(high.T1), scale, 1).Store(sums + 12);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums + 16), AdvSimd.ConvertToSingle(low.T2), scale, 2).Store(sums + 16);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums + 20), AdvSimd.ConvertToSingle(high.T2), scale, 2).Store(sums + 20);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums + 24), AdvSimd.ConvertToSingle(low.T3), scale, 3).Store(sums + 24);
                AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Vector128.Load(sums + 28), AdvSimd.ConvertToSingle(high.T3), scale, 3).Store(sums + 28);
            }
            StoreTile(sums, rowScales, y0, y1, y2, y3, rows);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreTile(float* sums, float* rowScales, float* y0, float* y1, float* y2, float* y3, int rows)
    {
        RowLanes scales = RowLanes.Load(rowScales);
        RowLanes.Load(sums).Times(scales).Store(y0, rows);
        RowLanes.Load(sums + 8).Times(scales).Store(y1, rows);
        RowLanes.Load(sums + 16).Times(scales).Store(y2, rows);
        RowLanes.Load(sums + 24).Times(scales).Store(y3, rows);
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
        Vector128<sbyte> c0 = Vector128.Load(x0 + block * 32), d0 = Vector128.Load(x0 + (block * 32 + 16)), c1 = Vector128.Load(x1 + block * 32), d1 = Vector128.Load(x1 + (block * 32 + 16));
        Vector128<sbyte> c2 = Vector128.Load(x2 + block * 32), d2 = Vector128.Load(x2 + (block * 32 + 16)), c3 = Vector128.Load(x3 + block * 32), d3 = Vector128.Load(x3 + (block * 32 + 16));
        Vector128<sbyte> p, q;
        int* f0 = steps[4 * block], f1 = steps[4 * block + 1], f2 = steps[4 * block + 2], f3 = steps[4 * block + 3];
        p = Vector128.Load(w + block % 4 * BlockBytes);
        q = Vector128.Load(w + (block % 4 * BlockBytes + 16));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 0);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 0);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 0);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 0);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 0);
        p = Vector128.Load(w + (block % 4 * BlockBytes + 32));
        q = Vector128.Load(w + (block % 4 * BlockBytes + 48));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 1);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 1);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 1);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 1);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 1);
        p = Vector128.Load(w + (block % 4 * BlockBytes + 64));
        q = Vector128.Load(w + (block % 4 * BlockBytes + 80));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 2);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 2);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 2);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 2);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 2);
        p = Vector128.Load(w + (block % 4 * BlockBytes + 96));
        q = Vector128.Load(w + (block % 4 * BlockBytes + 112));
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
            low.T0 = isFirst ? AdvSimd.Multiply(a0, Vector128.Load(f0)) : AdvSimd.MultiplyAdd(low.T0, a0, Vector128.Load(f0));
            high.T0 = isFirst ? AdvSimd.Multiply(b0, Vector128.Load(f0 + 4)) : AdvSimd.MultiplyAdd(high.T0, b0, Vector128.Load(f0 + 4));
            low.T1 = isFirst ? AdvSimd.Multiply(a1, Vector128.Load(f1)) : AdvSimd.MultiplyAdd(low.T1, a1, Vector128.Load(f1));
            high.T1 = isFirst ? AdvSimd.Multiply(b1, Vector128.Load(f1 + 4)) : AdvSimd.MultiplyAdd(high.T1, b1, Vector128.Load(f1 + 4));
            low.T2 = isFirst ? AdvSimd.Multiply(a2, Vector128.Load(f2)) : AdvSimd.MultiplyAdd(low.T2, a2, Vector128.Load(f2));
            high.T2 = isFirst ? AdvSimd.Multiply(b2, Vector128.Load(f2 + 4)) : AdvSimd.MultiplyAdd(high.T2, b2, Vector128.Load(f2 + 4));
            low.T3 = isFirst ? AdvSimd.Multiply(a3, Vector128.Load(f3)) : AdvSimd.MultiplyAdd(low.T3, a3, Vector128.Load(f3));
            high.T3 = isFirst ? AdvSimd.Multiply(b3, Vector128.Load(f3 + 4)) : AdvSimd.MultiplyAdd(high.T3, b3, Vector128.Load(f3 + 4));
            f0 += 8;
            f1 += 8;
            f2 += 8;
            f3 += 8;
            isFirst = false;
        }
        p = Vector128.Load(w + (block % 4 * BlockBytes + 128));
        q = Vector128.Load(w + (block % 4 * BlockBytes + 144));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 0);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 0);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 0);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 0);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 0);
        p = Vector128.Load(w + (block % 4 * BlockBytes + 160));
        q = Vector128.Load(w + (block % 4 * BlockBytes + 176));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 1);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 1);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 1);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 1);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 1);
        p = Vector128.Load(w + (block % 4 * BlockBytes + 192));
        q = Vector128.Load(w + (block % 4 * BlockBytes + 208));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 2);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 2);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 2);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 2);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 2);
        p = Vector128.Load(w + (block % 4 * BlockBytes + 224));
        q = Vector128.Load(w + (block % 4 * BlockBytes + 240));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, d0, 3);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, d1, 3);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, d2, 3);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, d3, 3);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, d0, 3);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, d1, 3);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, d2, 3);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, d3, 3);
        low.T0 = isFirst ? AdvSimd.Multiply(a0, Vector128.Load(f0)) : AdvSimd.MultiplyAdd(low.T0, a0, Vector128.Load(f0));
        high.T0 = isFirst ? AdvSimd.Multiply(b0, Vector128.Load(f0 + 4)) : AdvSimd.MultiplyAdd(high.T0, b0, Vector128.Load(f0 + 4));
        low.T1 = isFirst ? AdvSimd.Multiply(a1, Vector128.Load(f1)) : AdvSimd.MultiplyAdd(low.T1, a1, Vector128.Load(f1));
        high.T1 = isFirst ? AdvSimd.Multiply(b1, Vector128.Load(f1 + 4)) : AdvSimd.MultiplyAdd(high.T1, b1, Vector128.Load(f1 + 4));
        low.T2 = isFirst ? AdvSimd.Multiply(a2, Vector128.Load(f2)) : AdvSimd.MultiplyAdd(low.T2, a2, Vector128.Load(f2));
        high.T2 = isFirst ? AdvSimd.Multiply(b2, Vector128.Load(f2 + 4)) : AdvSimd.MultiplyAdd(high.T2, b2, Vector128.Load(f2 + 4));
        low.T3 = isFirst ? AdvSimd.Multiply(a3, Vector128.Load(f3)) : AdvSimd.MultiplyAdd(low.T3, a3, Vector128.Load(f3));
        high.T3 = isFirst ? AdvSimd.Multiply(b3, Vector128.Load(f3 + 4)) : AdvSimd.MultiplyAdd(high.T3, b3, Vector128.Load(f3 + 4));
        lowDots.T0 = a0;
        lowDots.T1 = a1;
        lowDots.T2 = a2;
        lowDots.T3 = a3;
        highDots.T0 = b0;
        highDots.T1 = b1;
        highDots.T2 = b2;
        highDots.T3 = b3;
    }
}
