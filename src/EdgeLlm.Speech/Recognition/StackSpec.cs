using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Sizes of an encoder's or decoder's layers, which are alike but for their windows.</summary>
internal sealed record StackSpec
{
    /// <summary>Beginning of a tensor's name: `enc` or `dec`.</summary>
    public required string Prefix { get; init; }

    public required int Layers { get; init; }

    public required int Width { get; init; }

    public required int Heads { get; init; }

    public required int KeyValueHeads { get; init; }

    public required int HeadDimension { get; init; }

    public required int FeedForward { get; init; }

    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>The first product of the feed-forward part gives values, then gates.</summary>
    public bool IsGated { get; init; }

    /// <summary>How many numbers of a head turn with the position, in neighbours; 0: none.</summary>
    public int RopeDimension { get; init; }

    public double RopeBase { get; init; } = 10_000;

    /// <summary>Frames that each frame of an encoder's layer sees: a number up to its own, and a number after it; empty: all.</summary>
    public IReadOnlyList<(int Before, int After)> Windows { get; init; } = [];

    public float Epsilon { get; init; } = 1e-5f;

    /// <summary>Numbers of all query heads.</summary>
    public int QueryWidth => Heads * HeadDimension;

    /// <summary>Numbers of all key heads.</summary>
    public int KeyWidth => KeyValueHeads * HeadDimension;

    public int GroupSize => Heads / KeyValueHeads;

    public float Scale => (float)(1 / Math.Sqrt(HeadDimension));

    /// <summary>Widest row of a product's results or inputs.</summary>
    public int Widest => Math.Max(Math.Max(QueryWidth, Width), FeedForward * (IsGated ? 2 : 1));
}

/// <summary>Weights of a layer.</summary>
internal sealed record LayerWeights
{
    public required NormWeights AttentionNorm { get; init; }

    public required Linear Query { get; init; }

    public required Linear Key { get; init; }

    public required Linear Value { get; init; }

    public required Linear Output { get; init; }

    public NormWeights CrossNorm { get; init; }

    public Linear CrossQuery { get; init; }

    public Linear CrossKey { get; init; }

    public Linear CrossValue { get; init; }

    public Linear CrossOutput { get; init; }

    public required NormWeights FeedForwardNorm { get; init; }

    public required Linear Up { get; init; }

    public required Linear Down { get; init; }

    /// <param name="crossWidth">Width of the encoder's output to the decoder; 0: it is an encoder's layer.</param>
    public static LayerWeights[] Read(SpeechWeights weights, StackSpec spec, int crossWidth = 0)
    {
        return [.. Enumerable.Range(0, spec.Layers).Select(Layer)];

        LayerWeights Layer(int number)
        {
            string name = $"{spec.Prefix}.blk.{number}.";
            var layer = new LayerWeights
            {
                AttentionNorm = weights.Norm(name + "attn_norm", spec.Width),
                Query = weights.Linear(name + "attn_q", spec.QueryWidth, spec.Width),
                Key = weights.Linear(name + "attn_k", spec.KeyWidth, spec.Width),
                Value = weights.Linear(name + "attn_v", spec.KeyWidth, spec.Width),
                Output = weights.Linear(name + "attn_o", spec.Width, spec.QueryWidth),
                FeedForwardNorm = weights.Norm(name + "ffn_norm", spec.Width),
                Up = weights.Linear(name + "ffn_up", spec.FeedForward * (spec.IsGated ? 2 : 1), spec.Width),
                Down = weights.Linear(name + "ffn_down", spec.Width, spec.FeedForward),
            };
            return crossWidth == 0 ? layer : layer with
            {
                CrossNorm = weights.Norm(name + "cross_attn_norm", spec.Width),
                CrossQuery = weights.Linear(name + "cross_attn_q", spec.QueryWidth, spec.Width),
                CrossKey = weights.Linear(name + "cross_attn_k", spec.KeyWidth, crossWidth),
                CrossValue = weights.Linear(name + "cross_attn_v", spec.KeyWidth, crossWidth),
                CrossOutput = weights.Linear(name + "cross_attn_o", spec.Width, spec.QueryWidth),
            };
        }
    }
}

/// <summary>
/// Cosines and sines of positions, for heads of which the first numbers turn in neighbours (2j, 2j + 1) by theta^(-2j/d) a position.
/// </summary>
internal sealed class NeighbourRotation
{
    private readonly double[] _frequencies;

    public NeighbourRotation(StackSpec spec)
    {
        _frequencies = new double[(spec.RopeDimension + 1) / 2];
        // The reference has the frequencies in single precision.
        for (int j = 0; j < _frequencies.Length; j++)
            _frequencies[j] = (float)Polynomials.Pow(spec.RopeBase, -2.0 * j / spec.RopeDimension);
    }

    public int Pairs => _frequencies.Length;

    /// <summary>Writes cosines [Pairs] and sines [Pairs].</summary>
    public unsafe void Angles(int position, float* cosines, float* sines)
    {
        for (int j = 0; j < _frequencies.Length; j++)
        {
            (double sin, double cos) = Polynomials.SinCos(position * _frequencies[j]);
            (cosines[j], sines[j]) = ((float)cos, (float)sin);
        }
    }
}
