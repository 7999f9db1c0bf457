using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>The model that is quantized, read as floats a part at a time.</summary>
internal sealed class SourceModel(GgufFile file)
{
    public ModelConfig Config { get; } = ModelConfig.Read(file);

    public GgufFile File { get; } = file;

    /// <summary>The matrix that makes logits: the embedding where the file has no head of its own.</summary>
    public string HeadName => File.FindTensor(TensorOrder.Head) is null ? TensorOrder.Embedding : TensorOrder.Head;

    /// <summary>[embedding]</summary>
    public float[] OutputNorm => Vector("output_norm.weight")!;

    public LayerNorms ReadNorms(int layer) => new(Vector(Name(layer, "attn_norm"))!, Vector(Name(layer, "ffn_norm"))!);

    /// <summary>A layer as it is in the source, in arrays of its own.</summary>
    public DecoderLayer ReadLayer(int layer) => MakeLayer(ReadNorms(layer), part =>
    {
        GgufTensor tensor = File.FindTensor(Name(layer, part))!;
        return new LinearMap(tensor.Name, ReadMatrix(tensor.Name), (int)tensor.Rows, (int)tensor.Columns, Vector($"blk.{layer}.{part}.bias"));
    });

    /// <summary>A layer as it is in the source.</summary>
    /// <param name="buffer">Another layer of this model, whose arrays the weights go to.</param>
    public DecoderLayer ReadLayer(int layer, DecoderLayer buffer) => ReadLayer(layer, ReadNorms(layer), buffer, new Dictionary<string, PackedMatrix>());

    /// <summary>A layer with these norms and the packed matrices; those that are not packed come from the source.</summary>
    /// <param name="buffer">Another layer of this model, whose arrays the weights go to.</param>
    public DecoderLayer ReadLayer(int layer, LayerNorms norms, DecoderLayer buffer, IReadOnlyDictionary<string, PackedMatrix> packed)
    {
        var arrays = buffer.Maps.ToDictionary(map => PartOf(map.Name));
        return MakeLayer(norms, part =>
        {
            string name = Name(layer, part);
            LinearMap map = arrays[part] with { Name = name, Bias = Vector($"blk.{layer}.{part}.bias") };
            if (packed.TryGetValue(name, out PackedMatrix? matrix)) matrix.ToFloat(map.Weights);
            else ReadRows(name, 0, map.Weights);
            return map;
        });
    }

    public static string Name(int layer, string part) => $"blk.{layer}.{part}.weight";

    /// <summary>x [tokens, embedding] = the embedding's rows.</summary>
    public void Embed(ReadOnlySpan<int> tokens, float[] x)
    {
        int width = Config.EmbeddingLength;
        var rows = new WeightRows(File, File.FindTensor(TensorOrder.Embedding)!);
        for (int t = 0; t < tokens.Length; t++) rows.Read(tokens[t], x.AsSpan(t * width, width));
    }

    /// <summary>The same from the packed embedding, where there is one.</summary>
    public void EmbedPacked(ReadOnlySpan<int> tokens, PackedMatrix? packed, float[] x)
    {
        if (packed is null)
        {
            Embed(tokens, x);
            return;
        }
        int width = Config.EmbeddingLength;
        float[] group = new float[PackedLayout.GroupRows * width];
        for (int t = 0; t < tokens.Length; t++)
        {
            int index = tokens[t] / PackedLayout.GroupRows, rows = Math.Min(PackedLayout.GroupRows, packed.Tensor.Rows - index * PackedLayout.GroupRows);
            packed.GroupToFloat(index, group.AsSpan(0, rows * width));
            group.AsSpan(tokens[t] % PackedLayout.GroupRows * width, width).CopyTo(x.AsSpan(t * width));
        }
    }

    /// <summary>Some rows of a matrix.</summary>
    public void ReadRows(string name, int firstRow, Span<float> rows) => new WeightRows(File, File.FindTensor(name)!).Read(firstRow, rows);

    public float[] ReadMatrix(string name)
    {
        GgufTensor tensor = File.FindTensor(name)!;
        float[] weights = new float[tensor.Rows * tensor.Columns];
        const int Rows = 64;
        ParallelWork.ForAll((int)((tensor.Rows + Rows - 1) / Rows), default, block =>
        {
            int first = block * Rows, count = (int)Math.Min(Rows, tensor.Rows - first), columns = (int)tensor.Columns;
            new WeightRows(File, tensor).Read(first, weights.AsSpan(first * columns, count * columns));
        });
        return weights;
    }

    private static DecoderLayer MakeLayer(LayerNorms norms, Func<string, LinearMap> map) => new()
    {
        AttentionNorm = norms.Attention,
        FeedForwardNorm = norms.FeedForward,
        Query = map("attn_q"),
        Key = map("attn_k"),
        Value = map("attn_v"),
        AttentionOutput = map("attn_output"),
        Gate = map("ffn_gate"),
        Up = map("ffn_up"),
        Down = map("ffn_down"),
    };

    /// <summary>blk.12.attn_q.weight is an attn_q.</summary>
    private static string PartOf(string name) => name.Split('.')[2];

    private float[]? Vector(string name)
    {
        if (File.FindTensor(name) is not { } tensor) return null;
        float[] vector = new float[tensor.Columns];
        new WeightRows(File, tensor).Read(0, vector);
        return vector;
    }

    /// <summary>The source's normed last hidden states of a text.</summary>
    /// <param name="stream">Gets them: [tokens, embedding].</param>
    /// <param name="progress">Gets the layers done.</param>
    public void HiddenStates(CalibrationText text, float[] stream, Action<double> progress, CancellationToken cancellation)
    {
        PassLayers(text, stream, see: null, progress, cancellation);
        new LayerOperations(Config, text.Length).Normalize(stream, 0, OutputNorm, stream, text.Tokens.Length);
    }

    /// <summary>A text goes through the layers, one after the other, some windows at a time.</summary>
    /// <param name="stream">Gets the residual stream behind the last layer: [tokens, embedding].</param>
    /// <param name="see">Gets what goes into matrices [tokens, columns], with the first of those that it goes into and the number of tokens.</param>
    /// <param name="progress">Gets the layers done.</param>
    public void PassLayers(CalibrationText text, float[] stream, Action<LinearMap, float[], int>? see, Action<double> progress, CancellationToken cancellation)
    {
        int batch = Math.Min(LayerPass.BatchWindows(Config, text.Length), text.Count);
        Embed(text.Tokens, stream);
        var operations = new LayerOperations(Config, text.Length);
        var pass = new LayerPass(Config, operations, batch * text.Length, new LayerScratch(Config, batch * text.Length));
        DecoderLayer buffer = ReadLayer(0);
        for (int l = 0; l < Config.BlockCount; l++)
        {
            DecoderLayer layer = l == 0 ? buffer : ReadLayer(l, buffer);
            for (int first = 0; first < text.Count; first += batch)
            {
                cancellation.ThrowIfCancellationRequested();
                progress(l + first / (double)text.Count);
                int tokens = Math.Min(batch, text.Count - first) * text.Length;
                pass.Forward(layer, stream, first * text.Length * Config.EmbeddingLength, tokens, see is null ? null : (map, x) => see(map, x, tokens));
            }
        }
        progress(Config.BlockCount);
    }
}
