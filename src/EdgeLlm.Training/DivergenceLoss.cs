using System.Buffers;
using System.Numerics.Tensors;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Training;

/// <summary>KL divergence of a model's predictions from its source's, and its derivatives by the normed last hidden state.</summary>
/// <param name="sourceHead">[vocabulary, embedding]</param>
/// <param name="head">The quantized model's; [vocabulary, embedding].</param>
internal sealed class DivergenceLoss(float[] sourceHead, float[] head, int width)
{
    private readonly OutputHead _source = new(sourceHead, width);
    private readonly OutputHead _head = new(head, width);

    /// <summary>
    /// The sum over tokens of the divergence, in nats; <paramref name="gradient"/> [tokens, embedding] receives its derivatives where it is
    /// there.
    /// </summary>
    /// <param name="sourceHidden">[tokens, embedding] from an element on.</param>
    public double Measure(float[] sourceHidden, int sourceStart, float[] hidden, int tokens, float[]? gradient)
    {
        int vocabulary = _head.VocabularySize;
        double[] divergences = new double[tokens];
        for (int first = 0; first < tokens; first += OutputHead.BlockTokens)
        {
            int count = Math.Min(OutputHead.BlockTokens, tokens - first);
            _source.Forward(sourceHidden, sourceStart + first * width, count);
            _head.Forward(hidden, first * width, count);
            Parallel.For(0, count, t =>
            {
                Span<float> source = _source.Logits.AsSpan(t * vocabulary, vocabulary),
                    logits = _head.Logits.AsSpan(t * vocabulary, vocabulary);
                // sum p (log p - log q): p over source logits, q over logits
                float sourceTop = TensorPrimitives.Max<float>(source), top = TensorPrimitives.Max<float>(logits);
                TensorPrimitives.Subtract(source, sourceTop, source);
                TensorPrimitives.Subtract(logits, top, logits);
                float[] rented = ArrayPool<float>.Shared.Rent(vocabulary);
                Span<float> probabilities = rented.AsSpan(0, vocabulary);
                TensorPrimitives.Exp<float>(source, probabilities);
                float sourceSum = Reductions.Sum(probabilities);
                double difference = Reductions.Dot(probabilities, source) / sourceSum - Reductions.Dot(probabilities, logits) / sourceSum;
                TensorPrimitives.Exp<float>(logits, logits);
                float sum = Reductions.Sum(logits);
                divergences[first + t] = difference - Math.Log(sourceSum) + Math.Log(sum);
                TensorPrimitives.Multiply(logits, 1 / sum, logits);
                TensorPrimitives.Multiply(probabilities, 1 / sourceSum, probabilities);
                TensorPrimitives.Subtract(logits, probabilities, logits);
                ArrayPool<float>.Shared.Return(rented);
            });
            if (gradient is not null) _head.Backward(gradient, first * width, count);
        }
        return divergences.Sum();
    }
}
