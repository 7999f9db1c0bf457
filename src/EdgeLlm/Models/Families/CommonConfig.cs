using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Fields of config.json that most families have.</summary>
internal static class CommonConfig
{
    public static int Width(JsonPart config, string name) => (int)config.Require(name).Integer(1, ModelKeys.MaximumWidth);

    public static int Length(JsonPart config, string name) => (int)config.Require(name).Integer(1, 1 << 28);

    public static bool Flag(JsonPart config, string name) => config.Find(name)?.Flag() ?? false;

    /// <summary>Sizes that all decoders have, and that nothing is asked for that none has here.</summary>
    public static ModelKeys Decoder(JsonPart config, string architecture, out AttentionConfig attention, out int context,
        Activation activation = Activation.Silu, ConfigNames? given = null,
        int? feedForward = null)
    {
        ConfigNames names = given ?? new ConfigNames();
        if (config.Find("quantization_config") is { } quantized
            && (names.Quantization is null || quantized.Find("quant_method")?.Text() != names.Quantization))
            throw quantized.Error("is there: the weights are quantized already, in a form that is not read");
        attention = Attention(config, names);
        context = names.Context.Length == 0 ? 0 : names.UsualContext > 0 && config.Find(names.Context) is null ? names.UsualContext
            : Length(config, names.Context);
        var keys = new ModelKeys(config.File, architecture);
        keys.Set(ModelKeys.VocabularySize, Width(config, "vocab_size"));
        if (context > 0) keys.Set(ModelKeys.ContextLength, context);
        int width = Width(config, names.Width);
        keys.Set(ModelKeys.EmbeddingLength, width);
        keys.Set(ModelKeys.BlockCount, (int)config.Require(names.Layers).Integer(1, ModelKeys.MaximumLayers));
        keys.Set(ModelKeys.FeedForwardLength, feedForward is { } length ? length : names.IsFeedForwardFourfold
            && config.Find(names.FeedForward) is null ? checked(4 * width) : Width(config, names.FeedForward));
        if (names.Activation.Length > 0 && config.Find(names.Activation) is { } function) SetActivation(function, activation, keys);
        attention.Write(keys);
        return keys;
    }

    /// <summary>Heads and their size. Rotary positions need an even size; who has others says so.</summary>
    public static AttentionConfig Attention(JsonPart config, ConfigNames names)
    {
        int width = Width(config, names.Width), heads = Width(config, names.Heads);
        int keyValueHeads = config.Find(names.KeyValueHeads) is { } few ? (int)few.Integer(1, heads) : heads;
        if (heads % keyValueHeads != 0)
            throw config.Require(names.KeyValueHeads).Error($"is {keyValueHeads}, and {names.Heads} {heads} is no multiple of it");
        if (config.Find(names.HeadDimension) is null && width % heads != 0)
            throw config.Require(names.Heads).Error($"is {heads}, and {names.Width} {width} is no multiple of it");
        int dimension = config.Find(names.HeadDimension) is { } given ? (int)given.Integer(2, 1 << 14) : width / heads;
        if (names.IsRotated && dimension % 2 != 0)
            throw config.Error($"has heads of {dimension} numbers; rotary positions need an even number");
        if ((long)heads * dimension > ModelKeys.MaximumWidth)
            throw config.Require(names.Heads).Error($"is {heads}: heads of {dimension} numbers are too many");
        return new AttentionConfig(heads, keyValueHeads, dimension);
    }

    /// <summary>The epsilon of norms.</summary>
    public static void SetEpsilon(JsonPart config, string name, ModelKey key, double fallback, ModelKeys keys) =>
        keys.Set(key, (float)(config.Find(name)?.Number(0, 1) ?? fallback));

    /// <summary>Whether there is a head of its own.</summary>
    public static void SetHead(JsonPart config, ModelKeys keys, bool isTied = false)
    {
        if (!(config.Find("tie_word_embeddings")?.Flag() ?? isTied)) keys.Set(TensorRole.Output);
    }

    /// <summary>A field that has to be false, or null, or not there.</summary>
    public static void RefuseFlag(JsonPart config, string name)
    {
        if (Flag(config, name)) throw config.Require(name).Error("is true, which does not run in this version");
    }

    /// <summary>`layer_types`: whether each layer has a window, or null where the field is missing.</summary>
    public static bool[]? Windows(JsonPart config, int layers)
    {
        if (config.Find("layer_types") is not { } types) return null;
        bool[] windows = [.. types.Items().Take(layers + 1).Select(type => type.Text() switch
        {
            "sliding_attention" => true,
            "full_attention" => false,
            _ => throw type.Error($"is '{Printable.Line(type.Text())}'; only full_attention and sliding_attention run here"),
        })];
        return windows.Length == layers ? windows : throw types.Error($"has not one entry for each of the {layers} layers");
    }

    /// <summary>Windows by layer; where they follow the architecture's own pattern, a file needs no key for it.</summary>
    public static void SetWindows(JsonPart window, bool[] windows, int interval, ModelKeys keys)
    {
        keys.Set(ModelKeys.SlidingWindow, (int)window.Integer(1, 1 << 28));
        if (!windows.Select((has, l) => has == (l % interval < interval - 1)).All(isSame => isSame))
            keys.Set(ModelKeys.SlidingWindowPattern, windows);
    }

    /// <summary>Refuses a share of rotated numbers other than all.</summary>
    public static void RequireWholeRotation(JsonPart config)
    {
        if (RopeConfig.RotatedShare(config) is { } share && share.Number(0, 1e3) != 1)
            throw share.Error("is not 1: heads of this family are rotated whole");
    }

    private static void SetActivation(JsonPart field, Activation usual, ModelKeys keys)
    {
        string name = field.Text();
        Activation activation = ActivationNames.Find(name)
            ?? throw field.Error($"is '{Printable.Line(name)}', not one that runs here ({ActivationNames.All})");
        if (activation != usual) keys.Set(ModelKeys.Activation, ActivationNames.Of(activation));
    }
}

/// <summary>Names of the sizes in a family's config.json.</summary>
internal sealed record ConfigNames
{
    public string Width { get; init; } = "hidden_size";

    public string Layers { get; init; } = "num_hidden_layers";

    public string Heads { get; init; } = "num_attention_heads";

    public string KeyValueHeads { get; init; } = "num_key_value_heads";

    /// <summary>Numbers of a head; "" where the family has no such field.</summary>
    public string HeadDimension { get; init; } = "head_dim";

    public string FeedForward { get; init; } = "intermediate_size";

    /// <summary>Positions; "" where the family has no such field.</summary>
    public string Context { get; init; } = "max_position_embeddings";

    /// <summary>Positions where the field is missing; 0: it may not be.</summary>
    public int UsualContext { get; init; }

    public string Activation { get; init; } = "hidden_act";

    /// <summary>The method of quantized weights that are read; null: none.</summary>
    public string? Quantization { get; init; }

    /// <summary>The feed-forward part is four times as wide as the stream where its field is missing.</summary>
    public bool IsFeedForwardFourfold { get; init; }

    /// <summary>Whether heads are rotated.</summary>
    public bool IsRotated { get; init; } = true;
}

/// <summary>The shape of attention.</summary>
internal sealed record AttentionConfig(int Heads, int KeyValueHeads, int Dimension)
{
    public void Write(ModelKeys keys)
    {
        keys.Set(ModelKeys.HeadCount, Heads);
        keys.Set(ModelKeys.KeyValueHeadCount, KeyValueHeads);
        keys.Set(ModelKeys.KeyLength, Dimension);
        keys.Set(ModelKeys.ValueLength, Dimension);
    }
}
