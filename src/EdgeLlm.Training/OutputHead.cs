using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Training;

/// <summary>A model's last matrix, some tokens at a time: the logits of all of them would not fit.</summary>
/// <param name="weights">[vocabulary, width]</param>
/// <param name="width">The length of a hidden state.</param>
internal sealed class OutputHead(float[] weights, int width)
{
    /// <summary>The most tokens at a time.</summary>
    public const int BlockTokens = 128;

    private readonly MatrixView _weights = new(weights, weights.Length / width, width);

    /// <summary>Of the last tokens given: [tokens, vocabulary]. Whoever needs their derivatives puts them in their place.</summary>
    public float[] Logits { get; } = new float[BlockTokens * (weights.Length / width)];

    public int VocabularySize => _weights.Rows;

    /// <param name="hidden">[tokens, width] from an element on.</param>
    public void Forward(float[] hidden, int start, int tokens) =>
        MatrixMultiplier.Multiply(new MatrixView(hidden, start, tokens, width, width, 1), _weights.Transposed, LogitsView(tokens));

    /// <summary>Derivatives by the logits, which are in their place, to those by the hidden states.</summary>
    /// <param name="gradient">[tokens, width] from an element on.</param>
    public void Backward(float[] gradient, int start, int tokens) =>
        MatrixMultiplier.Multiply(LogitsView(tokens), _weights, new MatrixView(gradient, start, tokens, width, width, 1));

    private MatrixView LogitsView(int tokens) => new(Logits, tokens, VocabularySize);
}
