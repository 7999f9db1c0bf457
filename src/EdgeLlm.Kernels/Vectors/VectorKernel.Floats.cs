using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>Float weights: a row as floats (in place for F32), then one row with up to four tokens at a time, 16 lanes each.</summary>
internal abstract unsafe partial class VectorKernel
{
    public override void Multiply(in WeightMatrix weights, float* x, nint xStride, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        int columns = weights.Columns;
        for (int r = firstRow; r < endRow; r++)
        {
            float* row = (float*)scratch;
            if (weights.Type == ElementType.F32) row = (float*)weights.Row(r);
            else weights.RowToFloat(r, row);
            int t = 0;
            for (; t <= tokens - 4; t += 4) DotFour(row, x + t * xStride, xStride, columns, y + t * yStride + r, yStride);
            for (; t < tokens; t++) y[t * yStride + r] = DotVectors(row, x + t * xStride, columns);
        }
    }

    /// <summary><see cref="Scalar.ScalarKernel.Dot"/> in vectors.</summary>
    private static float DotVectors(float* x, float* y, int count)
    {
        Vector<float> a = Vector<float>.Zero, b = a, c = a, d = a;
        int whole = count & ~(Lanes - 1), width = Vector<float>.Count;
        for (int j = 0; j < whole; j += Lanes)
        {
            a = Vector.FusedMultiplyAdd(Vector.Load(x + j), Vector.Load(y + j), a);
            b = Vector.FusedMultiplyAdd(Vector.Load(x + j + width), Vector.Load(y + j + width), b);
            if (width == 8) continue;
            c = Vector.FusedMultiplyAdd(Vector.Load(x + j + 2 * width), Vector.Load(y + j + 2 * width), c);
            d = Vector.FusedMultiplyAdd(Vector.Load(x + j + 3 * width), Vector.Load(y + j + 3 * width), d);
        }
        return Finish(a, b, c, d, x + whole, y + whole, count - whole);
    }

    [SkipLocalsInit]
    private static void DotFour(float* row, float* x, nint xStride, int count, float* y, nint yStride)
    {
        float* lanes = stackalloc float[4 * Lanes];
        int whole = count & ~(Lanes - 1), width = Vector<float>.Count;
        AddFour(row, x, xStride, whole, lanes);
        for (int t = 0; t < 4; t++, lanes += Lanes, x += xStride, y += yStride)
        {
            Vector<float> a = Vector.Load(lanes), b = Vector.Load(lanes + width), c = a, d = a;
            if (width == 4) (c, d) = (Vector.Load(lanes + 2 * width), Vector.Load(lanes + 3 * width));
            *y = Finish(a, b, c, d, row + whole, x + whole, count - whole);
        }
    }

    /// <summary>The lanes [4 tokens][16] of whole 16 columns; without a call beside it all sums stay in registers.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddFour(float* row, float* x, nint xStride, int columns, float* lanes)
    {
        Vector<float> a0 = Vector<float>.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        Vector<float> c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        int width = Vector<float>.Count;
        for (; columns > 0; columns -= Lanes, row += Lanes, x += Lanes, x1 += Lanes, x2 += Lanes, x3 += Lanes)
        {
            Vector<float> w = Vector.Load(row), v = Vector.Load(row + width);
            a0 = Vector.FusedMultiplyAdd(w, Vector.Load(x), a0);
            b0 = Vector.FusedMultiplyAdd(v, Vector.Load(x + width), b0);
            a1 = Vector.FusedMultiplyAdd(w, Vector.Load(x1), a1);
            b1 = Vector.FusedMultiplyAdd(v, Vector.Load(x1 + width), b1);
            a2 = Vector.FusedMultiplyAdd(w, Vector.Load(x2), a2);
            b2 = Vector.FusedMultiplyAdd(v, Vector.Load(x2 + width), b2);
            a3 = Vector.FusedMultiplyAdd(w, Vector.Load(x3), a3);
            b3 = Vector.FusedMultiplyAdd(v, Vector.Load(x3 + width), b3);
            if (width == 8) continue;
            w = Vector.Load(row + 2 * width);
            v = Vector.Load(row + 3 * width);
            c0 = Vector.FusedMultiplyAdd(w, Vector.Load(x + 2 * width), c0);
            d0 = Vector.FusedMultiplyAdd(v, Vector.Load(x + 3 * width), d0);
            c1 = Vector.FusedMultiplyAdd(w, Vector.Load(x1 + 2 * width), c1);
            d1 = Vector.FusedMultiplyAdd(v, Vector.Load(x1 + 3 * width), d1);
            c2 = Vector.FusedMultiplyAdd(w, Vector.Load(x2 + 2 * width), c2);
            d2 = Vector.FusedMultiplyAdd(v, Vector.Load(x2 + 3 * width), d2);
            c3 = Vector.FusedMultiplyAdd(w, Vector.Load(x3 + 2 * width), c3);
            d3 = Vector.FusedMultiplyAdd(v, Vector.Load(x3 + 3 * width), d3);
        }
        Store(a0, b0, c0, d0, lanes);
        Store(a1, b1, c1, d1, lanes + Lanes);
        Store(a2, b2, c2, d2, lanes + 2 * Lanes);
        Store(a3, b3, c3, d3, lanes + 3 * Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector<float> a, Vector<float> b, Vector<float> c, Vector<float> d, float* lanes)
    {
        int width = Vector<float>.Count;
        a.Store(lanes);
        b.Store(lanes + width);
        if (width == 8) return;
        c.Store(lanes + 2 * width);
        d.Store(lanes + 3 * width);
    }

    /// <summary>The columns after the last whole 16 to their lanes, then the tree.</summary>
    private static float Finish(Vector<float> a, Vector<float> b, Vector<float> c, Vector<float> d, float* x, float* y, int rest)
    {
        if (rest == 0) return SumLanes(a, b, c, d);
        float* lanes = stackalloc float[Lanes];
        Store(a, b, c, d, lanes);
        for (int j = 0; j < rest; j++) lanes[j] = MathF.FusedMultiplyAdd(x[j], y[j], lanes[j]);
        return SumLanes(lanes);
    }

    /// <summary><see cref="Scalar.ScalarKernel.SumLanes"/> of lanes in vectors: the same tree.</summary>
    private static float SumLanes(Vector<float> a, Vector<float> b, Vector<float> c, Vector<float> d)
    {
        Vector128<float> four;
        if (Vector<float>.Count == 8)
        {
            Vector256<float> eight = a.AsVector256() + b.AsVector256();
            four = eight.GetLower() + eight.GetUpper();
        }
        else
        {
            four = a.AsVector128() + c.AsVector128() + (b.AsVector128() + d.AsVector128());
        }
        four += Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return four.ToScalar() + four.GetElement(1);
    }
}
