using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// Sizes and decoding rules of a Whisper model: config.json and generation_config.json of a folder, keys `whisper.*` of a GGUF file.
/// </summary>
internal sealed record WhisperConfig
{
    public const string Architecture = "whisper";

    private const int MostWidth = 1 << 14, MostLayers = 256, MostPositions = 1 << 15, MostVocabulary = 1 << 20;

    public required int Vocabulary { get; init; }

    public required int Width { get; init; }

    public required int Bands { get; init; }

    public required int EncoderLayers { get; init; }

    public required int EncoderHeads { get; init; }

    public required int EncoderFeedForward { get; init; }

    /// <summary>Positions of a window: 1500, two frames each.</summary>
    public required int EncoderPositions { get; init; }

    public required int DecoderLayers { get; init; }

    public required int DecoderHeads { get; init; }

    public required int DecoderFeedForward { get; init; }

    /// <summary>Most tokens of a window, prompt and text: 448.</summary>
    public required int DecoderPositions { get; init; }

    /// <summary>Tokens that never come.</summary>
    public IReadOnlyList<int> Suppressed { get; init; } = [];

    /// <summary>Tokens that never come first.</summary>
    public IReadOnlyList<int> SuppressedFirst { get; init; } = [];

    /// <summary>Heads of the cross attention that follow the words: layer and head.</summary>
    public IReadOnlyList<(int Layer, int Head)> AlignmentHeads { get; init; } = [];

    /// <summary>How far from the window's start the first timestamp may be, in steps of 20 ms.</summary>
    public int MostInitialTimestamp { get; init; } = 50;

    public StackSpec Encoder => new()
    {
        Prefix = "enc",
        Layers = EncoderLayers,
        Width = Width,
        Heads = EncoderHeads,
        KeyValueHeads = EncoderHeads,
        HeadDimension = Width / EncoderHeads,
        FeedForward = EncoderFeedForward,
    };

    public StackSpec Decoder => new()
    {
        Prefix = "dec",
        Layers = DecoderLayers,
        Width = Width,
        Heads = DecoderHeads,
        KeyValueHeads = DecoderHeads,
        HeadDimension = Width / DecoderHeads,
        FeedForward = DecoderFeedForward,
    };

    /// <param name="generation">generation_config.json, or null.</param>
    /// <exception cref="ModelException">A field is missing or out of range.</exception>
    public static WhisperConfig Of(JsonPart config, JsonPart? generation)
    {
        int Size(string name, int most) => (int)config.Require(name).Integer(1, most);
        if (config.Find("activation_function") is { } activation && activation.Text() != "gelu")
            throw activation.Error($"is '{FolderFile.Printable(activation.Text())}'; Whisper has gelu");
        if (config.Find("scale_embedding") is { } scale && scale.Flag()) throw scale.Error("is true, which is not done here");
        int[] Ids(string name) =>
            [.. ((generation?.Find(name) ?? config.Find(name))?.Items() ?? []).Take(MostVocabulary)
                .Select(id => (int)id.Integer(-1, int.MaxValue)).Where(id => id >= 0)];
        return new WhisperConfig
        {
            Vocabulary = Size("vocab_size", MostVocabulary),
            Width = Size("d_model", MostWidth),
            Bands = Size("num_mel_bins", 256),
            EncoderLayers = Size("encoder_layers", MostLayers),
            EncoderHeads = Size("encoder_attention_heads", 1024),
            EncoderFeedForward = Size("encoder_ffn_dim", MostWidth * 8),
            EncoderPositions = Size("max_source_positions", MostPositions),
            DecoderLayers = Size("decoder_layers", MostLayers),
            DecoderHeads = Size("decoder_attention_heads", 1024),
            DecoderFeedForward = Size("decoder_ffn_dim", MostWidth * 8),
            DecoderPositions = Size("max_target_positions", MostPositions),
            Suppressed = Ids("suppress_tokens"),
            SuppressedFirst = Ids("begin_suppress_tokens"),
            AlignmentHeads = [.. (generation?.Find("alignment_heads")?.Items() ?? []).Take(1024).Select(Pair)],
            MostInitialTimestamp = (int?)generation?.Find("max_initial_timestamp_index")?.Integer(0, MostPositions) ?? 50,
        }.Checked(config.File);

        static (int, int) Pair(JsonPart pair) =>
            pair.Items().Take(3).ToArray() is [var layer, var head] ? ((int)layer.Integer(0, MostLayers), (int)head.Integer(0, 1024))
                : throw pair.Error("is not a layer and a head");
    }

    /// <exception cref="ModelException">A number is out of range.</exception>
    /// <exception cref="GgufException">A key is missing or of another type.</exception>
    public static WhisperConfig Of(GgufFile file)
    {
        GgufMetadata keys = file.Metadata;
        int Size(string name, int most) =>
            keys.GetUInt32("whisper." + name) is var size && size >= 1 && size <= most ? (int)size
                : throw keys.Error("whisper." + name, $"is {size}; it must be 1 to {most}");
        int[] Ids(string name) => keys.Contains("whisper." + name) ? keys.GetArray<int>("whisper." + name) : [];
        int[] heads = Ids("alignment_heads");
        return new WhisperConfig
        {
            Vocabulary = Size("vocab_size", MostVocabulary),
            Width = Size("embedding_length", MostWidth),
            Bands = Size("mel_bands", 256),
            EncoderLayers = Size("encoder.block_count", MostLayers),
            EncoderHeads = Size("encoder.attention.head_count", 1024),
            EncoderFeedForward = Size("encoder.feed_forward_length", MostWidth * 8),
            EncoderPositions = Size("encoder.context_length", MostPositions),
            DecoderLayers = Size("decoder.block_count", MostLayers),
            DecoderHeads = Size("decoder.attention.head_count", 1024),
            DecoderFeedForward = Size("decoder.feed_forward_length", MostWidth * 8),
            DecoderPositions = Size("decoder.context_length", MostPositions),
            Suppressed = Ids("suppress_tokens"),
            SuppressedFirst = Ids("begin_suppress_tokens"),
            AlignmentHeads = [.. heads.Chunk(2).Where(pair => pair.Length == 2).Select(pair => (pair[0], pair[1]))],
            MostInitialTimestamp = keys.GetInt32("whisper.max_initial_timestamp", 50),
        }.Checked(file.Path);
    }

    /// <summary>The keys that <see cref="Of(GgufFile)"/> reads.</summary>
    public IEnumerable<(string Key, GgufValue Value)> Keys()
    {
        yield return Size("vocab_size", Vocabulary);
        yield return Size("embedding_length", Width);
        yield return Size("mel_bands", Bands);
        yield return Size("encoder.block_count", EncoderLayers);
        yield return Size("encoder.attention.head_count", EncoderHeads);
        yield return Size("encoder.feed_forward_length", EncoderFeedForward);
        yield return Size("encoder.context_length", EncoderPositions);
        yield return Size("decoder.block_count", DecoderLayers);
        yield return Size("decoder.attention.head_count", DecoderHeads);
        yield return Size("decoder.feed_forward_length", DecoderFeedForward);
        yield return Size("decoder.context_length", DecoderPositions);
        yield return Size("max_initial_timestamp", MostInitialTimestamp);
        if (Suppressed.Count > 0) yield return ("whisper.suppress_tokens", GgufValue.OfArray<int>([.. Suppressed]));
        if (SuppressedFirst.Count > 0) yield return ("whisper.begin_suppress_tokens", GgufValue.OfArray<int>([.. SuppressedFirst]));
        if (AlignmentHeads.Count > 0)
            yield return ("whisper.alignment_heads",
                GgufValue.OfArray<int>([.. AlignmentHeads.SelectMany(pair => new[] { pair.Layer, pair.Head })]));

        static (string, GgufValue) Size(string name, int value) => ("whisper." + name, GgufValue.Of((uint)value));
    }

    private WhisperConfig Checked(string file)
    {
        if (Width % EncoderHeads != 0 || Width % DecoderHeads != 0)
            throw new ModelException(file, $"has a width of {Width}, which {EncoderHeads} and {DecoderHeads} heads don't divide");
        int timestamps = EncoderPositions + 1;
        if (Vocabulary <= timestamps)
            throw new ModelException(file, $"has {Vocabulary} tokens, no more than the {timestamps} timestamps take");
        if (AlignmentHeads.FirstOrDefault(pair => pair.Layer >= DecoderLayers || pair.Layer < 0 || pair.Head >= DecoderHeads
            || pair.Head < 0) is { } wrong && wrong != default)
            throw new ModelException(file, $"has the alignment head {wrong.Layer}, {wrong.Head}, which the decoder doesn't have");
        return this;
    }
}
