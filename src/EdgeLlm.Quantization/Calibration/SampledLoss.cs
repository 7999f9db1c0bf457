using System.Numerics.Tensors;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// The derivatives of -log p(y) by the normed last hidden state, y drawn from the model's own predictions p: their second moments are the Fisher
/// information, and half of what that says of a small change is the KL divergence that it makes.
/// </summary>
/// <param name="head">[vocabulary, width]</param>
internal sealed class SampledLoss(float[] head, int width)
{
    private const int BlockTokens = 128;

    private readonly int _vocabulary = head.Length / width;
    private readonly float[] _logits = new float[BlockTokens * (head.Length / width)];

    /// <param name="hidden">[tokens, width]</param>
    /// <param name="gradient">[tokens, width]</param>
    /// <param name="byLogits">Gets the derivatives by the logits of some tokens [tokens, vocabulary] and the first token's number.</param>
    public void Differentiate(float[] hidden, int tokens, int seed, float[] gradient, Action<MatrixView, int> byLogits)
    {
        for (int first = 0; first < tokens; first += BlockTokens)
        {
            int count = Math.Min(BlockTokens, tokens - first), start = first;
            var logits = new MatrixView(_logits, count, _vocabulary);
            MatrixMultiplier.Multiply(new MatrixView(hidden, first * width, count, width, width, 1), new MatrixView(head, _vocabulary, width).Transposed, logits);
            Parallel.For(0, count, t =>
            {
                Span<float> row = _logits.AsSpan(t * _vocabulary, _vocabulary);
                TensorPrimitives.Subtract(row, TensorPrimitives.Max<float>(row), row);
                TensorPrimitives.Exp<float>(row, row);
                TensorPrimitives.Divide(row, Reductions.Sum(row), row);
                row[Draw(row, new Random(seed + start + t).NextSingle())] -= 1;
            });
            byLogits(logits, first);
            MatrixMultiplier.Multiply(logits, new MatrixView(head, _vocabulary, width), new MatrixView(gradient, first * width, count, width, width, 1));
        }
    }

    private static int Draw(ReadOnlySpan<float> probabilities, float number)
    {
        for (int i = 0; i < probabilities.Length; i++)
        {
            number -= probabilities[i];
            if (number < 0) return i;
        }
        return TensorPrimitives.IndexOfMax(probabilities);
    }
}
