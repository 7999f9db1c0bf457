using System.Buffers;
using System.Numerics.Tensors;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>KL divergence of a model's predictions from its source's, and its derivatives by the normed last hidden state.</summary>
/// <param name="sourceHead">[vocabulary, embedding]</param>
/// <param name="head">The quantized model's; [vocabulary, embedding].</param>
internal sealed class DivergenceLoss(float[] sourceHead, float[] head, int width)
{
    private const int BlockTokens = 128;

    private readonly int _vocabulary = head.Length / width;
    private readonly float[] _sourceLogits = new float[BlockTokens * (head.Length / width)];
    private readonly float[] _logits = new float[BlockTokens * (head.Length / width)];

    /// <summary>The sum over tokens of the divergence, in nats; <paramref name="gradient"/> [tokens, embedding] gets its derivatives where it is there.</summary>
    /// <param name="sourceHidden">[tokens, embedding] from an element on.</param>
    public double Measure(float[] sourceHidden, int sourceStart, float[] hidden, int tokens, float[]? gradient)
    {
        double[] divergences = new double[tokens];
        for (int first = 0; first < tokens; first += BlockTokens)
        {
            int count = Math.Min(BlockTokens, tokens - first);
            Logits(sourceHidden, sourceStart + first * width, count, sourceHead, _sourceLogits);
            Logits(hidden, first * width, count, head, _logits);
            Parallel.For(0, count, t =>
            {
                Span<float> source = _sourceLogits.AsSpan(t * _vocabulary, _vocabulary), logits = _logits.AsSpan(t * _vocabulary, _vocabulary);
                // sum p (log p - log q): p over source logits, q over logits
                float sourceTop = TensorPrimitives.Max<float>(source), top = TensorPrimitives.Max<float>(logits);
                TensorPrimitives.Subtract(source, sourceTop, source);
                TensorPrimitives.Subtract(logits, top, logits);
                float[] rented = ArrayPool<float>.Shared.Rent(_vocabulary);
                Span<float> probabilities = rented.AsSpan(0, _vocabulary);
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
            if (gradient is null) continue;
            MatrixMultiplier.Multiply(new MatrixView(_logits, count, _vocabulary), new MatrixView(head, _vocabulary, width), new MatrixView(gradient, first * width, count, width, width, 1));
        }
        return divergences.Sum();
    }

    private void Logits(float[] hidden, int start, int tokens, float[] weights, float[] logits) =>
        MatrixMultiplier.Multiply(new MatrixView(hidden, start, tokens, width, width, 1), new MatrixView(weights, _vocabulary, width).Transposed, new MatrixView(logits, tokens, _vocabulary));
}
