using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Tests.Models;
using EdgeLlm.Training;

namespace EdgeLlm.Tests.Training;

/// <summary>Derivatives against differences of the forward pass.</summary>
public sealed class LayerPassTests
{
    private const int Length = 12;

    private readonly Random _random = new(5);

    [Theory]
    [InlineData(0, false)]
    [InlineData(5, false)]
    [InlineData(0, true)]
    public void Derivatives_are_what_small_changes_do(int window, bool isParallel)
    {
        const int Width = 32, Tokens = 2 * Length;
        ModelSpec spec = TestSpecs.Llama(layers: 1, width: Width, heads: 4, dimension: 8, feedForward: 48, vocabulary: 64,
            keyValueHeads: 2, window: window);
        ModelSteps steps = LayerBuilder.Build(isParallel ? TestSpecs.Parallel(spec) : spec);
        var program = new LayerProgram(steps.Layers[0], steps.Stream);
        LayerWeights layer = RandomLayer(steps.Layers[0]);
        float[] x = Numbers(Tokens * Width, 1), direction = Numbers(x.Length, 1);
        var pass = new LayerPass(new LayerArithmetic(Length), Tokens, new PassArrays(Tokens));
        Run(x);
        float[] derivatives = (float[])direction.Clone();
        var gradient = new LayerGradient();
        pass.Backward(program, layer, x, derivatives, gradient);

        foreach (int i in new[] { 0, 37, 200, Length * 32 - 1, x.Length - 1 }) Check(derivatives[i], step => With(ref x[i], step));
        TensorUse[] tensors = [.. steps.Layers[0].SelectMany(step => step.Tensors)];
        foreach (TensorUse use in tensors)
        {
            foreach (int i in new[] { 0, use.Rows - 1 })
            {
                if (use.Entry.IsMatrix) Check(gradient.Rows[use.Name][i], step => WithRow(use, i, 1 + step));
                else if (gradient.Norms.TryGetValue(use.Name, out float[]? norm))
                    Check(norm[i + 17], step => With(ref layer[use][i + 17], step));
            }
        }
        Assert.Equal((isParallel ? 1 : 2, 7), (gradient.Norms.Count, gradient.Rows.Count));

        float[] Run(float[] input)
        {
            float[] result = (float[])input.Clone();
            pass.Forward(program, layer, new FloatRows(result, 0), Tokens);
            return result;
        }

        double Loss() => Run(x).Zip(direction, (y, d) => (double)y * d).Sum();

        double With(ref float number, float step)
        {
            float before = number;
            number += step;
            double loss = Loss();
            number = before;
            return loss;
        }

        double WithRow(TensorUse use, int row, float factor)
        {
            Span<float> weights = layer[use].AsSpan(row * use.Columns, use.Columns);
            float[] before = weights.ToArray();
            foreach (ref float weight in weights) weight *= factor;
            double loss = Loss();
            before.CopyTo(weights);
            return loss;
        }
    }

    private static void Check(double derivative, Func<float, double> loss)
    {
        const float Step = 4e-3f;
        double expected = (loss(Step) - loss(-Step)) / (2 * Step);
        Assert.InRange(derivative, expected - 0.01 * Math.Abs(expected) - 0.01, expected + 0.01 * Math.Abs(expected) + 0.01);
    }

    private LayerWeights RandomLayer(IReadOnlyList<Step> steps)
    {
        var weights = new LayerWeights();
        foreach (TensorUse use in steps.SelectMany(step => step.Tensors))
            weights.Set(use, use.Role is TensorRole.AttentionNorm or TensorRole.FeedForwardNorm
                ? [.. Numbers(use.Columns, 0.2f).Select(x => 1 + x)] : Numbers(use.Rows * use.Columns, 0.3f));
        return weights;
    }

    private float[] Numbers(int count, float size) => [.. Enumerable.Range(0, count).Select(_ => size * (2 * _random.NextSingle() - 1))];
}
