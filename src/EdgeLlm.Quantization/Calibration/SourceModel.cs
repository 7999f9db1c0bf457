using EdgeLlm.Gguf;
using EdgeLlm.Models;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>The model that is quantized, read as floats a part at a time.</summary>
internal sealed class SourceModel(GgufFile file)
{
    public ModelConfig Config { get; } = ModelLoader.ReadConfig(file);

    public GgufFile File { get; } = file;

    /// <summary>The matrix that makes logits: the embedding where the file has no head of its own.</summary>
    public string HeadName => File.FindTensor(TensorOrder.Head) is null ? TensorOrder.Embedding : TensorOrder.Head;

    /// <summary>[embedding]</summary>
    public float[] OutputNorm => Vector("output_norm.weight")!;

    /// <summary>[pairs], or empty.</summary>
    public float[] RopeDivisors => Vector("rope_freqs.weight") ?? [];

    public DecoderLayer ReadLayer(int layer) => new()
    {
        AttentionNorm = Vector(Name(layer, "attn_norm"))!,
        FeedForwardNorm = Vector(Name(layer, "ffn_norm"))!,
        Query = ReadMap(layer, "attn_q"),
        Key = ReadMap(layer, "attn_k"),
        Value = ReadMap(layer, "attn_v"),
        AttentionOutput = ReadMap(layer, "attn_output"),
        Gate = ReadMap(layer, "ffn_gate"),
        Up = ReadMap(layer, "ffn_up"),
        Down = ReadMap(layer, "ffn_down"),
    };

    public static string Name(int layer, string part) => $"blk.{layer}.{part}.weight";

    /// <summary>x [tokens, embedding] = the embedding's rows.</summary>
    public void Embed(ReadOnlySpan<int> tokens, float[] x)
    {
        int width = Config.EmbeddingLength;
        var rows = new WeightRows(File, File.FindTensor(TensorOrder.Embedding)!);
        for (int t = 0; t < tokens.Length; t++) rows.Read(tokens[t], x.AsSpan(t * width, width));
    }

    /// <summary>Some rows of a matrix.</summary>
    public void ReadRows(string name, int firstRow, Span<float> rows) => new WeightRows(File, File.FindTensor(name)!).Read(firstRow, rows);

    public float[] ReadMatrix(string name)
    {
        GgufTensor tensor = File.FindTensor(name)!;
        float[] weights = new float[tensor.Rows * tensor.Columns];
        const int Rows = 64;
        Parallel.For(0, (int)((tensor.Rows + Rows - 1) / Rows), block =>
        {
            int first = block * Rows, count = (int)Math.Min(Rows, tensor.Rows - first), columns = (int)tensor.Columns;
            new WeightRows(File, tensor).Read(first, weights.AsSpan(first * columns, count * columns));
        });
        return weights;
    }

    private LinearMap ReadMap(int layer, string part)
    {
        string name = Name(layer, part);
        GgufTensor tensor = File.FindTensor(name)!;
        return new LinearMap(name, ReadMatrix(name), (int)tensor.Rows, (int)tensor.Columns, Vector($"blk.{layer}.{part}.bias"));
    }

    private float[]? Vector(string name)
    {
        if (File.FindTensor(name) is not { } tensor) return null;
        float[] vector = new float[tensor.Columns];
        new WeightRows(File, tensor).Read(0, vector);
        return vector;
    }
}
