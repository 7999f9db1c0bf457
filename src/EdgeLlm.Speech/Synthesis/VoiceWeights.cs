using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>A linear map y = W x + b.</summary>
/// <param name="weight">[rows, columns].</param>
/// <param name="bias">[rows], or null.</param>
internal readonly unsafe struct LinearMap(WeightMatrix weight, float* bias)
{
    public WeightMatrix Weight { get; } = weight;

    public float* Bias { get; } = bias;

    /// <summary>Numbers of a result.</summary>
    public int Rows => Weight.Rows;

    public int Columns => Weight.Columns;
}

/// <summary>Scale and shift of a layer norm, [width] each.</summary>
internal readonly unsafe struct LayerNorm(float* weight, float* bias)
{
    public const float Epsilon = 1e-5f;

    public float* Weight { get; } = weight;

    public float* Bias { get; } = bias;
}

/// <summary>A ConvNeXt block: depthwise convolution, layer norm, up, GELU, down, times gamma, plus its input.</summary>
internal sealed unsafe class BlockWeights
{
    public required int Width { get; init; }

    /// <summary>Rows that a result is made of.</summary>
    public required int Taps { get; init; }

    /// <summary>Rows from one tap to the next.</summary>
    public required int Dilation { get; init; }

    /// <summary>[Taps][Width].</summary>
    public required float* Convolution { get; init; }

    /// <summary>[Width].</summary>
    public required float* ConvolutionBias { get; init; }

    public required LayerNorm Norm { get; init; }

    public required LinearMap Up { get; init; }

    public required LinearMap Down { get; init; }

    /// <summary>[Width].</summary>
    public required float* Gamma { get; init; }
}

/// <summary>The decoder's first convolution, over rows of text, pitch and energy.</summary>
internal sealed unsafe class DecoderInputWeights
{
    public const int Taps = 7;

    public required int Width { get; init; }

    /// <summary>[Taps * Width, text]: what a phoneme's row gives to the results before, at and after it.</summary>
    public required WeightMatrix Text { get; init; }

    /// <summary>[Taps][2][Width]: of pitch and energy.</summary>
    public required float* Prosody { get; init; }

    /// <summary>[Width].</summary>
    public required float* Bias { get; init; }
}

/// <summary>An encoder of phonemes: embedding, blocks, one attention layer that is applied several times, a norm.</summary>
internal sealed unsafe class EncoderWeights
{
    public required int Width { get; init; }

    /// <summary>Number of ids.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>[Vocabulary][Width].</summary>
    public required float* Embedding { get; init; }

    public required BlockWeights[] Blocks { get; init; }

    /// <summary>How often the attention layer is applied.</summary>
    public required int Repeats { get; init; }

    public required LayerNorm AttentionNorm { get; init; }

    /// <summary>Queries, keys and values, one after the other.</summary>
    public required LinearMap QueriesKeysValues { get; init; }

    public required LinearMap AttentionOutput { get; init; }

    public required LayerNorm FeedForwardNorm { get; init; }

    public required LinearMap Up { get; init; }

    public required LinearMap Down { get; init; }

    public required LayerNorm Norm { get; init; }
}

/// <summary>Tensors of a voice's file, each checked against the shape that its part of the network needs.</summary>
internal sealed unsafe class VoiceTensors(GgufFile file)
{
    private const int MostWidth = 1024;
    private const int MostRows = 4096;

    public ModelException Error(string problem) => new(file.Path, problem);

    public bool Has(string name) => file.FindTensor(name) is not null;

    /// <summary>Numbers of a row of a tensor: a width of the network, a multiple of 32 and at most 1024.</summary>
    public int Width(string name)
    {
        long columns = Find(name).Columns;
        if (columns is <= 0 or > MostWidth || columns % 32 != 0)
            throw Error($"tensor '{name}' has rows of {columns} numbers, not a multiple of 32 up to {MostWidth}");
        return (int)columns;
    }

    /// <summary>Number of rows of a tensor, at most 4096.</summary>
    public int Rows(string name)
    {
        long rows = Find(name).Rows;
        return rows is > 0 and <= MostRows ? (int)rows : throw Error($"tensor '{name}' has {rows} rows, not 1 to {MostRows}");
    }

    /// <summary>A tensor of floats with a given number of elements, in the file.</summary>
    public float* Floats(string name, long count)
    {
        GgufTensor tensor = Find(name);
        if (tensor.Type != ElementType.F32 || tensor.ByteCount != count * sizeof(float))
            throw Error($"tensor '{name}' is {tensor.TypeName} of {tensor.ByteCount} bytes; the voice needs {count} numbers of F32");
        return (float*)file.Pointer(tensor);
    }

    /// <summary>`name.weight` [rows, columns], packed or of floats, and `name.bias` [rows].</summary>
    public LinearMap Linear(string name, int rows, int columns) => new(Matrix(name, rows, columns), Floats(name + ".bias", rows));

    /// <summary>`name.weight` [rows, columns], packed or of floats.</summary>
    public WeightMatrix Matrix(string name, int rows, int columns)
    {
        GgufTensor tensor = Find(name + ".weight");
        if (tensor.Rows != rows || tensor.Columns != columns)
            throw Error($"tensor '{name}.weight' is {tensor.Rows} x {tensor.Columns}; the voice needs {rows} x {columns}");
        byte* data = (byte*)file.Pointer(tensor);
        if (tensor.Packed is null && tensor.Type != ElementType.F32)
            throw Error($"tensor '{name}.weight' is {tensor.TypeName}; a voice's matrices are packed or F32");
        return tensor.Packed is { } packed ? new(data, packed.Layout, packed.Codebook, rows) : new(data, ElementType.F32, rows, columns);
    }

    public LayerNorm Norm(string name, int width) => new(Floats(name + ".weight", width), Floats(name + ".bias", width));

    /// <summary>A ConvNeXt block.</summary>
    public BlockWeights Block(string name, int width, int taps, int dilation)
    {
        int hidden = Rows(name + ".pw1.bias") is 1 ? Width(name + ".pw1.bias") : throw Error($"tensor '{name}.pw1.bias' is not a vector");
        return new BlockWeights
        {
            Width = width,
            Taps = taps,
            Dilation = dilation,
            Convolution = Floats(name + ".dw.weight", (long)taps * width),
            ConvolutionBias = Floats(name + ".dw.bias", width),
            Norm = Norm(name + ".norm", width),
            Up = Linear(name + ".pw1", hidden, width),
            Down = Linear(name + ".pw2", width, hidden),
            Gamma = Floats(name + ".gamma", width),
        };
    }

    public DecoderInputWeights DecoderInput(string name, int width, int textWidth) => new()
    {
        Width = width,
        Text = Matrix(name + ".text", DecoderInputWeights.Taps * width, textWidth),
        Prosody = Floats(name + ".prosody.weight", 2L * DecoderInputWeights.Taps * width),
        Bias = Floats(name + ".bias", width),
    };

    public EncoderWeights Encoder(string name, int repeats)
    {
        int width = Width(name + ".emb.weight"), vocabulary = Rows(name + ".emb.weight"), hidden = Width(name + ".attn.linear1.bias");
        return new EncoderWeights
        {
            Width = width,
            Vocabulary = vocabulary,
            Repeats = repeats,
            Embedding = Floats(name + ".emb.weight", (long)vocabulary * width),
            Blocks = [Block(name + ".convs.0", width, 5, 1), Block(name + ".convs.1", width, 5, 1)],
            AttentionNorm = Norm(name + ".attn.norm1", width),
            QueriesKeysValues = Linear(name + ".attn.self_attn.in_proj", 3 * width, width),
            AttentionOutput = Linear(name + ".attn.self_attn.out_proj", width, width),
            FeedForwardNorm = Norm(name + ".attn.norm2", width),
            Up = Linear(name + ".attn.linear1", hidden, width),
            Down = Linear(name + ".attn.linear2", width, hidden),
            Norm = Norm(name + ".norm", width),
        };
    }

    private GgufTensor Find(string name) =>
        file.FindTensor(name) ?? throw Error($"has no tensor '{name}': it is not a voice, or a damaged one");
}
