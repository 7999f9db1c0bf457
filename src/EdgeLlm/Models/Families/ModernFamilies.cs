using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>OLMo 2, SmolLM3 and StarCoder2: each a step away from Llama.</summary>
internal static class ModernFamilies
{
    /// <summary>Norms after each part instead of before it, and one over all queries and one over all keys.</summary>
    public static Family Olmo2 { get; } = new()
    {
        Architecture = "olmo2",
        ModelType = "olmo2",
        ModelClass = "Olmo2ForCausalLM",
        Prefix = "model.",
        MakeSpec = MakeOlmo2,
        ReadConfig = ReadOlmo2,
    };

    /// <summary>Every fourth layer knows no positions.</summary>
    public static Family SmolLm3 { get; } = new()
    {
        Architecture = "smollm3",
        ModelType = "smollm3",
        ModelClass = "SmolLM3ForCausalLM",
        Prefix = "model.",
        MakeSpec = MakeSmolLm3,
        ReadConfig = ReadSmolLm3,
    };

    /// <summary>Layer norms, biases, no gate, a window.</summary>
    public static Family StarCoder2 { get; } = new()
    {
        Architecture = "starcoder2",
        ModelType = "starcoder2",
        ModelClass = "Starcoder2ForCausalLM",
        Prefix = "model.",
        MakeSpec = MakeStarCoder2,
        ReadConfig = ReadStarCoder2,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.Up] = new("model.layers.{}.mlp.c_fc.weight"),
            [TensorRole.UpBias] = new("model.layers.{}.mlp.c_fc.bias"),
            [TensorRole.Down] = new("model.layers.{}.mlp.c_proj.weight"),
            [TensorRole.DownBias] = new("model.layers.{}.mlp.c_proj.bias"),
        },
    };

    // Of SmolLM3, where no key says otherwise: layers from one without positions to the next.
    private const int PositionInterval = 4;

    private static ModelSpec MakeOlmo2(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            return new LayerSpec
            {
                AttentionNorm = null,
                Attention = attention with { Rope = rope, HeadNorm = norm, IsHeadNormWide = true },
                PostAttentionNorm = norm,
                FeedForwardNorm = null,
                FeedForward = CommonKeys.FeedForward(keys, l),
                PostFeedForwardNorm = norm,
            };
        });
    }

    private static ModelSpec MakeSmolLm3(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        int window = keys.SizeOr(ModelKeys.SlidingWindow, 0);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            bool isRotated = keys.IsPerLayer(ModelKeys.RopeDimension) ? keys.Size(ModelKeys.RopeDimension, l) > 0
                : (l + 1) % PositionInterval != 0;
            if (isRotated) rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: false, l);
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with { Rope = isRotated ? rope : null, Window = window > 0 && keys.HasWindow(l, 1) ? window : 0 },
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l),
            };
        });
    }

    private static ModelSpec MakeStarCoder2(ModelKeys keys)
    {
        int window = keys.SizeOr(ModelKeys.SlidingWindow, 0);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, CommonKeys.LayerNorm(keys, TensorRole.OutputNormBias), l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            return new LayerSpec
            {
                AttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AttentionNormBias, l),
                Attention = attention with { Rope = rope, Window = window },
                FeedForwardNorm = CommonKeys.LayerNorm(keys, TensorRole.FeedForwardNormBias, l),
                FeedForward = CommonKeys.FeedForward(keys, l, Activation.GeluTanh, isGated: false),
            };
        });
    }

    private static ModelKeys ReadOlmo2(JsonPart config)
    {
        if (config.Find("head_dim") is { } given)
            throw given.Error("is there, and this family's heads are always hidden_size / num_attention_heads wide");
        ModelKeys keys = ReadLlamaLike(config, "olmo2", 1e-5, isTied: false);
        if (CommonConfig.Flag(config, "attention_bias"))
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        keys.Set(TensorRole.QueryNorm, TensorRole.KeyNorm);
        return keys;
    }

    private static ModelKeys ReadSmolLm3(JsonPart config)
    {
        config.Require("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        ModelKeys keys = ReadLlamaLike(config, "smollm3", 1e-6, isTied: true);
        int layers = keys.Size(ModelKeys.BlockCount), dimension = keys.Size(ModelKeys.RopeDimension);
        if (CommonConfig.Flag(config, "attention_bias"))
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        if (CommonConfig.Flag(config, "mlp_bias")) keys.Set(TensorRole.GateBias, TensorRole.UpBias, TensorRole.DownBias);
        bool[] rotated = Rotated(config, layers);
        if (rotated.Where((isRotated, l) => isRotated != ((l + 1) % PositionInterval != 0)).Any())
            keys.Set(ModelKeys.RopeDimension, rotated.Select(isRotated => isRotated ? dimension : 0));
        bool hasWindow = CommonConfig.Flag(config, "use_sliding_window") && config.Find("sliding_window") is not null;
        bool[] windows = CommonConfig.Windows(config, layers) ?? [.. rotated.Select(isRotated => hasWindow && !isRotated)];
        if (windows.Contains(true)) CommonConfig.SetWindows(config.Require("sliding_window"), windows, 1, keys);
        return keys;
    }

    /// <summary>
    /// `no_rope_layers`, which has 1 for the layers that are rotated, else one of `no_rope_layer_interval` layers is not.
    /// </summary>
    private static bool[] Rotated(JsonPart config, int layers)
    {
        if (config.Find("no_rope_layers") is { } list)
        {
            bool[] rotated = [.. list.Items().Take(layers + 1).Select(item => item.Integer(0, 1) == 1)];
            return rotated.Length == layers ? rotated : throw list.Error($"has not one entry for each of the {layers} layers");
        }
        long interval = config.Find("no_rope_layer_interval")?.Integer(1, ModelKeys.MaximumLayers) ?? PositionInterval;
        return [.. Enumerable.Range(0, layers).Select(l => (l + 1) % interval != 0)];
    }

    private static ModelKeys ReadStarCoder2(JsonPart config)
    {
        config.RequireField("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        ModelKeys keys = CommonConfig.Decoder(config, "starcoder2", out AttentionConfig attention, out int context, Activation.GeluTanh);
        CommonConfig.SetEpsilon(config, "norm_epsilon", ModelKeys.NormEpsilon, 1e-5, keys);
        if (config.Find("sliding_window") is { } window) keys.Set(ModelKeys.SlidingWindow, (int)window.Integer(1, 1 << 28));
        CommonConfig.RequireWholeRotation(config);
        keys.Set(ModelKeys.RopeDimension, attention.Dimension);
        RopeConfig.Read(config, keys, attention.Dimension, context);
        keys.Set(TensorRole.AttentionNormBias, TensorRole.FeedForwardNormBias, TensorRole.OutputNormBias);
        if (config.Find("use_bias")?.Flag() ?? true)
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias,
                TensorRole.UpBias, TensorRole.DownBias);
        CommonConfig.SetHead(config, keys, isTied: true);
        return keys;
    }

    private static ModelKeys ReadLlamaLike(JsonPart config, string architecture, double epsilon, bool isTied)
    {
        ModelKeys keys = CommonConfig.Decoder(config, architecture, out AttentionConfig attention, out int context);
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, epsilon, keys);
        CommonConfig.RequireWholeRotation(config);
        keys.Set(ModelKeys.RopeDimension, attention.Dimension);
        RopeConfig.Read(config, keys, attention.Dimension, context);
        CommonConfig.SetHead(config, keys, isTied);
        return keys;
    }
}
