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
                    : FirstComponent(differences, layer, mean)).Select(number => (float)(number / (layers - 1)))];
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

    /// <summary>The direction in which pairs' differences, of both signs, spread most: power iteration on X'X from the mean on.</summary>
    private static double[] FirstComponent(float[][][] differences, int layer, double[] mean)
    {
        const int Rounds = 50;
        double length = Math.Sqrt(mean.Sum(number => number * number));
        if (length == 0) return mean;
        double[] direction = [.. mean.Select(number => number / length)];
        for (int round = 0; round < Rounds; round++)
        {
            double[] next = new double[direction.Length];
            foreach (float[][] pair in differences)
            {
                double share = 0;
                for (int i = 0; i < next.Length; i++) share += pair[layer][i] * direction[i];
                for (int i = 0; i < next.Length; i++) next[i] += share * pair[layer][i];
            }
            double norm = Math.Sqrt(next.Sum(number => number * number));
            if (norm == 0) break;
            for (int i = 0; i < next.Length; i++) direction[i] = next[i] / norm;
        }
        double sign = 0;
        for (int i = 0; i < mean.Length; i++) sign += mean[i] * direction[i];
        return [.. direction.Select(number => number * length * Math.Sign(sign))];
    }
}
