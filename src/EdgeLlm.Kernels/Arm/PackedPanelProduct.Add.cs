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
    /// <param name="block">A constant, as the next: how many blocks to step from <paramref name="at"/>, up to 3.</param>
    /// <param name="isFirst">True where the sums start: a product needs no zero to be added to.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(int block, bool isFirst, in Place at, ref PanelSums t0, ref PanelSums t1, ref PanelSums t2, ref PanelSums t3,
        ref PanelSums t4, ref PanelSums t5)
    {
        sbyte* w = at.Values, x = at.Activations;
        int** steps = at.Steps;
        Vector128<int> a0 = t0.LowDots, a1 = t1.LowDots, a2 = t2.LowDots, a3 = t3.LowDots, a4 = t4.LowDots, a5 = t5.LowDots;
        Vector128<int> b0 = t0.HighDots, b1 = t1.HighDots, b2 = t2.HighDots, b3 = t3.HighDots, b4 = t4.HighDots, b5 = t5.HighDots;
        int* f0 = steps[block * PackedPanel.TileTokens], f1 = steps[block * PackedPanel.TileTokens + 1],
            f2 = steps[block * PackedPanel.TileTokens + 2], f3 = steps[block * PackedPanel.TileTokens + 3],
            f4 = steps[block * PackedPanel.TileTokens + 4], f5 = steps[block * PackedPanel.TileTokens + 5];
        Vector128<sbyte> p, q, c0 = AdvSimd.LoadVector128(x + block * PackedPanel.StepBytes),
            c1 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 16)),
            c2 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 32)),
            c3 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 48)),
            c4 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 64)),
            c5 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 80));
        p = AdvSimd.LoadVector128(w + block * BlockBytes);
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 16));
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
        p = AdvSimd.LoadVector128(w + (block * BlockBytes + 32));
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 48));
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
        p = AdvSimd.LoadVector128(w + (block * BlockBytes + 64));
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 80));
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
        p = AdvSimd.LoadVector128(w + (block * BlockBytes + 96));
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 112));
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
            AddScaled(a0, b0, f0, isFirst, ref t0);
            AddScaled(a1, b1, f1, isFirst, ref t1);
            AddScaled(a2, b2, f2, isFirst, ref t2);
            AddScaled(a3, b3, f3, isFirst, ref t3);
            AddScaled(a4, b4, f4, isFirst, ref t4);
            AddScaled(a5, b5, f5, isFirst, ref t5);
            isFirst = false;
        }
        c0 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 96));
        c1 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 112));
        c2 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 128));
        c3 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 144));
        c4 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 160));
        c5 = AdvSimd.LoadVector128(x + (block * PackedPanel.StepBytes + 176));
        p = AdvSimd.LoadVector128(w + (block * BlockBytes + 128));
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 144));
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
        p = AdvSimd.LoadVector128(w + (block * BlockBytes + 160));
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 176));
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
        p = AdvSimd.LoadVector128(w + (block * BlockBytes + 192));
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 208));
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
        p = AdvSimd.LoadVector128(w + (block * BlockBytes + 224));
        q = AdvSimd.LoadVector128(w + (block * BlockBytes + 240));
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
        AddScaled(a0, b0, f0 + SecondFactors, isFirst, ref t0);
        AddScaled(a1, b1, f1 + SecondFactors, isFirst, ref t1);
        AddScaled(a2, b2, f2 + SecondFactors, isFirst, ref t2);
        AddScaled(a3, b3, f3 + SecondFactors, isFirst, ref t3);
        AddScaled(a4, b4, f4 + SecondFactors, isFirst, ref t4);
        AddScaled(a5, b5, f5 + SecondFactors, isFirst, ref t5);
        t0.LowDots = a0;
        t0.HighDots = b0;
        t1.LowDots = a1;
        t1.HighDots = b1;
        t2.LowDots = a2;
        t2.HighDots = b2;
        t3.LowDots = a3;
        t3.HighDots = b3;
        t4.LowDots = a4;
        t4.HighDots = b4;
        t5.LowDots = a5;
        t5.HighDots = b5;
    }

    /// <summary>From a token's factors of the first 16 columns to those of the second.</summary>
    private static int SecondFactors
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TDots.HasScalePer16 ? 8 : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled(Vector128<int> lowDots, Vector128<int> highDots, int* factors, bool isFirst, ref PanelSums sums)
    {
        Vector128<int> lowFactors = AdvSimd.LoadVector128(factors), highFactors = AdvSimd.LoadVector128(factors + 4);
        if (isFirst)
        {
            sums.Low = AdvSimd.Multiply(lowDots, lowFactors);
            sums.High = AdvSimd.Multiply(highDots, highFactors);
        }
        else
        {
            sums.Low = AdvSimd.MultiplyAdd(sums.Low, lowDots, lowFactors);
            sums.High = AdvSimd.MultiplyAdd(sums.High, highDots, highFactors);
        }
    }
}
