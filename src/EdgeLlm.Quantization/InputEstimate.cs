using System.Buffers;
using System.Numerics.Tensors;
using EdgeLlm.Gguf;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization;

/// <summary>
/// About how large the inputs of each matrix are, by the weights alone: the mean squares of the embedding's columns are carried through the layers
/// as if all numbers were independent, each row of a matrix adding up those of its columns. Rough in the middle of a model, but it finds the columns of
/// the first layers that count a hundred times as much as their neighbours. It ends where a tensor is not what the model's numbers say.
/// </summary>
internal sealed class InputEstimate
{
    private const int SampleTokens = 1024;

    // The mean of some values that attention takes has a smaller square than each of them.
    private const float AttentionShare = 0.3f;

    private readonly GgufFile _file;
    private readonly CancellationToken _cancellation;
    private readonly Dictionary<string, float[]> _means = [];

    private InputEstimate(GgufFile file, CancellationToken cancellation) => (_file, _cancellation) = (file, cancellation);

    /// <exception cref="ModelException">A weight is not finite.</exception>
    public static ImportanceMatrix Of(GgufFile file, CancellationToken cancellation)
    {
        var estimate = new InputEstimate(file, cancellation);
        ModelConfig config = ModelConfig.Read(file);
        if (estimate.Find(TensorOrder.Embedding, config.VocabularySize, config.EmbeddingLength) is { } embedding)
        {
            (float[] stream, float[] normalized) = estimate.ReadEmbedding(embedding);
            for (int l = 0; l < config.BlockCount && estimate.HasLayer(config, l); l++) estimate.PassLayer(config, l, stream, l == 0 ? normalized : stream);
        }
        return new ImportanceMatrix("the weights", "", chunks: 0, chunkTokens: 0, estimate._means);
    }

    /// <summary>Mean squares of the embedding's columns, of some tokens: as they are, and each token over its own mean square.</summary>
    private (float[] Stream, float[] Normalized) ReadEmbedding(GgufTensor embedding)
    {
        var rows = new WeightRows(_file, embedding);
        float[] stream = new float[embedding.Columns], normalized = new float[stream.Length], row = new float[stream.Length];
        long tokens = Math.Min(SampleTokens, embedding.Rows);
        for (long t = 0; t < tokens; t++)
        {
            rows.Read(t * embedding.Rows / tokens, row);
            TensorPrimitives.Multiply(row, row, row);
            TensorPrimitives.Add(stream, row, stream);
            TensorPrimitives.MultiplyAdd(row, 1 / MathF.Max(Reductions.Sum(row), float.Epsilon), normalized, normalized);
        }
        TensorPrimitives.Divide(stream, tokens, stream);
        return (stream, normalized);
    }

    private bool HasLayer(ModelConfig config, int layer)
    {
        int width = config.EmbeddingLength, keyValue = config.KeyValueWidth, feedForward = config.FeedForwardLength;
        return Has("attn_norm", 1, width) && Has("attn_v", keyValue, width) && Has("attn_output", width, config.QueryWidth)
            && Has("ffn_norm", 1, width) && Has("ffn_gate", feedForward, width) && Has("ffn_up", feedForward, width) && Has("ffn_down", width, feedForward);

        bool Has(string part, int rows, int columns) => Find(SourceModel.Name(layer, part), rows, columns) is not null;
    }

    private GgufTensor? Find(string name, int rows, int columns) =>
        _file.FindTensor(name) is { } tensor && tensor.Rows == rows && tensor.Columns == columns && WeightRows.CanRead(tensor) ? tensor : null;

    private void PassLayer(ModelConfig config, int layer, float[] stream, float[] input)
    {
        float[] attention = Norm(input, layer, "attn_norm");
        foreach (string part in new[] { "attn_q", "attn_k", "attn_v" }) _means[SourceModel.Name(layer, part)] = attention;
        float[] values = Squares(layer, "attn_v", attention);
        int dimension = config.HeadDimension, group = config.HeadCount / config.KeyValueHeadCount;
        Add(stream, Squares(layer, "attn_output", [.. Enumerable.Range(0, config.QueryWidth).Select(i => AttentionShare * values[i / dimension / group * dimension + i % dimension])]));

        float[] feedForward = Norm(stream, layer, "ffn_norm");
        foreach (string part in new[] { "ffn_gate", "ffn_up" }) _means[SourceModel.Name(layer, part)] = feedForward;
        float[] down = [.. Squares(layer, "ffn_gate", feedForward).Zip(Squares(layer, "ffn_up", feedForward), static (gate, up) => Silu(gate) * up)];
        _means[SourceModel.Name(layer, "ffn_down")] = down;
        Add(stream, Squares(layer, "ffn_down", down));
    }

    private static void Add(float[] stream, float[] more) => TensorPrimitives.Add(stream, more, stream);

    /// <summary>About the mean square of silu(x), by that of x: half a normal distribution stays where it is wide, x / 2 where it is narrow.</summary>
    private static float Silu(float square) => square * (0.25f + 0.25f * MathF.Min(1, square / 4));

    /// <summary>Mean squares behind a norm.</summary>
    private float[] Norm(float[] stream, int layer, string part)
    {
        float[] squares = new float[stream.Length];
        new WeightRows(_file, _file.FindTensor(SourceModel.Name(layer, part))!).Read(0, squares);
        TensorPrimitives.Multiply(squares, squares, squares);
        TensorPrimitives.Multiply(squares, stream, squares);
        TensorPrimitives.Divide(squares, MathF.Max(Reductions.Sum(stream) / stream.Length, float.Epsilon), squares);
        return squares;
    }

    /// <summary>The mean square of what each row of a matrix computes.</summary>
    private float[] Squares(int layer, string part, float[] inputs)
    {
        const int Block = 32;
        GgufTensor tensor = _file.FindTensor(SourceModel.Name(layer, part))!;
        var rows = new WeightRows(_file, tensor);
        float[] squares = new float[tensor.Rows], roots = new float[inputs.Length];
        TensorPrimitives.Sqrt<float>(inputs, roots);
        ParallelWork.ForAll((squares.Length + Block - 1) / Block, _cancellation, block =>
        {
            int first = block * Block, count = Math.Min(Block, squares.Length - first), columns = roots.Length;
            float[] weights = ArrayPool<float>.Shared.Rent(count * columns);
            rows.Read(first, weights.AsSpan(0, count * columns));
            for (int row = 0; row < count; row++)
            {
                Span<float> numbers = weights.AsSpan(row * columns, columns);
                TensorPrimitives.Multiply(numbers, roots, numbers);
                squares[first + row] = Reductions.SumOfSquares(numbers);
            }
            ArrayPool<float>.Shared.Return(weights);
        });
        return squares;
    }
}
