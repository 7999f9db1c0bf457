using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>
/// The small product of scores (queries times transposed keys) and outputs (weights times values): rows [count] times a matrix
/// [count][columns]. Each result is one lane's own chain of fused multiply-adds, in order of the count.
/// </summary>
internal abstract unsafe partial class VectorKernel
{
    /// <summary>Columns at a time; a product may write up to the next multiple of it.</summary>
    private const int Strip = 16;

    /// <param name="stride">From one row of the matrix to the next.</param>
    /// <param name="anew">Sums start at zero, not at what is in <paramref name="y"/>.</param>
    private static void MultiplyFour(in FourRows a, float* matrix, nint stride, int count, in FourRows y, int columns, bool anew)
    {
        if (AdvSimd.Arm64.IsSupported)
        {
            MultiplyFourByElement(a, matrix, stride, count, y, columns, anew);
            return;
        }
        float* a0 = a.First, a1 = a.Second, a2 = a.Third, a3 = a.Fourth;
        for (nint strip = 0; strip < columns; strip += Strip)
        {
            Vector256<float> c0 = Vector256<float>.Zero, c1 = c0, d0 = c0, d1 = c0, e0 = c0, e1 = c0, f0 = c0, f1 = c0;
            if (!anew)
            {
                c0 = Vector256.Load(y.First + strip);
                c1 = Vector256.Load(y.First + strip + 8);
                d0 = Vector256.Load(y.Second + strip);
                d1 = Vector256.Load(y.Second + strip + 8);
                e0 = Vector256.Load(y.Third + strip);
                e1 = Vector256.Load(y.Third + strip + 8);
                f0 = Vector256.Load(y.Fourth + strip);
                f1 = Vector256.Load(y.Fourth + strip + 8);
            }
            float* b = matrix + strip;
            for (nint j = 0; j < count; j++, b += stride)
            {
                Vector256<float> m0 = Vector256.Load(b), m1 = Vector256.Load(b + 8), factor = Vector256.Create(a0[j]);
                c0 = Vector256.FusedMultiplyAdd(factor, m0, c0);
                c1 = Vector256.FusedMultiplyAdd(factor, m1, c1);
                factor = Vector256.Create(a1[j]);
                d0 = Vector256.FusedMultiplyAdd(factor, m0, d0);
                d1 = Vector256.FusedMultiplyAdd(factor, m1, d1);
                factor = Vector256.Create(a2[j]);
                e0 = Vector256.FusedMultiplyAdd(factor, m0, e0);
                e1 = Vector256.FusedMultiplyAdd(factor, m1, e1);
                factor = Vector256.Create(a3[j]);
                f0 = Vector256.FusedMultiplyAdd(factor, m0, f0);
                f1 = Vector256.FusedMultiplyAdd(factor, m1, f1);
            }
            c0.Store(y.First + strip);
            c1.Store(y.First + strip + 8);
            d0.Store(y.Second + strip);
            d1.Store(y.Second + strip + 8);
            e0.Store(y.Third + strip);
            e1.Store(y.Third + strip + 8);
            f0.Store(y.Fourth + strip);
            f1.Store(y.Fourth + strip + 8);
        }
    }

    /// <summary>Arm multiplies by an element of a vector: no copies of a factor in all lanes.</summary>
    private static void MultiplyFourByElement(in FourRows a, float* matrix, nint stride, int count, in FourRows y, int columns, bool anew)
    {
        for (nint strip = 0; strip < columns; strip += Strip)
        {
            float* a0 = a.First, a1 = a.Second, a2 = a.Third, a3 = a.Fourth;
            Vector128<float> c0 = Vector128<float>.Zero, c1 = c0, c2 = c0, c3 = c0, d0 = c0, d1 = c0, d2 = c0, d3 = c0, e0 = c0, e1 = c0,
                e2 = c0, e3 = c0, f0 = c0, f1 = c0, f2 = c0, f3 = c0;
            if (!anew)
            {
                c0 = Vector128.Load(y.First + strip);
                c1 = Vector128.Load(y.First + strip + 4);
                c2 = Vector128.Load(y.First + strip + 8);
                c3 = Vector128.Load(y.First + strip + 12);
                d0 = Vector128.Load(y.Second + strip);
                d1 = Vector128.Load(y.Second + strip + 4);
                d2 = Vector128.Load(y.Second + strip + 8);
                d3 = Vector128.Load(y.Second + strip + 12);
                e0 = Vector128.Load(y.Third + strip);
                e1 = Vector128.Load(y.Third + strip + 4);
                e2 = Vector128.Load(y.Third + strip + 8);
                e3 = Vector128.Load(y.Third + strip + 12);
                f0 = Vector128.Load(y.Fourth + strip);
                f1 = Vector128.Load(y.Fourth + strip + 4);
                f2 = Vector128.Load(y.Fourth + strip + 8);
                f3 = Vector128.Load(y.Fourth + strip + 12);
            }
            float* b = matrix + strip;
            int left = count;
            for (; left >= 4; left -= 4)
            {
                Vector128<float> p = Vector128.Load(a0), q = Vector128.Load(a1), r = Vector128.Load(a2),
                    s = Vector128.Load(a3), m0, m1, m2, m3;
                a0 += 4;
                a1 += 4;
                a2 += 4;
                a3 += 4;
                m0 = Vector128.Load(b);
                m1 = Vector128.Load(b + 4);
                m2 = Vector128.Load(b + 8);
                m3 = Vector128.Load(b + 12);
                b += stride;
                c0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c0, m0, p, 0);
                c1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c1, m1, p, 0);
                c2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c2, m2, p, 0);
                c3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c3, m3, p, 0);
                d0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d0, m0, q, 0);
                d1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d1, m1, q, 0);
                d2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d2, m2, q, 0);
                d3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d3, m3, q, 0);
                e0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e0, m0, r, 0);
                e1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e1, m1, r, 0);
                e2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e2, m2, r, 0);
                e3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e3, m3, r, 0);
                f0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f0, m0, s, 0);
                f1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f1, m1, s, 0);
                f2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f2, m2, s, 0);
                f3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f3, m3, s, 0);
                m0 = Vector128.Load(b);
                m1 = Vector128.Load(b + 4);
                m2 = Vector128.Load(b + 8);
                m3 = Vector128.Load(b + 12);
                b += stride;
                c0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c0, m0, p, 1);
                c1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c1, m1, p, 1);
                c2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c2, m2, p, 1);
                c3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c3, m3, p, 1);
                d0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d0, m0, q, 1);
                d1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d1, m1, q, 1);
                d2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d2, m2, q, 1);
                d3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d3, m3, q, 1);
                e0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e0, m0, r, 1);
                e1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e1, m1, r, 1);
                e2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e2, m2, r, 1);
                e3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e3, m3, r, 1);
                f0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f0, m0, s, 1);
                f1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f1, m1, s, 1);
                f2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f2, m2, s, 1);
                f3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f3, m3, s, 1);
                m0 = Vector128.Load(b);
                m1 = Vector128.Load(b + 4);
                m2 = Vector128.Load(b + 8);
                m3 = Vector128.Load(b + 12);
                b += stride;
                c0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c0, m0, p, 2);
                c1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c1, m1, p, 2);
                c2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c2, m2, p, 2);
                c3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c3, m3, p, 2);
                d0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d0, m0, q, 2);
                d1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d1, m1, q, 2);
                d2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d2, m2, q, 2);
                d3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d3, m3, q, 2);
                e0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e0, m0, r, 2);
                e1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e1, m1, r, 2);
                e2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e2, m2, r, 2);
                e3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e3, m3, r, 2);
                f0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f0, m0, s, 2);
                f1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f1, m1, s, 2);
                f2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f2, m2, s, 2);
                f3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f3, m3, s, 2);
                m0 = Vector128.Load(b);
                m1 = Vector128.Load(b + 4);
                m2 = Vector128.Load(b + 8);
                m3 = Vector128.Load(b + 12);
                b += stride;
                c0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c0, m0, p, 3);
                c1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c1, m1, p, 3);
                c2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c2, m2, p, 3);
                c3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(c3, m3, p, 3);
                d0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d0, m0, q, 3);
                d1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d1, m1, q, 3);
                d2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d2, m2, q, 3);
                d3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(d3, m3, q, 3);
                e0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e0, m0, r, 3);
                e1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e1, m1, r, 3);
                e2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e2, m2, r, 3);
                e3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(e3, m3, r, 3);
                f0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f0, m0, s, 3);
                f1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f1, m1, s, 3);
                f2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f2, m2, s, 3);
                f3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(f3, m3, s, 3);
            }
            for (; left > 0; left--, b += stride)
            {
                Vector128<float> m0 = Vector128.Load(b), m1 = Vector128.Load(b + 4), m2 = Vector128.Load(b + 8),
                    m3 = Vector128.Load(b + 12), factor;
                factor = Vector128.Create(*a0++);
                c0 = AdvSimd.FusedMultiplyAdd(c0, m0, factor);
                c1 = AdvSimd.FusedMultiplyAdd(c1, m1, factor);
                c2 = AdvSimd.FusedMultiplyAdd(c2, m2, factor);
                c3 = AdvSimd.FusedMultiplyAdd(c3, m3, factor);
                factor = Vector128.Create(*a1++);
                d0 = AdvSimd.FusedMultiplyAdd(d0, m0, factor);
                d1 = AdvSimd.FusedMultiplyAdd(d1, m1, factor);
                d2 = AdvSimd.FusedMultiplyAdd(d2, m2, factor);
                d3 = AdvSimd.FusedMultiplyAdd(d3, m3, factor);
                factor = Vector128.Create(*a2++);
                e0 = AdvSimd.FusedMultiplyAdd(e0, m0, factor);
                e1 = AdvSimd.FusedMultiplyAdd(e1, m1, factor);
                e2 = AdvSimd.FusedMultiplyAdd(e2, m2, factor);
                e3 = AdvSimd.FusedMultiplyAdd(e3, m3, factor);
                factor = Vector128.Create(*a3++);
                f0 = AdvSimd.FusedMultiplyAdd(f0, m0, factor);
                f1 = AdvSimd.FusedMultiplyAdd(f1, m1, factor);
                f2 = AdvSimd.FusedMultiplyAdd(f2, m2, factor);
                f3 = AdvSimd.FusedMultiplyAdd(f3, m3, factor);
            }
            c0.Store(y.First + strip);
            c1.Store(y.First + strip + 4);
            c2.Store(y.First + strip + 8);
            c3.Store(y.First + strip + 12);
            d0.Store(y.Second + strip);
            d1.Store(y.Second + strip + 4);
            d2.Store(y.Second + strip + 8);
            d3.Store(y.Second + strip + 12);
            e0.Store(y.Third + strip);
            e1.Store(y.Third + strip + 4);
            e2.Store(y.Third + strip + 8);
            e3.Store(y.Third + strip + 12);
            f0.Store(y.Fourth + strip);
            f1.Store(y.Fourth + strip + 4);
            f2.Store(y.Fourth + strip + 8);
            f3.Store(y.Fourth + strip + 12);
        }
    }

    /// <summary>
    /// Two rows, four vectors of columns at a time as long as there are four: heads that share keys in pairs, when one token is decoded.
    /// </summary>
    private static void MultiplyTwo(float* first, float* second, float* matrix, nint stride, int count, float* y,
        float* z, int columns, bool anew)
    {
        int width = Vector<float>.Count;
        nint strip = 0;
        for (; strip < columns - 2 * width; strip += 4 * width)
        {
            float* o = y + strip, p = z + strip, b = matrix + strip;
            Vector<float> c0 = Vector<float>.Zero, c1 = c0, c2 = c0, c3 = c0, d0 = c0, d1 = c0, d2 = c0, d3 = c0;
            if (!anew)
            {
                (c0, c1, c2, c3) = (Vector.Load(o), Vector.Load(o + width), Vector.Load(o + 2 * width), Vector.Load(o + 3 * width));
                (d0, d1, d2, d3) = (Vector.Load(p), Vector.Load(p + width), Vector.Load(p + 2 * width), Vector.Load(p + 3 * width));
            }
            for (nint j = 0; j < count; j++, b += stride)
            {
                Vector<float> m0 = Vector.Load(b), m1 = Vector.Load(b + width), m2 = Vector.Load(b + 2 * width),
                    m3 = Vector.Load(b + 3 * width), factor = new(first[j]);
                c0 = Vector.FusedMultiplyAdd(factor, m0, c0);
                c1 = Vector.FusedMultiplyAdd(factor, m1, c1);
                c2 = Vector.FusedMultiplyAdd(factor, m2, c2);
                c3 = Vector.FusedMultiplyAdd(factor, m3, c3);
                factor = new(second[j]);
                d0 = Vector.FusedMultiplyAdd(factor, m0, d0);
                d1 = Vector.FusedMultiplyAdd(factor, m1, d1);
                d2 = Vector.FusedMultiplyAdd(factor, m2, d2);
                d3 = Vector.FusedMultiplyAdd(factor, m3, d3);
            }
            c0.Store(o);
            c1.Store(o + width);
            c2.Store(o + 2 * width);
            c3.Store(o + 3 * width);
            d0.Store(p);
            d1.Store(p + width);
            d2.Store(p + 2 * width);
            d3.Store(p + 3 * width);
        }
        for (; strip < columns; strip += 2 * width)
        {
            float* o = y + strip, p = z + strip, b = matrix + strip;
            Vector<float> c0 = Vector<float>.Zero, c1 = c0, d0 = c0, d1 = c0;
            if (!anew) (c0, c1, d0, d1) = (Vector.Load(o), Vector.Load(o + width), Vector.Load(p), Vector.Load(p + width));
            for (nint j = 0; j < count; j++, b += stride)
            {
                Vector<float> m0 = Vector.Load(b), m1 = Vector.Load(b + width), factor = new(first[j]);
                c0 = Vector.FusedMultiplyAdd(factor, m0, c0);
                c1 = Vector.FusedMultiplyAdd(factor, m1, c1);
                factor = new(second[j]);
                d0 = Vector.FusedMultiplyAdd(factor, m0, d0);
                d1 = Vector.FusedMultiplyAdd(factor, m1, d1);
            }
            c0.Store(o);
            c1.Store(o + width);
            d0.Store(p);
            d1.Store(p + width);
        }
    }

    /// <summary>One row, four vectors of columns at a time as long as there are four.</summary>
    private static void MultiplyRow(float* a, float* matrix, nint stride, int count, float* y, int columns, bool anew)
    {
        int width = Vector<float>.Count;
        nint strip = 0;
        for (; strip < columns - 2 * width; strip += 4 * width)
        {
            float* o = y + strip, b = matrix + strip;
            Vector<float> c0 = Vector<float>.Zero, c1 = c0, c2 = c0, c3 = c0;
            if (!anew) (c0, c1, c2, c3) = (Vector.Load(o), Vector.Load(o + width), Vector.Load(o + 2 * width), Vector.Load(o + 3 * width));
            for (nint j = 0; j < count; j++, b += stride)
            {
                var factor = new Vector<float>(a[j]);
                c0 = Vector.FusedMultiplyAdd(factor, Vector.Load(b), c0);
                c1 = Vector.FusedMultiplyAdd(factor, Vector.Load(b + width), c1);
                c2 = Vector.FusedMultiplyAdd(factor, Vector.Load(b + 2 * width), c2);
                c3 = Vector.FusedMultiplyAdd(factor, Vector.Load(b + 3 * width), c3);
            }
            c0.Store(o);
            c1.Store(o + width);
            c2.Store(o + 2 * width);
            c3.Store(o + 3 * width);
        }
        for (; strip < columns; strip += 2 * width)
        {
            float* o = y + strip, b = matrix + strip;
            Vector<float> c0 = Vector<float>.Zero, c1 = c0;
            if (!anew) (c0, c1) = (Vector.Load(o), Vector.Load(o + width));
            for (nint j = 0; j < count; j++, b += stride)
            {
                var factor = new Vector<float>(a[j]);
                c0 = Vector.FusedMultiplyAdd(factor, Vector.Load(b), c0);
                c1 = Vector.FusedMultiplyAdd(factor, Vector.Load(b + width), c1);
            }
            c0.Store(o);
            c1.Store(o + width);
        }
    }
}
