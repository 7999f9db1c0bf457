using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>The sums of six tokens.</summary>
internal static unsafe partial class PackedPanelProduct<TDots>
{
    /// <summary>
    /// 32 columns: continues with the dot products, then adds them times the tokens' factors. One flat method: many small ones would
    /// exhaust what the compiler is willing to inline.
    /// </summary>
    /// <param name="block">
    /// A constant, as the next: its place among eight; <paramref name="w"/> and <paramref name="x"/> point to the first, or from the fifth
    /// on to that.
    /// </param>
    /// <param name="isFirst">True where the sums start: a product needs no zero to be added to.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        int block, bool isFirst, sbyte* w, sbyte* x, int** steps, ref TokenSums lowDots0, ref TokenSums lowDots3,
        ref TokenSums highDots0, ref TokenSums highDots3,
        ref TokenSums low0, ref TokenSums low3, ref TokenSums high0, ref TokenSums high3)
    {
        Vector128<int> a0 = lowDots0.T0, a1 = lowDots0.T1, a2 = lowDots0.T2, a3 = lowDots3.T0, a4 = lowDots3.T1, a5 = lowDots3.T2;
        Vector128<int> b0 = highDots0.T0, b1 = highDots0.T1, b2 = highDots0.T2, b3 = highDots3.T0, b4 = highDots3.T1, b5 = highDots3.T2;
        int* f0 = steps[block * PackedPanel.TileTokens], f1 = steps[block * PackedPanel.TileTokens + 1],
            f2 = steps[block * PackedPanel.TileTokens + 2], f3 = steps[block * PackedPanel.TileTokens + 3],
            f4 = steps[block * PackedPanel.TileTokens + 4], f5 = steps[block * PackedPanel.TileTokens + 5];
        Vector128<sbyte> p, q, c0 = AdvSimd.LoadVector128(x + block % 4 * PackedPanel.StepBytes),
            c1 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 16)),
            c2 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 32)),
            c3 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 48)),
            c4 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 64)),
            c5 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 80));
        p = AdvSimd.LoadVector128(w + block % 4 * BlockBytes);
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 16));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 0);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 0);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 0);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 0);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 0);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 0);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 0);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 0);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 0);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 32));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 48));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 1);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 1);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 1);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 1);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 1);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 1);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 1);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 1);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 1);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 64));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 80));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 2);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 2);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 2);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 2);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 2);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 2);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 2);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 2);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 2);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 96));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 112));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 3);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 3);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 3);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 3);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 3);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 3);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 3);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 3);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 3);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 3);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 3);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 3);
        if (TDots.HasScalePer16)
        {
            AddScaled(a0, b0, f0, isFirst, ref low0.T0, ref high0.T0);
            AddScaled(a1, b1, f1, isFirst, ref low0.T1, ref high0.T1);
            AddScaled(a2, b2, f2, isFirst, ref low0.T2, ref high0.T2);
            AddScaled(a3, b3, f3, isFirst, ref low3.T0, ref high3.T0);
            AddScaled(a4, b4, f4, isFirst, ref low3.T1, ref high3.T1);
            AddScaled(a5, b5, f5, isFirst, ref low3.T2, ref high3.T2);
            isFirst = false;
        }
        c0 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 96));
        c1 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 112));
        c2 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 128));
        c3 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 144));
        c4 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 160));
        c5 = AdvSimd.LoadVector128(x + (block % 4 * PackedPanel.StepBytes + 176));
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 128));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 144));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 0);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 0);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 0);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 0);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 0);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 0);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 0);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 0);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 0);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 160));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 176));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 1);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 1);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 1);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 1);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 1);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 1);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 1);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 1);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 1);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 192));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 208));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 2);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 2);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 2);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 2);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 2);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 2);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 2);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 2);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 2);
        p = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 224));
        q = AdvSimd.LoadVector128(w + (block % 4 * BlockBytes + 240));
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, c0, 3);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, c1, 3);
        a2 = Dp.DotProductBySelectedQuadruplet(a2, p, c2, 3);
        a3 = Dp.DotProductBySelectedQuadruplet(a3, p, c3, 3);
        a4 = Dp.DotProductBySelectedQuadruplet(a4, p, c4, 3);
        a5 = Dp.DotProductBySelectedQuadruplet(a5, p, c5, 3);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, c0, 3);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, c1, 3);
        b2 = Dp.DotProductBySelectedQuadruplet(b2, q, c2, 3);
        b3 = Dp.DotProductBySelectedQuadruplet(b3, q, c3, 3);
        b4 = Dp.DotProductBySelectedQuadruplet(b4, q, c4, 3);
        b5 = Dp.DotProductBySelectedQuadruplet(b5, q, c5, 3);
        AddScaled(a0, b0, f0 + SecondFactors, isFirst, ref low0.T0, ref high0.T0);
        AddScaled(a1, b1, f1 + SecondFactors, isFirst, ref low0.T1, ref high0.T1);
        AddScaled(a2, b2, f2 + SecondFactors, isFirst, ref low0.T2, ref high0.T2);
        AddScaled(a3, b3, f3 + SecondFactors, isFirst, ref low3.T0, ref high3.T0);
        AddScaled(a4, b4, f4 + SecondFactors, isFirst, ref low3.T1, ref high3.T1);
        AddScaled(a5, b5, f5 + SecondFactors, isFirst, ref low3.T2, ref high3.T2);
        lowDots0.T0 = a0;
        highDots0.T0 = b0;
        lowDots0.T1 = a1;
        highDots0.T1 = b1;
        lowDots0.T2 = a2;
        highDots0.T2 = b2;
        lowDots3.T0 = a3;
        highDots3.T0 = b3;
        lowDots3.T1 = a4;
        highDots3.T1 = b4;
        lowDots3.T2 = a5;
        highDots3.T2 = b5;
    }

    /// <summary>From a token's factors of the first 16 columns to those of the second.</summary>
    private static int SecondFactors
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TDots.HasScalePer16 ? 8 : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled(Vector128<int> lowDots, Vector128<int> highDots, int* factors, bool isFirst,
        ref Vector128<int> low, ref Vector128<int> high)
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
