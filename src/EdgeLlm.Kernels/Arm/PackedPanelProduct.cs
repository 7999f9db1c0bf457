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
        float* scales = panel.Scales, sums = panel.Sums;
        var at = new Place { Activations = panel.Activations, Steps = panel.Steps };
        for (; tiles > 0; tiles--)
        {
            at.Values = values;
            float** y = (float**)at.Steps;
            at.Steps += PackedPanel.TileTokens;
            bool isFirst = true;
            for (nint left = blocks; left > 0; left -= PackedActivations.ScaleBlocks)
            {
                PanelSums t0 = default, t1 = default, t2 = default, t3 = default, t4 = default, t5 = default;
                if (left >= PackedActivations.ScaleBlocks)
                {
                    Add(0, true, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    Add(1, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    Add(2, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    Add(3, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    at.Advance(4);
                    Add(0, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    Add(1, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    Add(2, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    Add(3, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    at.Advance(4);
                }
                else
                {
                    Add(0, true, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    for (nint b = left - 1; ; b--)
                    {
                        at.Advance(1);
                        if (b == 0) break;
                        Add(0, false, at, ref t0, ref t1, ref t2, ref t3, ref t4, ref t5);
                    }
                }
                Vector128<float> scale = Vector128.Load(scales), lastScales = Vector128.Load(scales + 4);
                scales += PackedPanel.ScaleStride;
                if (isFirst)
                {
                    isFirst = false;
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t0.Low), scale, 0).Store(sums);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t0.High), scale, 0).Store(sums + 4);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t1.Low), scale, 1).Store(sums + 8);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t1.High), scale, 1).Store(sums + 12);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t2.Low), scale, 2).Store(sums + 16);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t2.High), scale, 2).Store(sums + 20);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t3.Low), scale, 3).Store(sums + 24);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t3.High), scale, 3).Store(sums + 28);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t4.Low), lastScales, 0).Store(sums + 32);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t4.High), lastScales, 0).Store(sums + 36);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t5.Low), lastScales, 1).Store(sums + 40);
                    AdvSimd.MultiplyBySelectedScalar(AdvSimd.ConvertToSingle(t5.High), lastScales, 1).Store(sums + 44);
                }
                else
                {
                    FusedAdd(sums, AdvSimd.ConvertToSingle(t0.Low), AdvSimd.ConvertToSingle(t0.High), scale, 0);
                    FusedAdd(sums + 8, AdvSimd.ConvertToSingle(t1.Low), AdvSimd.ConvertToSingle(t1.High), scale, 1);
                    FusedAdd(sums + 16, AdvSimd.ConvertToSingle(t2.Low), AdvSimd.ConvertToSingle(t2.High), scale, 2);
                    FusedAdd(sums + 24, AdvSimd.ConvertToSingle(t3.Low), AdvSimd.ConvertToSingle(t3.High), scale, 3);
                    FusedAdd(sums + 32, AdvSimd.ConvertToSingle(t4.Low), AdvSimd.ConvertToSingle(t4.High), lastScales, 0);
                    FusedAdd(sums + 40, AdvSimd.ConvertToSingle(t5.Low), AdvSimd.ConvertToSingle(t5.High), lastScales, 1);
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

    /// <summary>32 columns: their values, the activations of a tile's tokens and where the tokens' factors are.</summary>
    private struct Place
    {
        public sbyte* Values;
        public sbyte* Activations;
        public int** Steps;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Advance(int blocks)
        {
            Values += blocks * BlockBytes;
            Activations += blocks * PackedPanel.StepBytes;
            Steps += blocks * PackedPanel.TileTokens;
        }
    }

    /// <summary>
    /// A token's integer sums: dot products, which run on from block to block, and the same times factors; each of the first four rows and
    /// the others, a lane each. (Of more than four fields the compiler makes memory, not registers.)
    /// </summary>
    private struct PanelSums
    {
        public Vector128<int> LowDots, HighDots, Low, High;
    }
}
