using System.Numerics;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Kernels.Vectors;

/// <summary>A tile of keys and values becomes floats once and serves every query of the call, four at a time.</summary>
internal abstract unsafe partial class VectorKernel
{
    public override void Attend(in KeyValueHead cache, in AttentionQuery query, byte* scratch)
    {
        int dimension = cache.Dimension, rows = checked(query.Tokens * query.GroupSize);
        float* keys = (float*)scratch;
        float* values = keys + (nint)Tile * dimension;
        float* p = values + (nint)Tile * dimension;         // [rows][32]
        float* maxima = p + (nint)rows * Tile;        // [rows]
        float* sums = maxima + rows;                  // [rows]
        for (int r = 0; r < rows; r++)
        {
            maxima[r] = float.NegativeInfinity;
            sums[r] = 0;
            new Span<float>(Row(query.Output, query, dimension, r), dimension).Clear();
        }

        int last = query.LastKey(query.Tokens - 1);
        for (int tile = query.FirstKey(0) / Tile; tile <= last / Tile; tile++)
        {
            int start = tile * Tile, positions = Math.Min(Tile, last - start + 1);
            LoadKeys(cache, cache.PlaceOf(tile), positions, keys);
            LoadValues(cache, cache.PlaceOf(tile), positions, values);
            // tokens that see a key of the tile
            int firstToken = (int)Math.Max(0, (long)start - query.FirstPosition - query.After), endToken = query.Tokens;
            if (query.Window != 0) endToken = Math.Min(endToken, start + Tile - 1 + query.Window - query.FirstPosition);
            int firstRow = firstToken * query.GroupSize, endRow = endToken * query.GroupSize;
            for (int r = firstRow; r < endRow; r += 4)
            {
                int to = LastKey(query, Math.Min(r + 3, endRow - 1), start);
                FourRows scores = FourRows.Of(p, Tile, r, endRow);
                if (r + 1 == endRow)
                    MultiplyRow(Row(query.Queries, query, dimension, r), keys, Tile, dimension, scores.First, to + 1, true);
                else if (r + 2 == endRow)
                    MultiplyTwo(Row(query.Queries, query, dimension, r), Row(query.Queries, query, dimension, r + 1), keys, Tile, dimension,
                        scores.First, scores.Second, to + 1, true);
                else MultiplyFour(QueryRows(query.Queries, query, dimension, r, endRow), keys, Tile, dimension, scores, to + 1, true);
            }
            for (int r = firstRow; r < endRow; r++)
            {
                int from = Math.Max(0, query.FirstKey(r / query.GroupSize) - start);
                FinishScores(p + (nint)r * Tile, LastKey(query, r, start), query, r, start);
                SoftmaxTile(p + (nint)r * Tile, from, LastKey(query, r, start), ref maxima[r], ref sums[r],
                    Row(query.Output, query, dimension, r), dimension);
            }
            for (int r = firstRow; r < endRow; r += 4)
            {
                // A key that only some of the four see has p = 0 for the others, which changes nothing.
                int from = Math.Max(0, query.FirstKey(r / query.GroupSize) - start),
                    count = LastKey(query, Math.Min(r + 3, endRow - 1), start) + 1 - from;
                FourRows outputs = QueryRows(query.Output, query, dimension, r, endRow), weights = FourRows.Of(p, Tile, r, endRow).At(from);
                float* seen = values + (nint)from * dimension;
                int whole = dimension & ~(Strip - 1);
                if (r + 1 == endRow) MultiplyRow(weights.First, seen, dimension, count, outputs.First, whole, false);
                else if (r + 2 == endRow)
                    MultiplyTwo(weights.First, weights.Second, seen, dimension, count, outputs.First, outputs.Second, whole, false);
                else MultiplyFour(weights, seen, dimension, count, outputs, whole, false);
                if (whole == dimension) continue;
                for (int i = r; i < Math.Min(r + 4, endRow); i++)
                    AccumulateRest(p + (nint)i * Tile + from, seen, count, Row(query.Output, query, dimension, i), dimension, whole);
            }
        }

        for (int r = 0; r < rows && query.Sinks != null; r++)
            AddSink(query.Sinks[r % query.GroupSize], ref maxima[r], ref sums[r], Row(query.Output, query, dimension, r), dimension);
        for (int r = 0; r < rows; r++) ScaleLast(Row(query.Output, query, dimension, r), 1f / sums[r], dimension);
    }

    private static float* Row(float* first, in AttentionQuery query, int dimension, int row) =>
        first + row / query.GroupSize * query.Stride + (nint)(row % query.GroupSize) * dimension;

    private static FourRows QueryRows(float* first, in AttentionQuery query, int dimension, int row, int endRow) => new(
        Row(first, query, dimension, row), Row(first, query, dimension, Math.Min(row + 1, endRow - 1)),
        Row(first, query, dimension, Math.Min(row + 2, endRow - 1)), Row(first, query, dimension, Math.Min(row + 3, endRow - 1)));

    /// <summary>The last key in a tile that a row's token sees.</summary>
    private static int LastKey(in AttentionQuery query, int row, int start) =>
        Math.Min(Tile - 1, query.LastKey(row / query.GroupSize) - start);

    /// <summary>Scale, cap and slope of a row's scores.</summary>
    /// <param name="to">The last key that the row's token sees.</param>
    private static void FinishScores(float* p, int to, in AttentionQuery query, int row, int start)
    {
        int width = Vector<float>.Count, end = (to + width) & -width; // whole vectors of what the query sees
        var factor = new Vector<float>(query.Scale);
        for (int j = 0; j < end; j += width) (Vector.Load(p + j) * factor).Store(p + j);
        if (query.Cap != 0)
        {
            var cap = new Vector<float>(query.Cap);
            for (int j = 0; j < end; j += width) (VectorActivations.Tanh(Vector.Load(p + j) / cap) * cap).Store(p + j);
        }
        if (query.Slopes == null) return;
        var slope = new Vector<float>(query.Slopes[row % query.GroupSize]);
        int distance = start - (query.FirstPosition + row / query.GroupSize); // of the tile's first key from the token
        for (int j = 0; j < end; j += width)
            Vector.FusedMultiplyAdd(slope, new Vector<float>(distance + j) + Vector<float>.Indices, Vector.Load(p + j)).Store(p + j);
    }

    private static void SoftmaxTile(float* p, int from, int to, ref float maximum, ref float sum, float* output, int dimension)
    {
        int width = Vector<float>.Count, end = (to + width) & -width;
        for (int j = 0; j < from; j++) p[j] = float.NegativeInfinity;
        for (int j = to + 1; j < end; j++) p[j] = float.NegativeInfinity;
        var largest = new Vector<float>(maximum);
        for (int j = 0; j < end; j += width)
        {
            Vector<float> score = Vector.Load(p + j);
            largest = Vector.ConditionalSelect(Vector.GreaterThan(score, largest), score, largest);
        }
        float larger = LargestLane(largest);
        if (larger > maximum && maximum != float.NegativeInfinity)
        {
            float shrink = Polynomials.Exp(maximum - larger);
            sum *= shrink;
            Scale(output, shrink, dimension);
        }
        maximum = larger;
        var offset = new Vector<float>(larger);
        for (int j = 0; j < end; j += width) Exp(Vector.Load(p + j) - offset).Store(p + j);
        for (int j = 0; j < from; j++) p[j] = 0;
        for (int j = to + 1; j < end; j++) p[j] = 0;
        for (int j = end; j < Tile; j += width) Vector<float>.Zero.Store(p + j);
        sum += SumVectors(p);
    }

    /// <summary>Of lanes that are numbers.</summary>
    private static float LargestLane(Vector<float> x)
    {
        Vector128<float> m = Width == 8 ? Vector128.Max(x.AsVector256().GetLower(), x.AsVector256().GetUpper()) : x.AsVector128();
        m = Vector128.Max(m, Vector128.Shuffle(m, Vector128.Create(2, 3, 0, 1)));
        return Vector128.Max(m, Vector128.Shuffle(m, Vector128.Create(1, 0, 3, 2))).ToScalar();
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

    /// <summary>x * factor + 0: as in the scalar kernel, no -0.</summary>
    private static void ScaleLast(float* x, float factor, int count)
    {
        int width = Vector<float>.Count, j = 0;
        var factors = new Vector<float>(factor);
        for (; j <= count - width; j += width) (Vector.Load(x + j) * factors + Vector<float>.Zero).Store(x + j);
        for (; j < count; j++) x[j] = x[j] * factor + 0f;
    }

    /// <summary>The dimensions after the last whole strip.</summary>
    private static void AccumulateRest(float* p, float* values, int count, float* output, int dimension, int d)
    {
        for (nint j = 0; j < count; j++)
        {
            for (int i = d; i < dimension; i++) output[i] = MathF.FusedMultiplyAdd(p[j], values[j * dimension + i], output[i]);
        }
    }

    /// <summary>Whole strips of positions, at least as many as asked for.</summary>
    private static void LoadKeys(in KeyValueHead cache, int tile, int positions, float* keys)
    {
        int count = Tile * cache.Dimension;
        long start = (long)tile * count;
        switch (cache.Type)
        {
            case KeyValueType.F32:
                Buffer.MemoryCopy((float*)cache.Keys + start, keys, count * 4L, count * 4L);
                break;
            case KeyValueType.F16:
                if (positions > Strip) HalvesToFloats((ushort*)cache.Keys + start, keys, count);
                else HalvesToFloats((ushort*)cache.Keys + start, keys, cache.Dimension, Tile, Strip);
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

    private static void HalvesToFloats(ushort* source, float* destination, int count)
    {
        int whole = count & -Strip;
        HalvesToFloats(source, destination, whole / Strip, Strip, Strip);
        for (int i = whole; i < count; i++) destination[i] = HalfConversion.ToFloat(source[i]);
    }

    /// <summary>
    /// Halfs of the cache, which are finite: sign and magnitude moved into a float's places, times 2^112 for the difference of the biases.
    /// Exact.
    /// </summary>
    /// <param name="stride">From one row to the next, in both.</param>
    /// <param name="columns">A multiple of 16.</param>
    private static void HalvesToFloats(ushort* source, float* destination, int rows, int stride, int columns)
    {
        int width = Vector<float>.Count;
        var places = new Vector<int>(unchecked((int)0x8FFFE000));
        var rebias = new Vector<float>(5.192296858534828e33f);
        for (; rows > 0; rows--, source += stride, destination += stride)
        {
            for (nint i = 0; i < columns; i += 16)
            {
                short* h = (short*)source + i;
                float* f = destination + i;
                Vector.Widen(Vector.Load(h), out Vector<int> a, out Vector<int> b);
                (Vector.AsVectorSingle(a << 13 & places) * rebias).Store(f);
                (Vector.AsVectorSingle(b << 13 & places) * rebias).Store(f + width);
                if (width == 8) continue;
                Vector.Widen(Vector.Load(h + 8), out a, out b);
                (Vector.AsVectorSingle(a << 13 & places) * rebias).Store(f + 8);
                (Vector.AsVectorSingle(b << 13 & places) * rebias).Store(f + 12);
            }
        }
    }
}
