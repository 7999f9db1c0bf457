using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Tests.Models;

namespace EdgeLlm.Tests.Quantization;

/// <summary>Derivatives against differences of the forward pass.</summary>
public sealed class LayerPassTests
{
    private const int Length = 12;

    private static readonly ModelConfig Config = ConfigOf(window: 0);

    private readonly Random _random = new(5);

    private static ModelConfig ConfigOf(int window) =>
        new(TestSpecs.Llama(layers: 1, width: 32, heads: 4, dimension: 8, feedForward: 48, vocabulary: 64, keyValueHeads: 2, window: window));

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void Derivatives_are_what_small_changes_do(int slidingWindow)
    {
        ModelConfig config = ConfigOf(slidingWindow);
        DecoderLayer layer = RandomLayer();
        const int Tokens = 2 * Length;
        float[] x = Numbers(Tokens * config.EmbeddingLength, 1), direction = Numbers(x.Length, 1);
        var pass = new LayerPass(config, new LayerOperations(config, Length), Tokens, new LayerScratch(config, Tokens));
        Run(x);
        float[] derivatives = (float[])direction.Clone();
        var gradient = new LayerGradient(config);
        pass.Backward(layer, x, derivatives, Tokens, gradient);

        foreach (int i in new[] { 0, 37, 200, Length * 32 - 1, x.Length - 1 }) Check(derivatives[i], step => With(ref x[i], step));
        foreach (int i in new[] { 0, 17 })
        {
            Check(gradient.AttentionNorm[i], step => With(ref layer.AttentionNorm[i], step));
            Check(gradient.FeedForwardNorm[i], step => With(ref layer.FeedForwardNorm[i], step));
        }
        foreach (LinearMap map in layer.Maps)
        {
            foreach (int row in new[] { 0, map.Rows - 1 }) Check(gradient.AllRows[map.Name][row], step => WithRow(map, row, 1 + step));
        }

        float[] Run(float[] input)
        {
            float[] result = (float[])input.Clone();
            pass.Forward(layer, result, 0, Tokens);
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

        double WithRow(LinearMap map, int row, float factor)
        {
            float[] before = [.. map.Weights.AsSpan(row * map.Columns, map.Columns)];
            for (int c = 0; c < map.Columns; c++) map.Weights[row * map.Columns + c] *= factor;
            double loss = Loss();
            before.CopyTo(map.Weights.AsSpan(row * map.Columns));
            return loss;
        }
    }

    private static void Check(double derivative, Func<float, double> loss)
    {
        const float Step = 4e-3f;
        double expected = (loss(Step) - loss(-Step)) / (2 * Step);
        Assert.InRange(derivative, expected - 0.01 * Math.Abs(expected) - 0.01, expected + 0.01 * Math.Abs(expected) + 0.01);
    }

    private DecoderLayer RandomLayer()
    {
        int width = Config.EmbeddingLength;
        return new DecoderLayer
        {
            AttentionNorm = [.. Numbers(width, 0.2f).Select(x => 1 + x)],
            FeedForwardNorm = [.. Numbers(width, 0.2f).Select(x => 1 + x)],
            Query = Map("q", Config.QueryWidth, width),
            Key = Map("k", Config.KeyValueWidth, width),
            Value = Map("v", Config.KeyValueWidth, width),
            AttentionOutput = Map("o", width, Config.QueryWidth),
            Gate = Map("gate", Config.FeedForwardLength, width),
            Up = Map("up", Config.FeedForwardLength, width),
            Down = Map("down", width, Config.FeedForwardLength),
        };
    }

    private LinearMap Map(string name, int rows, int columns) => new(name, Numbers(rows * columns, 0.3f), rows, columns, Numbers(rows, 0.3f));

    private float[] Numbers(int count, float size) => [.. Enumerable.Range(0, count).Select(_ => size * (2 * _random.NextSingle() - 1))];
}
