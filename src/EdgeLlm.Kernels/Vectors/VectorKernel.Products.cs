using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
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
            SixteenLanes c = default, d = default, e = default, f = default;
            if (!anew)
            {
                c = SixteenLanes.Load(y.First + strip);
                d = SixteenLanes.Load(y.Second + strip);
                e = SixteenLanes.Load(y.Third + strip);
                f = SixteenLanes.Load(y.Fourth + strip);
            }
            float* b = matrix + strip;
            int left = count;
            for (; left >= 4; left -= 4)
            {
                Vector128<float> p = Vector128.Load(a0), q = Vector128.Load(a1), r = Vector128.Load(a2), s = Vector128.Load(a3);
                a0 += 4;
                a1 += 4;
                a2 += 4;
                a3 += 4;
                var line = SixteenLanes.Load(b);
                b += stride;
                c.Add(line, p, 0);
                d.Add(line, q, 0);
                e.Add(line, r, 0);
                f.Add(line, s, 0);
                line = SixteenLanes.Load(b);
                b += stride;
                c.Add(line, p, 1);
                d.Add(line, q, 1);
                e.Add(line, r, 1);
                f.Add(line, s, 1);
                line = SixteenLanes.Load(b);
                b += stride;
                c.Add(line, p, 2);
                d.Add(line, q, 2);
                e.Add(line, r, 2);
                f.Add(line, s, 2);
                line = SixteenLanes.Load(b);
                b += stride;
                c.Add(line, p, 3);
                d.Add(line, q, 3);
                e.Add(line, r, 3);
                f.Add(line, s, 3);
            }
            for (; left > 0; left--, b += stride)
            {
                var line = SixteenLanes.Load(b);
                c.Add(line, *a0++);
                d.Add(line, *a1++);
                e.Add(line, *a2++);
                f.Add(line, *a3++);
            }
            c.Store(y.First + strip);
            d.Store(y.Second + strip);
            e.Store(y.Third + strip);
            f.Store(y.Fourth + strip);
        }
    }

    /// <summary>A row's sums of a strip of 16 columns.</summary>
    private struct SixteenLanes
    {
        private Vector128<float> _v0, _v1, _v2, _v3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static SixteenLanes Load(float* source)
        {
            SixteenLanes lanes;
            lanes._v0 = Vector128.Load(source);
            lanes._v1 = Vector128.Load(source + 4);
            lanes._v2 = Vector128.Load(source + 8);
            lanes._v3 = Vector128.Load(source + 12);
            return lanes;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(float* target)
        {
            _v0.Store(target);
            _v1.Store(target + 4);
            _v2.Store(target + 8);
            _v3.Store(target + 12);
        }

        /// <summary>Adds a line of the matrix times an element of the factors.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(in SixteenLanes line, Vector128<float> factors, [ConstantExpected(Max = (byte)3)] byte element)
        {
            _v0 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(_v0, line._v0, factors, element);
            _v1 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(_v1, line._v1, factors, element);
            _v2 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(_v2, line._v2, factors, element);
            _v3 = AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(_v3, line._v3, factors, element);
        }

        /// <summary>Adds a line of the matrix times a factor.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(in SixteenLanes line, float factor)
        {
            Vector128<float> all = Vector128.Create(factor);
            _v0 = AdvSimd.FusedMultiplyAdd(_v0, line._v0, all);
            _v1 = AdvSimd.FusedMultiplyAdd(_v1, line._v1, all);
            _v2 = AdvSimd.FusedMultiplyAdd(_v2, line._v2, all);
            _v3 = AdvSimd.FusedMultiplyAdd(_v3, line._v3, all);
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

/// <summary>Where four rows of floats begin; where there are fewer, the last one again.</summary>
internal readonly unsafe struct FourRows(float* first, float* second, float* third, float* fourth)
{
    public float* First { get; } = first;

    public float* Second { get; } = second;

    public float* Third { get; } = third;

    public float* Fourth { get; } = fourth;

    public static FourRows Of(float* rows, nint stride, int row, int endRow) => new(
        rows + row * stride, rows + Math.Min(row + 1, endRow - 1) * stride, rows + Math.Min(row + 2, endRow - 1) * stride,
        rows + Math.Min(row + 3, endRow - 1) * stride);

    public FourRows At(nint offset) => new(First + offset, Second + offset, Third + offset, Fourth + offset);
}
