using System.Numerics.Tensors;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Training;

/// <param name="byLogits">Derivatives by the logits of some tokens: [tokens, vocabulary].</param>
/// <param name="firstToken">The first one's number.</param>
internal delegate void LogitDerivatives(ReadOnlySpan<float> byLogits, int firstToken);

/// <summary>
/// The derivatives of -log p(y) by the normed last hidden state, y drawn from the model's own predictions p: their second moments are the
/// Fisher information, and half of what that says of a small change is the KL divergence that it makes.
/// </summary>
/// <param name="head">[vocabulary, width]</param>
internal sealed class SampledLoss(float[] head, int width)
{
    private readonly OutputHead _head = new(head, width);

    /// <param name="hidden">[tokens, width]</param>
    /// <param name="gradient">[tokens, width]</param>
    /// <param name="byLogits">Receives the derivatives by the logits, some tokens at a time.</param>
    public void Differentiate(float[] hidden, int tokens, int seed, float[] gradient, LogitDerivatives byLogits)
    {
        int vocabulary = _head.VocabularySize;
        for (int first = 0; first < tokens; first += OutputHead.BlockTokens)
        {
            int count = Math.Min(OutputHead.BlockTokens, tokens - first), start = first;
            _head.Forward(hidden, first * width, count);
            Parallel.For(0, count, t =>
            {
                Span<float> row = _head.Logits.AsSpan(t * vocabulary, vocabulary);
                TensorPrimitives.Subtract(row, TensorPrimitives.Max<float>(row), row);
                TensorPrimitives.Exp<float>(row, row);
                TensorPrimitives.Divide(row, Reductions.Sum(row), row);
                row[Draw(row, new Random(seed + start + t).NextSingle())] -= 1;
            });
            byLogits(_head.Logits.AsSpan(0, count * vocabulary), first);
            _head.Backward(gradient, first * width, count);
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
