using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Layers;

namespace EdgeLlm.Models.Inspection;

/// <summary>How the direction of a layer comes from pairs of texts.</summary>
public enum SteeringMethod
{
    /// <summary>The mean of the differences.</summary>
    Mean,

    /// <summary>Their first principal component, with the length and the sign of the mean.</summary>
    Pca,
}

/// <summary>Makes control vectors: directions in a model's residual stream from texts of one kind to texts of another.</summary>
public sealed unsafe class Steering(LanguageModel model)
{
    /// <summary>Of each layer, the difference of the last token's stream between pairs of texts.</summary>
    /// <param name="positive">Texts as tokens, each at least one.</param>
    /// <param name="negative">As many, each the pair of the one of its number.</param>
    /// <param name="method">How the pairs' differences become one.</param>
    /// <param name="name">What the vector is called.</param>
    /// <param name="cancellationToken">Ends it between two texts.</param>
    /// <exception cref="ArgumentException">Not as many texts of both kinds, none, or one that does not fit into the context.</exception>
    public ControlVector Make(IReadOnlyList<int[]> positive, IReadOnlyList<int[]> negative, SteeringMethod method, string name,
        CancellationToken cancellationToken = default)
    {
        if (positive.Count == 0 || positive.Count != negative.Count)
            throw new ArgumentException(
                $"{positive.Count} and {negative.Count} texts are no pairs: as many are needed of both, at least one");
        int layers = model.Info.BlockCount, width = model.Info.EmbeddingLength;
        float[][][] differences = new float[positive.Count][][]; // [pairs][layers][width]
        for (int pair = 0; pair < positive.Count; pair++)
        {
            float[][] first = LastStreams(positive[pair], cancellationToken), second = LastStreams(negative[pair], cancellationToken);
            differences[pair] = [.. first.Zip(second, (x, y) => x.Zip(y, (a, b) => a - b).ToArray())];
        }
        float[]?[] directions = new float[]?[layers];
        for (int layer = 1; layer < layers; layer++)
        {
            double[] mean = new double[width];
            foreach (float[][] pair in differences)
            {
                for (int i = 0; i < width; i++) mean[i] += pair[layer][i] / (double)differences.Length;
            }
            // Each layer adds its own to one stream: by their number, so that a scale of 1 moves the stream about as far as the two kinds
            // are apart.
            directions[layer] =
                [.. (method == SteeringMethod.Mean ? mean
                    : FirstComponent([.. differences.Select(pair => pair[layer])], mean)).Select(number => (float)(number / (layers - 1)))];
        }
        return new ControlVector(name, directions);
    }

    /// <summary>The stream [layers][width] after each layer, of a text's last token.</summary>
    private float[][] LastStreams(int[] tokens, CancellationToken cancellation)
    {
        float[][] streams = new float[model.Info.BlockCount][];
        using KvCache cache = model.CreateCache();
        try
        {
            model.LayerObserver = (layer, pass) =>
            {
                Operand stream = model.Steps.Stream;
                streams[layer] = new ReadOnlySpan<float>(stream.Row(pass.Tokens - 1), stream.Width).ToArray();
            };
            model.Forward(tokens, cache, cancellation);
        }
        finally
        {
            model.LayerObserver = null;
        }
        return streams;
    }

    /// <summary>
    /// The direction in which pairs' differences, of both signs, spread most, with the length and the sign of their mean: power iteration
    /// on X'X. It begins with the longest difference, since the mean can be orthogonal to what it looks for.
    /// </summary>
    /// <param name="differences">[pairs][width].</param>
    /// <param name="mean">Their mean.</param>
    internal static double[] FirstComponent(IReadOnlyList<float[]> differences, double[] mean)
    {
        const int MostRounds = 500;
        const double Steady = 1e-20; // of a round's squared change
        double length = Math.Sqrt(Dot(mean, mean));
        double[] direction = Unit([.. differences.MaxBy(Square)!.Select(number => (double)number)]);
        double change = 1;
        for (int round = 0; round < MostRounds && change > Steady; round++)
        {
            double[] next = new double[mean.Length];
            foreach (float[] difference in differences)
            {
                double share = 0;
                for (int i = 0; i < next.Length; i++) share += difference[i] * direction[i];
                for (int i = 0; i < next.Length; i++) next[i] += share * difference[i];
            }
            next = Unit(next);
            change = next.Zip(direction, (x, y) => (x - y) * (x - y)).Sum();
            direction = next;
        }
        double signed = Dot(mean, direction) < 0 ? -length : length;
        return [.. direction.Select(number => number * signed)];
    }

    private static double Square(float[] numbers) => numbers.Sum(number => (double)number * number);

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double[] Unit(double[] numbers)
    {
        double length = Math.Sqrt(Dot(numbers, numbers));
        return length == 0 ? numbers : [.. numbers.Select(number => number / length)];
    }
}
