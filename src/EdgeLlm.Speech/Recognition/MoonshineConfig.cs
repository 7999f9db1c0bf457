using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Sizes of a Moonshine model: config.json of a folder, keys `moonshine.*` or `moonshine_streaming.*` of a GGUF file.</summary>
internal sealed record MoonshineConfig
{
    public const string Architecture = "moonshine", StreamingArchitecture = "moonshine_streaming";

    private const int MostWidth = 1 << 14, MostLayers = 256, MostPositions = 1 << 16, MostVocabulary = 1 << 20;

    /// <summary>The encoder's frames are final after a fixed lag, and see a window only.</summary>
    public required bool IsStreaming { get; init; }

    public required int Vocabulary { get; init; }

    public required StackSpec Encoder { get; init; }

    public required StackSpec Decoder { get; init; }

    /// <summary>Most tokens; of a streaming one most frames, too.</summary>
    public required int Positions { get; init; }

    /// <summary>Samples of a frame of the streaming encoder's front end.</summary>
    public int FrameSamples { get; init; } = 80;

    /// <summary>The embedding is the head, too.</summary>
    public bool IsTied { get; init; } = true;

    public string Name => IsStreaming ? StreamingArchitecture : Architecture;

    /// <summary>Frames of the encoder that may still change: the sum of what its layers see ahead.</summary>
    public int LagFrames => Encoder.Windows.Sum(window => window.After);

    /// <exception cref="ModelException">A field is missing or out of range.</exception>
    public static MoonshineConfig Of(JsonPart config)
    {
        bool isStreaming = config.Require("model_type").Text() == StreamingArchitecture;
        JsonPart encoder = isStreaming ? config.Require("encoder_config") : config;
        string own = isStreaming ? "" : "encoder_", other = isStreaming ? "" : "decoder_";
        JsonPart rope = config.Find("rope_parameters") ?? config;
        double factor = rope.Find("partial_rotary_factor")?.Number(0, 1) ?? 0.9, theta = rope.Find("rope_theta")?.Number(1, 1e9) ?? 10_000;
        if ((rope.Find("rope_type") ?? config.Find("rope_scaling")) is { } scaling
            && !(scaling.Element.ValueKind == System.Text.Json.JsonValueKind.String && scaling.Text() == "default"))
            throw scaling.Error("is another than default rotary positions, which are not known here");
        var result = new MoonshineConfig
        {
            IsStreaming = isStreaming,
            Vocabulary = (int)config.Require("vocab_size").Integer(1, MostVocabulary),
            Positions = (int)(config.Find("max_position_embeddings")?.Integer(1, MostPositions) ?? 512),
            FrameSamples = isStreaming ? (int)Math.Round(encoder.Require("sample_rate").Number(1, 1e6) * encoder.Require("frame_ms")
                .Number(0.1, 1000) / 1000) : 80,
            IsTied = config.Find("tie_word_embeddings")?.Flag() ?? !isStreaming,
            Encoder = Stack(encoder, "enc", own, isGated: false, factor, theta) with { Windows = isStreaming ? Windows(encoder) : [] },
            Decoder = Stack(config, "dec", other, isGated: true, factor, theta),
        };
        if (isStreaming) result = result with { Encoder = result.Encoder with { RopeDimension = 0 } };
        if (isStreaming && config.Find("encoder_hidden_size") is { } width && width.Integer(1, MostWidth) != result.Encoder.Width)
            throw width.Error($"is another than the encoder's hidden_size, {result.Encoder.Width}");
        return result.Checked(config.File);
    }

    /// <exception cref="ModelException">A number is out of range.</exception>
    /// <exception cref="GgufException">A key is missing or of another type.</exception>
    public static MoonshineConfig Of(GgufFile file)
    {
        GgufMetadata keys = file.Metadata;
        string name = keys.GetString("general.architecture");
        int[] windows = keys.Contains(name + ".encoder.windows") ? keys.GetArray<int>(name + ".encoder.windows") : [];
        return new MoonshineConfig
        {
            IsStreaming = name == StreamingArchitecture,
            Vocabulary = Size("vocab_size", MostVocabulary),
            Positions = Size("context_length", MostPositions),
            FrameSamples = Size("frame_samples", MostPositions),
            IsTied = file.FindTensor("output.weight") is null,
            Encoder = Stack("encoder", "enc", isGated: false) with
            {
                Windows =
                [.. windows.Chunk(2).Where(pair => pair.Length == 2).Select(pair => (pair[0], pair[1]))]
            },
            Decoder = Stack("decoder", "dec", isGated: true),
        }.Checked(file.Path);

        int Size(string key, int most, int least = 1) =>
            keys.GetUInt32($"{name}.{key}") is var size && size >= least && size <= most ? (int)size
                : throw keys.Error($"{name}.{key}", $"is {size}; it must be {least} to {most}");

        StackSpec Stack(string part, string prefix, bool isGated) => new()
        {
            Prefix = prefix,
            Layers = Size(part + ".block_count", MostLayers),
            Width = Size(part + ".embedding_length", MostWidth),
            Heads = Size(part + ".attention.head_count", 1024),
            KeyValueHeads = Size(part + ".attention.head_count_kv", 1024),
            HeadDimension = Size(part + ".attention.key_length", 1024),
            FeedForward = Size(part + ".feed_forward_length", MostWidth * 8),
            RopeDimension = Size(part + ".rope.dimension_count", 1024, least: 0),
            RopeBase = keys.GetFloat($"{name}.rope.freq_base", 10_000),
            Activation = isGated ? Activation.Silu : Activation.Gelu,
            IsGated = isGated,
        };
    }

    /// <summary>The keys that <see cref="Of(GgufFile)"/> reads.</summary>
    public IEnumerable<(string Key, GgufValue Value)> Keys()
    {
        yield return Size("vocab_size", Vocabulary);
        yield return Size("context_length", Positions);
        yield return Size("frame_samples", FrameSamples);
        yield return ($"{Name}.rope.freq_base", GgufValue.Of((float)Decoder.RopeBase));
        foreach ((string part, StackSpec stack) in new[] { ("encoder", Encoder), ("decoder", Decoder) })
        {
            yield return Size(part + ".block_count", stack.Layers);
            yield return Size(part + ".embedding_length", stack.Width);
            yield return Size(part + ".attention.head_count", stack.Heads);
            yield return Size(part + ".attention.head_count_kv", stack.KeyValueHeads);
            yield return Size(part + ".attention.key_length", stack.HeadDimension);
            yield return Size(part + ".feed_forward_length", stack.FeedForward);
            yield return Size(part + ".rope.dimension_count", stack.RopeDimension);
        }
        if (Encoder.Windows.Count > 0)
            yield return ($"{Name}.encoder.windows",
                GgufValue.OfArray<int>([.. Encoder.Windows.SelectMany(window => new[] { window.Before, window.After })]));

        (string, GgufValue) Size(string key, int value) => ($"{Name}.{key}", GgufValue.Of((uint)value));
    }

    private static StackSpec Stack(JsonPart config, string prefix, string own, bool isGated, double factor, double theta)
    {
        JsonPart Field(string name) => config.Find(own + name) ?? config.Require(name);
        int width = (int)config.Require("hidden_size").Integer(1, MostWidth), heads = (int)Field("num_attention_heads").Integer(1, 1024);
        string activation = isGated ? "silu" : "gelu";
        if ((config.Find(own + "hidden_act") ?? config.Find("hidden_act")) is { } given && given.Text() != activation)
            throw given.Error($"is '{FolderFile.Printable(given.Text())}'; Moonshine has {activation} here");
        int dimension = (int)(config.Find("head_dim")?.Integer(1, 1024) ?? width / heads);
        return new StackSpec
        {
            Prefix = prefix,
            Layers = (int)Field("num_hidden_layers").Integer(1, MostLayers),
            Width = width,
            Heads = heads,
            KeyValueHeads =
                (int)((config.Find(own + "num_key_value_heads") ?? config.Find("num_key_value_heads"))?.Integer(1, 1024) ?? heads),
            HeadDimension = dimension,
            FeedForward = (int)config.Require("intermediate_size").Integer(1, MostWidth * 8),
            RopeDimension = (int)(dimension * factor),
            RopeBase = theta,
            Activation = isGated ? Activation.Silu : Activation.Gelu,
            IsGated = isGated,
        };
    }

    /// <summary>Windows [l, r] of the reference: frame i sees j with 0 &lt;= i - j &lt; l or 0 &lt; j - i &lt; r.</summary>
    private static (int, int)[] Windows(JsonPart encoder) =>
    [
        .. encoder.Require("sliding_windows").Items().Take(MostLayers + 1)
            .Select(pair => pair.Items().Take(3).ToArray() is [var left, var right]
            ? ((int)left.Integer(1, MostPositions), (int)Math.Max(0, right.Integer(0, MostPositions) - 1))
            : throw pair.Error("is not two numbers")),
    ];

    private MoonshineConfig Checked(string file)
    {
        foreach (StackSpec stack in new[] { Encoder, Decoder })
        {
            if (stack.Heads % stack.KeyValueHeads != 0)
                throw new ModelException(file, $"has {stack.Heads} heads, which its {stack.KeyValueHeads} key heads don't divide");
            if ((stack.RopeDimension + 1) / 2 * 2 > stack.HeadDimension)
                throw new ModelException(file, $"turns {stack.RopeDimension} numbers of a head that has {stack.HeadDimension}");
        }
        if (IsStreaming && Encoder.Windows.Count != Encoder.Layers)
            throw new ModelException(file, $"has {Encoder.Windows.Count} windows for {Encoder.Layers} layers of the encoder");
        if (Encoder.Windows.Any(window => window.Before < 1 || window.After < 0))
            throw new ModelException(file, "has a window of the encoder that is empty");
        if (FrameSamples is < 1 or > 4096) throw new ModelException(file, $"has frames of {FrameSamples} samples");
        return this;
    }
}
