using System.Numerics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Models.Spec;

/// <summary>
/// Attention, causal or to both directions: Heads queries a token, groups of Heads / KeyValueHeads of which share a key and a value.
/// </summary>
internal sealed record AttentionSpec
{
    /// <summary>Of a layer without attention.</summary>
    public static AttentionSpec None { get; } = new() { Heads = 0, KeyValueHeads = 0, Dimension = 0, Scale = 0 };

    public required int Heads { get; init; }

    public required int KeyValueHeads { get; init; }

    /// <summary>Numbers of a head's query, key and value.</summary>
    public required int Dimension { get; init; }

    /// <summary>Factor of the scores.</summary>
    public required float Scale { get; init; }

    /// <summary>Soft cap of the scaled scores, cap * tanh(score / cap); 0: none.</summary>
    public float ScoreCap { get; init; }

    /// <summary>Queries, keys and values are kept from -Clip to Clip; 0: all.</summary>
    public float Clip { get; init; }

    /// <summary>Queries, keys and values come of one matrix, in this order (the tensor attn_qkv).</summary>
    public bool IsFused { get; init; }

    /// <summary>The norm of each head's query and key before they are rotated; null: none.</summary>
    public NormSpec? HeadNorm { get; init; }

    /// <summary>Whether <see cref="HeadNorm"/> is one norm over all heads, instead of one of each.</summary>
    public bool IsHeadNormWide { get; init; }

    /// <summary>How queries grow with their positions; null: they do not.</summary>
    public QueryGrowth? Growth { get; init; }

    /// <summary>
    /// Whether the matrix of queries has a gate after each head's query, by whose logistic function the head's result is multiplied.
    /// </summary>
    public bool HasGate { get; init; }

    /// <summary>Whether each head has a score of its own that takes part in the softmax, with no value.</summary>
    public bool HasSinks { get; init; }

    /// <summary>Whether each head's value is normed, without weights, as <see cref="HeadNorm"/> says.</summary>
    public bool HasValueNorm { get; init; }

    /// <summary>The earlier layer whose keys and values it uses; null: it has its own.</summary>
    public int? Source { get; init; }

    /// <summary>Rotary positions; null: the layer knows no positions.</summary>
    public RopeSpec? Rope { get; init; }

    /// <summary>
    /// Positions that a token sees, its own among them; 0: all. To both directions half of it (rounded down) on each side.
    /// </summary>
    public int Window { get; init; }

    /// <summary>A token sees those after it, too.</summary>
    public bool IsBidirectional { get; init; }

    /// <summary>
    /// ALiBi (arXiv 2108.12409): the largest bias of a head, 8 in the paper; 0: none. A score loses its head's slope times the distance of
    /// the key.
    /// </summary>
    public float MaxAlibiBias { get; init; }

    /// <summary>Factor of ALiBi's slopes.</summary>
    public float AlibiFactor { get; init; } = 1f;

    /// <summary>Whether the one matrix of queries, keys and values has a bias.</summary>
    public bool HasFusedBias { get; init; }

    public bool HasQueryBias { get; init; }

    public bool HasKeyBias { get; init; }

    public bool HasValueBias { get; init; }

    public bool HasOutputBias { get; init; }

    /// <summary>Width of all queries together.</summary>
    public int QueryWidth => checked(Heads * Dimension);

    /// <summary>Rows of the matrix of queries.</summary>
    public int QueryRows => HasGate ? checked(2 * QueryWidth) : QueryWidth;

    /// <summary>Whether there is attention at all.</summary>
    public bool IsThere => Heads > 0;

    /// <summary>Width of all keys (or values) together.</summary>
    public int KeyValueWidth => checked(KeyValueHeads * Dimension);

    /// <summary>Width of queries, keys and values of a token.</summary>
    public int FusedWidth => checked(QueryWidth + 2 * KeyValueWidth);

    /// <summary>Width of a head's norm of queries.</summary>
    public int QueryNormWidth => IsHeadNormWide ? QueryWidth : Dimension;

    /// <summary>Width of a head's norm of keys.</summary>
    public int KeyNormWidth => IsHeadNormWide ? KeyValueWidth : Dimension;

    /// <summary>Query heads of a key/value head.</summary>
    public int GroupSize => Heads / KeyValueHeads;

    /// <summary>
    /// Slopes of ALiBi [heads]: a geometric sequence for the largest power of two of heads, and every other number of the next finer
    /// sequence for the heads beyond.
    /// </summary>
    public void AlibiSlopes(Span<float> slopes)
    {
        int power = (int)BitOperations.RoundUpToPowerOf2((uint)Heads + 1) / 2;
        for (int h = 0; h < Heads; h++)
        {
            double exponent = h < power ? MaxAlibiBias * (h + 1.0) / power : MaxAlibiBias * (2 * (h - power) + 1.0) / (2 * power);
            slopes[h] = (float)Polynomials.Pow(2, -exponent) * AlibiFactor;
        }
    }
}

/// <summary>A query is multiplied by 1 + Beta ln(1 + floor(position / Length)), as in Llama 4.</summary>
internal sealed record QueryGrowth(float Beta, int Length)
{
    public float FactorAt(int position) => (float)(1 + Beta * Polynomials.Log(1 + position / Length));
}

/// <summary>
/// Rotary positions (arXiv 2104.09864): the first <see cref="Dimension"/> numbers of a head turn in pairs, pair i by position * Base^(-2 i
/// / Dimension).
/// </summary>
internal sealed record RopeSpec
{
    /// <summary>How many of a head's numbers turn; even.</summary>
    public required int Dimension { get; init; }

    public float Base { get; init; } = 10_000f;

    /// <summary>Pairs are (i, i + Dimension / 2) as in transformers' code, instead of (2 i, 2 i + 1).</summary>
    public bool IsSplit { get; init; }

    public RopeScaling Scaling { get; init; }

    public float Factor { get; init; } = 1f;

    /// <summary>Positions that the angles were trained on, before they were stretched.</summary>
    public required int TrainedLength { get; init; }

    /// <summary>Multiplies cosines and sines.</summary>
    public float AttentionFactor { get; init; } = 1f;

    /// <summary>Of YaRN: pairs that turn more often than this over the trained length are kept.</summary>
    public float BetaFast { get; init; } = 32f;

    /// <summary>Of YaRN: pairs that turn less often than this are stretched in full.</summary>
    public float BetaSlow { get; init; } = 1f;

    /// <summary>Of YaRN: the range of pairs between the two is rounded to whole pairs.</summary>
    public bool IsRangeWhole { get; init; } = true;

    /// <summary>[Dimension / 2] divisors of the frequencies (Llama 3.1's scaling); empty: none.</summary>
    public IReadOnlyList<float> Divisors { get; init; } = [];

    /// <summary>Of LongRoPE: [Dimension / 2] divisors for contexts of up to <see cref="TrainedLength"/>.</summary>
    public IReadOnlyList<float> ShortDivisors { get; init; } = [];

    /// <summary>Of LongRoPE: [Dimension / 2] divisors for longer contexts.</summary>
    public IReadOnlyList<float> LongDivisors { get; init; } = [];
}

/// <summary>How rotary angles are stretched beyond the length that a model was trained on.</summary>
internal enum RopeScaling
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>All frequencies divided by the factor.</summary>
    Linear,

    /// <summary>YaRN (arXiv 2309.00071): low frequencies divided, high ones kept, a ramp between; scores sharpened.</summary>
    Yarn,

    /// <summary>NTK-aware: the base is raised by factor^(d / (d - 2)), so that high frequencies stay and low ones stretch.</summary>
    Ntk,

    /// <summary>LongRoPE (arXiv 2402.13753): a divisor for each frequency, of two sets by the context that was asked for.</summary>
    Long,

    /// <summary>NTK-aware only as far as the context that was asked for exceeds the trained one.</summary>
    DynamicNtk,
}
