using EdgeLlm.HuggingFace;

namespace EdgeLlm.Quantization.Import;

/// <summary>What a config.json says of a decoder's sizes, read by the rules of its family.</summary>
internal sealed record ModelShape
{
    private const int MostLayers = 1000;
    private const int MostSize = 1 << 28;

    /// <summary>hidden_size</summary>
    public required int Width { get; init; }

    /// <summary>num_hidden_layers</summary>
    public required int Layers { get; init; }

    /// <summary>intermediate_size</summary>
    public required int FeedForward { get; init; }

    /// <summary>num_attention_heads</summary>
    public required int Heads { get; init; }

    /// <summary>num_key_value_heads</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>head_dim</summary>
    public required int HeadDimension { get; init; }

    /// <summary>vocab_size: rows of the embedding.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>max_position_embeddings</summary>
    public required int ContextLength { get; init; }

    /// <summary>rms_norm_eps</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>tie_word_embeddings: the embedding is the head too.</summary>
    public required bool TiesEmbedding { get; init; }

    /// <summary>attention_bias</summary>
    public required bool HasAttentionBias { get; init; }

    /// <summary>mlp_bias</summary>
    public required bool HasFeedForwardBias { get; init; }

    /// <summary>sliding_window: positions that a token sees; 0: all.</summary>
    public required int Window { get; init; }

    public required RopeRule Rope { get; init; }

    public int QueryWidth => Heads * HeadDimension;

    public int KeyValueWidth => KeyValueHeads * HeadDimension;

    public static ModelShape Read(JsonPart config, ModelFamily family)
    {
        int width = Size("hidden_size"), heads = Size("num_attention_heads");
        if (family.HasWindow)
        {
            // Where these are missing the reference takes numbers of one particular model.
            config.RequireField("num_key_value_heads");
            config.RequireField("sliding_window");
        }
        int keyValueHeads = config.Find("num_key_value_heads") is { } few ? (int)few.Integer(1, heads) : heads;
        if (heads % keyValueHeads != 0) throw config.Require("num_key_value_heads").Error($"is {keyValueHeads}, and num_attention_heads {heads} is no multiple of it");
        if (config.Find("head_dim") is null && width % heads != 0) throw config.Require("num_attention_heads").Error($"is {heads}, and hidden_size {width} is no multiple of it");
        int dimension = config.Find("head_dim") is { } given ? (int)given.Integer(2, 1 << 14) : width / heads;
        if (dimension % 2 != 0) throw config.Error($"has heads of {dimension} numbers; rotary positions need an even number");
        if ((long)heads * dimension > MostSize) throw config.Require("num_attention_heads").Error($"is {heads}: heads of {dimension} numbers are too many");
        if (config.Find("hidden_act") is { } activation && activation.Text() is not ("silu" or "swish")) throw activation.Error($"is '{FolderFile.Printable(activation.Text())}', and this family runs with silu only");
        if (config.Find("quantization_config") is { } quantized) throw quantized.Error("is there: the weights are quantized already, in a form that is not read");
        int context = Size("max_position_embeddings");
        return new ModelShape
        {
            Width = width,
            Layers = (int)config.Require("num_hidden_layers").Integer(1, MostLayers),
            FeedForward = Size("intermediate_size"),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadDimension = dimension,
            Vocabulary = Size("vocab_size"),
            ContextLength = context,
            NormEpsilon = (float)(config.Find("rms_norm_eps")?.Number(0, 1) ?? 1e-6),
            TiesEmbedding = Flag("tie_word_embeddings"),
            HasAttentionBias = family.MayHaveBiases && Flag("attention_bias"),
            HasFeedForwardBias = family.MayHaveBiases && Flag("mlp_bias"),
            Window = family.HasWindow ? (int)(config.Find("sliding_window")?.Integer(1, MostSize) ?? 0) : 0,
            Rope = RopeRule.Read(config, dimension, context),
        };

        int Size(string name) => (int)config.Require(name).Integer(1, MostSize);

        bool Flag(string name) => config.Find(name)?.Flag() ?? false;
    }
}
