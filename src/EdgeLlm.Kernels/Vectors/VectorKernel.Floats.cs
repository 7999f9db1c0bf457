using System.Numerics;
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

    private static void DotFour(float* row, float* x, nint xStride, int count, float* y, nint yStride)
    {
        Vector<float> a0 = Vector<float>.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        Vector<float> c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        int whole = count & ~(Lanes - 1), width = Vector<float>.Count;
        for (nint j = 0; j < whole; j += Lanes)
        {
            Vector<float> w = Vector.Load(row + j);
            a0 = Vector.FusedMultiplyAdd(w, Vector.Load(x + j), a0);
            a1 = Vector.FusedMultiplyAdd(w, Vector.Load(x1 + j), a1);
            a2 = Vector.FusedMultiplyAdd(w, Vector.Load(x2 + j), a2);
            a3 = Vector.FusedMultiplyAdd(w, Vector.Load(x3 + j), a3);
            w = Vector.Load(row + j + width);
            b0 = Vector.FusedMultiplyAdd(w, Vector.Load(x + j + width), b0);
            b1 = Vector.FusedMultiplyAdd(w, Vector.Load(x1 + j + width), b1);
            b2 = Vector.FusedMultiplyAdd(w, Vector.Load(x2 + j + width), b2);
            b3 = Vector.FusedMultiplyAdd(w, Vector.Load(x3 + j + width), b3);
            if (width == 8) continue;
            w = Vector.Load(row + j + 2 * width);
            c0 = Vector.FusedMultiplyAdd(w, Vector.Load(x + j + 2 * width), c0);
            c1 = Vector.FusedMultiplyAdd(w, Vector.Load(x1 + j + 2 * width), c1);
            c2 = Vector.FusedMultiplyAdd(w, Vector.Load(x2 + j + 2 * width), c2);
            c3 = Vector.FusedMultiplyAdd(w, Vector.Load(x3 + j + 2 * width), c3);
            w = Vector.Load(row + j + 3 * width);
            d0 = Vector.FusedMultiplyAdd(w, Vector.Load(x + j + 3 * width), d0);
            d1 = Vector.FusedMultiplyAdd(w, Vector.Load(x1 + j + 3 * width), d1);
            d2 = Vector.FusedMultiplyAdd(w, Vector.Load(x2 + j + 3 * width), d2);
            d3 = Vector.FusedMultiplyAdd(w, Vector.Load(x3 + j + 3 * width), d3);
        }
        int rest = count - whole;
        y[0] = Finish(a0, b0, c0, d0, row + whole, x + whole, rest);
        y[yStride] = Finish(a1, b1, c1, d1, row + whole, x1 + whole, rest);
        y[2 * yStride] = Finish(a2, b2, c2, d2, row + whole, x2 + whole, rest);
        y[3 * yStride] = Finish(a3, b3, c3, d3, row + whole, x3 + whole, rest);
    }

    /// <summary>The columns after the last whole 16 to their lanes, then the tree.</summary>
    private static float Finish(Vector<float> a, Vector<float> b, Vector<float> c, Vector<float> d, float* x, float* y, int rest)
    {
        if (rest == 0) return SumLanes(a, b, c, d);
        float* lanes = stackalloc float[Lanes];
        int width = Vector<float>.Count;
        a.Store(lanes);
        b.Store(lanes + width);
        if (width == 4)
        {
            c.Store(lanes + 2 * width);
            d.Store(lanes + 3 * width);
        }
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
