using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// SDOT: a panel of eight rows times many tokens, six at a time: 24 sums, six activations and two weights are all 32 registers.
/// </summary>
internal static unsafe partial class PackedPanelProduct<TDots> where TDots : struct, IPackedDots
{
    /// <summary>From 32 columns to the next, unpacked; E8 needs no unpacking.</summary>
    private const int BlockBytes = PackedPanel.BlockBytes;

    public static void Multiply(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        var panel = new PackedPanel(scratch, x.Blocks);
        for (int first = 0; first < tokens; first += PackedPanel.Tokens)
        {
            int count = Math.Min(PackedPanel.Tokens, tokens - first), tiles = (count + PackedPanel.TileTokens - 1) / PackedPanel.TileTokens;
            panel.FillTokens(x, first, count, y + first * yStride, yStride, TDots.HasScalePer16);
            byte* group = weights.Group(firstRow);
            int subScaleBytes = x.Blocks * PackedLayout.GroupRows * (TDots.HasScalePer16 ? 2 : 1);
            var factors = ReadOnlySpan<byte>.Empty; // the sub-scales that they were made of; a voice's are all the same
            for (int r = firstRow; r < endRow; r += PackedLayout.GroupRows, group += weights.GroupBytes)
            {
                var subScales = new ReadOnlySpan<byte>(group + PackedLayout.SubScaleOffset, subScaleBytes);
                if (!subScales.SequenceEqual(factors)) panel.FillFactors<TDots>((sbyte*)group + PackedLayout.SubScaleOffset);
                factors = subScales;
                sbyte* values = PackedPanel.ValuesOf<TDots>(weights, group, x.Blocks, panel.Values);
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
        sbyte* x = panel.Activations;
        for (; tiles > 0; tiles--)
        {
            sbyte* w = values;
            float** y = (float**)steps;
            steps += PackedPanel.TileTokens;
            bool isFirst = true;
            for (nint left = blocks; left > 0; left -= PackedActivations.ScaleBlocks)
            {
                TokenSums lowDots0 = default, lowDots3 = default, highDots0 = default, highDots3 = default;
                Unsafe.SkipInit(out TokenSums low0);
                Unsafe.SkipInit(out TokenSums low3);
                Unsafe.SkipInit(out TokenSums high0);
                Unsafe.SkipInit(out TokenSums high3);
                if (left >= PackedActivations.ScaleBlocks)
                {
                    Add(0, true, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    Add(1, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    Add(2, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    Add(3, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    w += 4 * BlockBytes;
                    x += 4 * PackedPanel.StepBytes;
                    Add(4, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    Add(5, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    Add(6, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    Add(7, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    w += 4 * BlockBytes;
                    x += 4 * PackedPanel.StepBytes;
                    steps += PackedActivations.ScaleBlocks * PackedPanel.TileTokens;
                }
                else
                {
                    Add(0, true, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                        ref low3, ref high0, ref high3);
                    for (nint b = left - 1; ; b--)
                    {
                        w += BlockBytes;
                        x += PackedPanel.StepBytes;
                        steps += PackedPanel.TileTokens;
                        if (b == 0) break;
                        Add(0, false, w, x, steps, ref lowDots0, ref lowDots3, ref highDots0, ref highDots3, ref low0,
                            ref low3, ref high0, ref high3);
                    }
                }
                Vector128<float> scale = Vector128.Load(scales), lastScales = Vector128.Load(scales + 4);
                scales += PackedPanel.ScaleStride;
                if (isFirst)
                {
                    isFirst = false;
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(low0.T0), scale, 0).Store(sums);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(high0.T0), scale, 0).Store(sums + 4);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(low0.T1), scale, 1).Store(sums + 8);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(high0.T1), scale, 1).Store(sums + 12);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(low0.T2), scale, 2).Store(sums + 16);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(high0.T2), scale, 2).Store(sums + 20);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(low3.T0), scale, 3).Store(sums + 24);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(high3.T0), scale, 3).Store(sums + 28);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(low3.T1), lastScales, 0).Store(sums + 32);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(high3.T1), lastScales, 0).Store(sums + 36);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(low3.T2), lastScales, 1).Store(sums + 40);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(high3.T2), lastScales, 1).Store(sums + 44);
                }
                else
                {
                    FusedAdd(sums, AdvSimd.ConvertToSingle(low0.T0), AdvSimd.ConvertToSingle(high0.T0), scale, 0);
                    FusedAdd(sums + 8, AdvSimd.ConvertToSingle(low0.T1), AdvSimd.ConvertToSingle(high0.T1), scale, 1);
                    FusedAdd(sums + 16, AdvSimd.ConvertToSingle(low0.T2), AdvSimd.ConvertToSingle(high0.T2), scale, 2);
                    FusedAdd(sums + 24, AdvSimd.ConvertToSingle(low3.T0), AdvSimd.ConvertToSingle(high3.T0), scale, 3);
                    FusedAdd(sums + 32, AdvSimd.ConvertToSingle(low3.T1), AdvSimd.ConvertToSingle(high3.T1), lastScales, 0);
                    FusedAdd(sums + 40, AdvSimd.ConvertToSingle(low3.T2), AdvSimd.ConvertToSingle(high3.T2), lastScales, 1);
                }
            }
            if (rows < PackedLayout.GroupRows)
            {
                StoreSome(sums, rowScales, y, row, rows);
                continue;
            }
            Vector128<float> lowScales = AdvSimd.LoadVector128(rowScales), highScales = AdvSimd.LoadVector128(rowScales + 4);
            StoreRow(y[0] + row, sums, lowScales, highScales);
            StoreRow(y[1] + row, sums + 8, lowScales, highScales);
            StoreRow(y[2] + row, sums + 16, lowScales, highScales);
            StoreRow(y[3] + row, sums + 24, lowScales, highScales);
            StoreRow(y[4] + row, sums + 32, lowScales, highScales);
            StoreRow(y[5] + row, sums + 40, lowScales, highScales);
        }
    }

    /// <summary>Eight rows' sums of a token: += dots * scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FusedAdd(float* sums, Vector128<float> low, Vector128<float> high, Vector128<float> scales,
        [ConstantExpected(Max = (byte)3)] byte lane)
    {
        Vector128<float> a = AdvSimd.LoadVector128(sums), b = AdvSimd.LoadVector128(sums + 4);
        a = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(a, low, scales, lane);
        b = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(b, high, scales, lane);
        AdvSimd.Store(sums, a);
        AdvSimd.Store(sums + 4, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* y, float* sums, Vector128<float> lowScales, Vector128<float> highScales)
    {
        Vector128<float> a = AdvSimd.LoadVector128(sums), b = AdvSimd.LoadVector128(sums + 4);
        AdvSimd.Store(y, a * lowScales);
        AdvSimd.Store(y + 4, b * highScales);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreSome(float* sums, float* rowScales, float** y, nint row, int rows)
    {
        for (int t = 0; t < PackedPanel.TileTokens; t++)
            RowLanes.Load(sums + 8 * t).Times(RowLanes.Load(rowScales)).Store(y[t] + row, rows);
    }
}
