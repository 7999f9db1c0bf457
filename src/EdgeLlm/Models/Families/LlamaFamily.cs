using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Llama and what is built as it is: RMS norms before each part, rotary positions, gated feed-forward; Mistral adds a window.
/// </summary>
internal static class LlamaFamily
{
    public static Family Llama { get; } = new()
    {
        Architecture = "llama",
        ModelType = "llama",
        ModelClass = "LlamaForCausalLM",
        Prefix = "model.",
        MakeSpec = keys => MakeSpec(keys, isSplit: false),
        ReadConfig = config => ReadLlama(config, "llama"),
    };

    public static Family Mistral { get; } =
        Llama with { ModelType = "mistral", ModelClass = "MistralForCausalLM", ReadConfig = ReadMistral };

    /// <summary>Qwen2 and 2.5: biases of queries, keys and values; heads are rotated in halves.</summary>
    public static Family Qwen2 { get; } = Llama with
    {
        Architecture = "qwen2",
        ModelType = "qwen2",
        ModelClass = "Qwen2ForCausalLM",
        MakeSpec = keys => MakeSpec(keys, isSplit: true),
        ReadConfig = ReadQwen2,
    };

    /// <summary>Qwen3: no biases, but norms of each head's queries and keys.</summary>
    public static Family Qwen3 { get; } = Qwen2 with
    {
        Architecture = "qwen3",
        ModelType = "qwen3",
        ModelClass = "Qwen3ForCausalLM",
        MakeSpec = keys => MakeSpec(keys, isSplit: true, hasHeadNorms: true),
        ReadConfig = ReadQwen3,
    };

    /// <summary>Layers of this family, with experts where the file has some.</summary>
    public static ModelSpec MakeSpec(ModelKeys keys, bool isSplit, bool hasHeadNorms = false, bool areExpertsNormalized = true)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, Layer);

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit);
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with { Rope = rope, Window = WindowOf(keys, l), HeadNorm = hasHeadNorms ? norm : null },
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l),
                Experts = ExpertKeys.Read(keys, l, RouterScore.Softmax, areExpertsNormalized),
            };
        }
    }

    /// <summary>Of all layers, or of those that a pattern names.</summary>
    private static int WindowOf(ModelKeys keys, int layer)
    {
        int window = keys.SizeOr(ModelKeys.SlidingWindow, 0, layer);
        return keys.Has(ModelKeys.SlidingWindowPattern) && !keys.HasWindow(layer, 1) ? 0 : window;
    }

    /// <summary>The fields of Llama and of what is built as it is.</summary>
    public static ModelKeys ReadLlama(JsonPart config, string architecture)
    {
        ModelKeys keys = ReadConfig(config, architecture, window: null);
        if (CommonConfig.Flag(config, "attention_bias"))
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        if (CommonConfig.Flag(config, "mlp_bias")) keys.Set(TensorRole.GateBias, TensorRole.UpBias, TensorRole.DownBias);
        return keys;
    }

    private static ModelKeys ReadMistral(JsonPart config)
    {
        // Where these are missing the reference takes numbers of one particular model.
        config.RequireField("num_key_value_heads");
        config.RequireField("sliding_window");
        return ReadConfig(config, "llama", config.Find("sliding_window"));
    }

    private static ModelKeys ReadQwen2(JsonPart config)
    {
        ModelKeys keys = ReadQwen(config, "qwen2");
        keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias);
        return keys;
    }

    private static ModelKeys ReadQwen3(JsonPart config) => ReadQwen3(config, "qwen3");

    /// <summary>Qwen3's fields.</summary>
    /// <param name="hasWindows">Whether layers have windows as Qwen 2's.</param>
    public static ModelKeys ReadQwen3(JsonPart config, string architecture, bool hasWindows = true)
    {
        config.Require("head_dim"); // where it is missing the reference takes the number of one particular model
        ModelKeys keys = hasWindows ? ReadQwen(config, architecture) : ReadWithoutWindows(config, architecture);
        if (CommonConfig.Flag(config, "attention_bias"))
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        keys.Set(TensorRole.QueryNorm, TensorRole.KeyNorm);
        return keys;
    }

    private static ModelKeys ReadWithoutWindows(JsonPart config, string architecture)
    {
        config.RequireField("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        return ReadConfig(config, architecture, window: null);
    }

    /// <summary>Fields that all Qwen models have.</summary>
    /// <param name="isWindow">Whether a layer has a window where layer_types is missing, by its number and max_window_layers; null: from
    /// that number on.</param>
    public static ModelKeys ReadQwen(JsonPart config, string architecture, Func<int, long, bool>? isWindow = null)
    {
        ModelKeys keys = ReadWithoutWindows(config, architecture);
        int layers = keys.Size(ModelKeys.BlockCount);
        if (CommonConfig.Flag(config, "use_sliding_window") && config.Find("sliding_window") is { } window)
        {
            bool[] windows = CommonConfig.Windows(config, layers)
                ?? [.. Enumerable.Range(0, layers)
                    .Select(l => (isWindow ?? FromOn)(l, config.Require("max_window_layers").Integer(0, ModelKeys.MaximumLayers)))];
            if (windows.Contains(true)) CommonConfig.SetWindows(window, windows, 1, keys);
        }
        else if (CommonConfig.Windows(config, layers)?.Contains(true) == true)
        {
            throw config.Require("layer_types").Error("names layers with a window, but use_sliding_window or sliding_window is not set");
        }
        return keys;

        static bool FromOn(int l, long first) => l >= first;
    }

    /// <summary>Fields that all models of Llama's kind have.</summary>
    public static ModelKeys ReadConfig(JsonPart config, string architecture, JsonPart? window, double theta = 10_000)
    {
        ModelKeys keys = CommonConfig.Decoder(config, architecture, out AttentionConfig attention, out int context);
        if (window is { } given) keys.Set(ModelKeys.SlidingWindow, (int)given.Integer(1, 1 << 28));
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-6, keys);
        CommonConfig.RequireWholeRotation(config);
        keys.Set(ModelKeys.RopeDimension, attention.Dimension);
        RopeConfig.Read(config, keys, attention.Dimension, context, fallback: theta);
        CommonConfig.SetHead(config, keys);
        return keys;
    }
}
