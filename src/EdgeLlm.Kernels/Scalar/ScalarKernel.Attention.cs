using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Scalar;

internal unsafe partial class ScalarKernel
{
    protected const int Tile = KeyValueHead.TilePositions;

    private const float LargestHalf = 65504f;

    /// <summary>
    /// F16 rounds to the nearest, ties to even, and ends at the largest finite half; I8 has scale = max |x| / 127 per head and position.
    /// </summary>
    public override bool Store(in KeyValueHead cache, int position, float* key, float* value)
    {
        int dimension = cache.Dimension;
        bool finite = true;
        for (int d = 0; d < dimension; d++) finite &= float.IsFinite(key[d]) & float.IsFinite(value[d]);
        if (!finite) return false;
        int slot = cache.PlaceOf(position / Tile) * Tile + position % Tile;
        long keyStart = (long)(slot / Tile) * dimension * Tile + slot % Tile, valueStart = (long)slot * dimension;
        switch (cache.Type)
        {
            case KeyValueType.F32:
                for (int d = 0; d < dimension; d++) ((float*)cache.Keys)[keyStart + (long)d * Tile] = key[d];
                for (int d = 0; d < dimension; d++) ((float*)cache.Values)[valueStart + d] = value[d];
                break;
            case KeyValueType.F16:
                for (int d = 0; d < dimension; d++)
                    ((ushort*)cache.Keys)[keyStart + (long)d * Tile] =
                        HalfConversion.FromFloat(Math.Clamp(key[d], -LargestHalf, LargestHalf));
                for (int d = 0; d < dimension; d++)
                    ((ushort*)cache.Values)[valueStart + d] = HalfConversion.FromFloat(Math.Clamp(value[d], -LargestHalf, LargestHalf));
                break;
            default:
                cache.KeyScales[slot] = QuantizeVector(key, dimension, (sbyte*)cache.Keys + keyStart, Tile);
                cache.ValueScales[slot] = QuantizeVector(value, dimension, (sbyte*)cache.Values + valueStart, 1);
                break;
        }
        return true;
    }

    private static float QuantizeVector(float* x, int count, sbyte* q, nint stride)
    {
        int largestBits = LargestMagnitude(x, count);
        float largest = BitConverter.Int32BitsToSingle(largestBits);
        bool finite = largestBits < 0x7F800000, zero = largestBits < (127 - 100) << 23;
        float inverse = finite && !zero ? 127f / largest : 0;
        for (int d = 0; d < count; d++) q[d * stride] = finite ? (sbyte)MathF.Round(x[d] * inverse) : (sbyte)0;
        return finite ? zero ? 0 : largest / 127f : float.NaN;
    }

    /// <summary>
    /// Per query, tile by tile: score[j] = scale * (chain of fma over d of q[d] * k[j][d]), capped, less slope * distance; m = max(m,
    /// scores); what was summed so far is scaled by exp(mOld - m) where m grew; p[j] = exp(score[j] - m); sum += tree of p; out[d] = chain
    /// over j of fma(p[j], v[j][d], out[d]). At the end out / sum.
    /// </summary>
    public override void Attend(in KeyValueHead cache, in AttentionQuery query, byte* scratch)
    {
        int dimension = cache.Dimension;
        float* keys = (float*)scratch;
        float* values = keys + Tile * dimension;
        float* p = values + Tile * dimension;
        for (int t = 0; t < query.Tokens; t++)
        {
            int last = query.LastKey(t), first = query.FirstKey(t);
            for (int g = 0; g < query.GroupSize; g++)
            {
                float* q = query.Queries + t * query.Stride + g * dimension;
                float* output = query.Output + t * query.Stride + g * dimension;
                float maximum = float.NegativeInfinity, sum = 0;
                for (int d = 0; d < dimension; d++) output[d] = 0;
                for (int tile = first / Tile; tile <= last / Tile; tile++)
                {
                    LoadTile(cache, cache.PlaceOf(tile), Math.Min(Tile, last - tile * Tile + 1), keys, values);
                    int from = Math.Max(0, first - tile * Tile), to = Math.Min(Tile - 1, last - tile * Tile);
                    float larger = maximum;
                    for (int j = from; j <= to; j++)
                    {
                        float score = 0;
                        for (int d = 0; d < dimension; d++) score = MathF.FusedMultiplyAdd(q[d], keys[d * Tile + j], score);
                        p[j] = score * query.Scale;
                        if (query.Cap != 0) p[j] = ActivationFunctions.Tanh(p[j] / query.Cap) * query.Cap;
                        if (query.Slopes != null)
                            p[j] = MathF.FusedMultiplyAdd(query.Slopes[g], tile * Tile + j - (query.FirstPosition + t), p[j]);
                        if (p[j] > larger) larger = p[j];
                    }
                    if (larger > maximum && maximum != float.NegativeInfinity)
                    {
                        float shrink = Polynomials.Exp(maximum - larger);
                        sum *= shrink;
                        for (int d = 0; d < dimension; d++) output[d] *= shrink;
                    }
                    maximum = larger;
                    for (int j = 0; j < Tile; j++) p[j] = j >= from && j <= to ? Polynomials.Exp(p[j] - maximum) : 0;
                    sum += SumTile(p);
                    for (int j = from; j <= to; j++)
                    {
                        for (int d = 0; d < dimension; d++) output[d] = MathF.FusedMultiplyAdd(p[j], values[j * dimension + d], output[d]);
                    }
                }
                if (query.Sinks != null) AddSink(query.Sinks[g], ref maximum, ref sum, output, dimension);
                float inverse = 1f / sum;
                for (int d = 0; d < dimension; d++)
                    output[d] = output[d] * inverse + 0f; // -0, which a skipped key could leave or not, becomes 0
            }
        }
    }

    /// <summary>A score at the end of a softmax: what was summed so far is scaled where it is larger than all others.</summary>
    protected static void AddSink(float sink, ref float maximum, ref float sum, float* output, int dimension)
    {
        if (sink > maximum)
        {
            float shrink = Polynomials.Exp(maximum - sink);
            sum *= shrink;
            for (int d = 0; d < dimension; d++) output[d] *= shrink;
            maximum = sink;
        }
        sum += Polynomials.Exp(sink - maximum);
    }

    public override long AttentionScratchBytes(int dimension, int tokens, int groupSize) =>
        (2L * Tile * dimension + Tile + (long)tokens * groupSize * (Tile + 2)) * sizeof(float) + 64;

    /// <summary>
    /// Keys [Dimension][32] and values [32][Dimension] of a tile as floats; values of the first <paramref name="count"/> positions only.
    /// </summary>
    private static void LoadTile(in KeyValueHead cache, int tile, int count, float* keys, float* values)
    {
        int dimension = cache.Dimension;
        long start = (long)tile * Tile * dimension;
        for (int i = 0; i < Tile * dimension; i++)
        {
            keys[i] = cache.Type switch
            {
                KeyValueType.F32 => ((float*)cache.Keys)[start + i],
                KeyValueType.F16 => HalfConversion.ToFloat(((ushort*)cache.Keys)[start + i]),
                _ => ((sbyte*)cache.Keys)[start + i] * cache.KeyScales[tile * Tile + i % Tile],
            };
        }
        for (int i = 0; i < count * dimension; i++)
        {
            values[i] = cache.Type switch
            {
                KeyValueType.F32 => ((float*)cache.Values)[start + i],
                KeyValueType.F16 => HalfConversion.ToFloat(((ushort*)cache.Values)[start + i]),
                _ => ((sbyte*)cache.Values)[start + i] * cache.ValueScales[tile * Tile + i / dimension],
            };
        }
    }

    /// <summary>Lane l of 8 takes ((p[l] + p[l + 8]) + p[l + 16]) + p[l + 24]; then + 4, + 2, + 1.</summary>
    protected static float SumTile(float* p)
    {
        float* lanes = stackalloc float[8];
        for (int l = 0; l < 8; l++) lanes[l] = p[l] + p[l + 8] + p[l + 16] + p[l + 24];
        for (int width = 4; width >= 1; width /= 2)
        {
            for (int l = 0; l < width; l++) lanes[l] += lanes[l + width];
        }
        return lanes[0];
    }
}
