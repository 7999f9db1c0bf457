using System.Numerics;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>
/// A tile of keys and values becomes floats once and serves every query of the call, two queries at a time: 4 vectors of scores or outputs each.
/// </summary>
internal abstract unsafe partial class VectorKernel
{
    public override void Attend(in KeyValueHead cache, in AttentionQuery query, byte* scratch)
    {
        int dimension = cache.Dimension, rows = query.Tokens * query.GroupSize;
        float* keys = (float*)scratch;
        float* values = keys + Tile * dimension;
        float* p = values + Tile * dimension;         // [rows][32]
        float* maxima = p + (nint)rows * Tile;        // [rows]
        float* sums = maxima + rows;                  // [rows]
        for (int r = 0; r < rows; r++)
        {
            maxima[r] = float.NegativeInfinity;
            sums[r] = 0;
            new Span<float>(Row(query.Output, query, dimension, r), dimension).Clear();
        }

        int last = query.FirstPosition + query.Tokens - 1;
        for (int tile = query.FirstKey(0) / Tile; tile <= last / Tile; tile++)
        {
            int start = tile * Tile;
            LoadKeys(cache, tile, keys);
            LoadValues(cache, tile, Math.Min(Tile, last - start + 1), values);
            int firstToken = Math.Max(0, start - query.FirstPosition), endToken = query.Tokens; // tokens that see a key of the tile
            if (query.Window != 0) endToken = Math.Min(endToken, start + Tile - 1 + query.Window - query.FirstPosition);
            int firstRow = firstToken * query.GroupSize, endRow = endToken * query.GroupSize;
            for (int r = firstRow; r < endRow; r += 2)
            {
                int other = Math.Min(r + 1, endRow - 1);
                Score(Row(query.Queries, query, dimension, r), Row(query.Queries, query, dimension, other), keys, dimension, p + (nint)r * Tile, p + (nint)other * Tile);
            }
            for (int r = firstRow; r < endRow; r++)
            {
                int token = r / query.GroupSize;
                int from = Math.Max(0, query.FirstKey(token) - start), to = Math.Min(Tile - 1, query.FirstPosition + token - start);
                SoftmaxTile(p + (nint)r * Tile, from, to, query.Scale, ref maxima[r], ref sums[r], Row(query.Output, query, dimension, r), dimension);
            }
            for (int r = firstRow; r < endRow; r += 2)
            {
                bool pair = r + 1 < endRow;
                int token = r / query.GroupSize, otherToken = (pair ? r + 1 : r) / query.GroupSize;
                int from = Math.Max(0, query.FirstKey(token) - start), to = Math.Min(Tile - 1, query.FirstPosition + otherToken - start);
                float* output = Row(query.Output, query, dimension, r), other = pair ? Row(query.Output, query, dimension, r + 1) : output;
                AccumulateTwo(p + (nint)r * Tile, p + (nint)(pair ? r + 1 : r) * Tile, values, from, to, output, other, dimension);
            }
        }

        for (int r = 0; r < rows; r++)
        {
            float* output = Row(query.Output, query, dimension, r);
            Scale(output, 1f / sums[r], dimension);
            for (int d = 0; d < dimension; d++) output[d] += 0f; // as in the scalar kernel: no -0
        }
    }

    private static float* Row(float* first, in AttentionQuery query, int dimension, int row) =>
        first + row / query.GroupSize * query.Stride + row % query.GroupSize * dimension;

    /// <summary>s[j] = chain over d of fma(q[d], keys[d][j]) for two queries (which may be one and the same).</summary>
    private static void Score(float* q0, float* q1, float* keys, int dimension, float* s0, float* s1)
    {
        int width = Vector<float>.Count;
        for (int strip = 0; strip < Tile; strip += 4 * width)
        {
            Vector<float> a0 = Vector<float>.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
            float* k = keys + strip;
            for (nint d = 0; d < dimension; d++, k += Tile)
            {
                Vector<float> k0 = Vector.Load(k), k1 = Vector.Load(k + width), k2 = Vector.Load(k + 2 * width), k3 = Vector.Load(k + 3 * width);
                var q = new Vector<float>(q0[d]);
                a0 = Vector.FusedMultiplyAdd(q, k0, a0);
                a1 = Vector.FusedMultiplyAdd(q, k1, a1);
                a2 = Vector.FusedMultiplyAdd(q, k2, a2);
                a3 = Vector.FusedMultiplyAdd(q, k3, a3);
                q = new Vector<float>(q1[d]);
                b0 = Vector.FusedMultiplyAdd(q, k0, b0);
                b1 = Vector.FusedMultiplyAdd(q, k1, b1);
                b2 = Vector.FusedMultiplyAdd(q, k2, b2);
                b3 = Vector.FusedMultiplyAdd(q, k3, b3);
            }
            a0.Store(s0 + strip);
            a1.Store(s0 + strip + width);
            a2.Store(s0 + strip + 2 * width);
            a3.Store(s0 + strip + 3 * width);
            b0.Store(s1 + strip);
            b1.Store(s1 + strip + width);
            b2.Store(s1 + strip + 2 * width);
            b3.Store(s1 + strip + 3 * width);
        }
    }

    private static void SoftmaxTile(float* p, int from, int to, float scale, ref float maximum, ref float sum, float* output, int dimension)
    {
        int width = Vector<float>.Count;
        var factor = new Vector<float>(scale);
        for (int j = 0; j < Tile; j += width) (Vector.Load(p + j) * factor).Store(p + j);
        for (int j = 0; j < from; j++) p[j] = float.NegativeInfinity; // keys that the query does not see
        for (int j = to + 1; j < Tile; j++) p[j] = float.NegativeInfinity;
        var largest = new Vector<float>(maximum);
        for (int j = 0; j < Tile; j += width)
        {
            Vector<float> score = Vector.Load(p + j);
            largest = Vector.ConditionalSelect(Vector.GreaterThan(score, largest), score, largest);
        }
        float larger = maximum;
        for (int lane = 0; lane < width; lane++)
        {
            if (largest[lane] > larger) larger = largest[lane];
        }
        if (larger > maximum && maximum != float.NegativeInfinity)
        {
            float shrink = Polynomials.Exp(maximum - larger);
            sum *= shrink;
            Scale(output, shrink, dimension);
        }
        maximum = larger;
        var offset = new Vector<float>(larger);
        for (int j = 0; j < Tile; j += width) Exp(Vector.Load(p + j) - offset).Store(p + j);
        for (int j = 0; j < from; j++) p[j] = 0;
        for (int j = to + 1; j < Tile; j++) p[j] = 0;
        sum += SumVectors(p);
    }

    /// <summary><see cref="ScalarKernel.SumTile"/> in vectors.</summary>
    private static float SumVectors(float* p)
    {
        Vector128<float> lower = Vector128.Load(p) + Vector128.Load(p + 8) + Vector128.Load(p + 16) + Vector128.Load(p + 24);
        Vector128<float> upper = Vector128.Load(p + 4) + Vector128.Load(p + 12) + Vector128.Load(p + 20) + Vector128.Load(p + 28);
        Vector128<float> four = lower + upper;
        Vector128<float> two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return two.GetElement(0) + two.GetElement(1);
    }

    private static void Scale(float* x, float factor, int count)
    {
        int width = Vector<float>.Count, j = 0;
        var factors = new Vector<float>(factor);
        for (; j <= count - width; j += width) (Vector.Load(x + j) * factors).Store(x + j);
        for (; j < count; j++) x[j] *= factor;
    }

    /// <summary>
    /// o[d] = chain over j of fma(p[j], values[j][d], o[d]) for two queries, or one and the same. A key that only one of them sees has p = 0 for the other, which changes
    /// nothing.
    /// </summary>
    private static void AccumulateTwo(float* p, float* p1, float* values, int from, int to, float* output0, float* output1, int dimension)
    {
        int width = Vector<float>.Count, d = 0;
        for (; d <= dimension - 4 * width; d += 4 * width)
        {
            float* o0 = output0 + d, o1 = output1 + d;
            Vector<float> a0 = Vector.Load(o0), a1 = Vector.Load(o0 + width), a2 = Vector.Load(o0 + 2 * width), a3 = Vector.Load(o0 + 3 * width);
            Vector<float> b0 = Vector.Load(o1), b1 = Vector.Load(o1 + width), b2 = Vector.Load(o1 + 2 * width), b3 = Vector.Load(o1 + 3 * width);
            float* v = values + (nint)from * dimension + d;
            for (nint j = from; j <= to; j++, v += dimension)
            {
                Vector<float> v0 = Vector.Load(v), v1 = Vector.Load(v + width), v2 = Vector.Load(v + 2 * width), v3 = Vector.Load(v + 3 * width);
                var q = new Vector<float>(p[j]);
                a0 = Vector.FusedMultiplyAdd(q, v0, a0);
                a1 = Vector.FusedMultiplyAdd(q, v1, a1);
                a2 = Vector.FusedMultiplyAdd(q, v2, a2);
                a3 = Vector.FusedMultiplyAdd(q, v3, a3);
                q = new Vector<float>(p1[j]);
                b0 = Vector.FusedMultiplyAdd(q, v0, b0);
                b1 = Vector.FusedMultiplyAdd(q, v1, b1);
                b2 = Vector.FusedMultiplyAdd(q, v2, b2);
                b3 = Vector.FusedMultiplyAdd(q, v3, b3);
            }
            a0.Store(o0);
            a1.Store(o0 + width);
            a2.Store(o0 + 2 * width);
            a3.Store(o0 + 3 * width);
            b0.Store(o1);
            b1.Store(o1 + width);
            b2.Store(o1 + 2 * width);
            b3.Store(o1 + 3 * width);
        }
        if (d == dimension) return;
        AccumulateRest(p, values, from, to, output0, dimension, d);
        if (output1 != output0) AccumulateRest(p1, values, from, to, output1, dimension, d);
    }

    private static void AccumulateRest(float* p, float* values, int from, int to, float* output, int dimension, int d)
    {
        for (nint j = from; j <= to; j++)
        {
            for (int i = d; i < dimension; i++) output[i] = MathF.FusedMultiplyAdd(p[j], values[j * dimension + i], output[i]);
        }
    }

    private static void LoadKeys(in KeyValueHead cache, int tile, float* keys)
    {
        int count = Tile * cache.Dimension;
        long start = (long)tile * count;
        switch (cache.Type)
        {
            case KeyValueType.F32:
                Buffer.MemoryCopy((float*)cache.Keys + start, keys, count * 4L, count * 4L);
                break;
            case KeyValueType.F16:
                HalvesToFloats((ushort*)cache.Keys + start, keys, count);
                break;
            default:
                float* scales = cache.KeyScales + tile * Tile;
                sbyte* q = (sbyte*)cache.Keys + start;
                for (int i = 0; i < count; i++) keys[i] = q[i] * scales[i % Tile];
                break;
        }
    }

    private static void LoadValues(in KeyValueHead cache, int tile, int positions, float* values)
    {
        int dimension = cache.Dimension, count = positions * dimension;
        long start = (long)tile * Tile * dimension;
        switch (cache.Type)
        {
            case KeyValueType.F32:
                Buffer.MemoryCopy((float*)cache.Values + start, values, count * 4L, count * 4L);
                break;
            case KeyValueType.F16:
                HalvesToFloats((ushort*)cache.Values + start, values, count);
                break;
            default:
                sbyte* q = (sbyte*)cache.Values + start;
                for (int j = 0; j < positions; j++)
                {
                    float scale = cache.ValueScales[tile * Tile + j];
                    for (int d = 0; d < dimension; d++) values[j * dimension + d] = q[j * dimension + d] * scale;
                }
                break;
        }
    }

    /// <summary>Halfs of the cache, which are finite: sign and magnitude moved into a float's places, times 2^112 for the difference of the biases. Exact.</summary>
    private static void HalvesToFloats(ushort* source, float* destination, int count)
    {
        int width = Vector<float>.Count, i = 0;
        var places = new Vector<int>(unchecked((int)0x8FFFE000));
        var rebias = new Vector<float>(5.192296858534828e33f);
        for (; i <= count - 2 * width; i += 2 * width)
        {
            Vector.Widen(Vector.Load((short*)source + i), out Vector<int> low, out Vector<int> high);
            (Vector.AsVectorSingle(low << 13 & places) * rebias).Store(destination + i);
            (Vector.AsVectorSingle(high << 13 & places) * rebias).Store(destination + i + width);
        }
        for (; i < count; i++) destination[i] = HalfConversion.ToFloat(source[i]);
    }
}
