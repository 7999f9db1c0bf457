using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// LFM2: gated short convolutions in most layers, attention with norms of heads in the others; LFM2-MoE has experts after its first layers.
/// </summary>
internal static class Lfm2Family
{
    private const string Convolution = "conv", Full = "full_attention";

    private static readonly Dictionary<TensorRole, FolderName> Names = new()
    {
        [TensorRole.EmbeddingNorm] = new("model.embedding_norm.weight"),
        [TensorRole.AttentionNorm] = new("model.layers.{}.operator_norm.weight"),
        [TensorRole.FeedForwardNorm] = new("model.layers.{}.ffn_norm.weight"),
        [TensorRole.AttentionOutput] = new("model.layers.{}.self_attn.out_proj.weight"),
        [TensorRole.QueryNorm] = new("model.layers.{}.self_attn.q_layernorm.weight"),
        [TensorRole.KeyNorm] = new("model.layers.{}.self_attn.k_layernorm.weight"),
        [TensorRole.ConvolutionInput] = new("model.layers.{}.conv.in_proj.weight"),
        [TensorRole.ConvolutionInputBias] = new("model.layers.{}.conv.in_proj.bias"),
        [TensorRole.ShortConvolution] = new("model.layers.{}.conv.conv.weight"),
        [TensorRole.ShortConvolutionBias] = new("model.layers.{}.conv.conv.bias"),
        [TensorRole.ConvolutionOutput] = new("model.layers.{}.conv.out_proj.weight"),
        [TensorRole.ConvolutionOutputBias] = new("model.layers.{}.conv.out_proj.bias"),
        [TensorRole.Gate] = new("model.layers.{}.feed_forward.w1.weight"),
        [TensorRole.Up] = new("model.layers.{}.feed_forward.w3.weight"),
        [TensorRole.Down] = new("model.layers.{}.feed_forward.w2.weight"),
        [TensorRole.Router] = new("model.layers.{}.feed_forward.gate.weight"),
        [TensorRole.ChoiceBias] = new("model.layers.{}.feed_forward.expert_bias"),
        [TensorRole.GateExperts] = new("model.layers.{}.feed_forward.experts.{e}.w1.weight"),
        [TensorRole.UpExperts] = new("model.layers.{}.feed_forward.experts.{e}.w3.weight"),
        [TensorRole.DownExperts] = new("model.layers.{}.feed_forward.experts.{e}.w2.weight"),
    };

    public static Family Lfm2 { get; } = new()
    {
        Architecture = "lfm2",
        ModelType = "lfm2",
        ModelClass = "Lfm2ForCausalLM",
        Prefix = "model.",
        FolderNames = Names,
        MakeSpec = MakeSpec,
        ReadConfig = ReadDense,
    };

    public static Family Lfm2Moe { get; } = Lfm2 with
    {
        Architecture = "lfm2moe",
        ModelType = "lfm2_moe",
        ModelClass = "Lfm2MoeForCausalLM",
        ReadConfig = ReadExperts,
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        int width = keys.Size(ModelKeys.EmbeddingLength), dense = keys.SizeOr(ModelKeys.LeadingDenseBlocks, 0);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, Layer) with { OutputNormRole = TensorRole.EmbeddingNorm };

        LayerSpec Layer(int l)
        {
            bool isRecurrent = keys.Size(ModelKeys.KeyValueHeadCount, l) == 0;
            AttentionSpec attention = AttentionSpec.None;
            if (!isRecurrent)
            {
                attention = CommonKeys.Attention(keys, l);
                rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
                attention = attention with { Rope = rope, HeadNorm = norm };
            }
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention,
                Recurrence = isRecurrent ? new ShortConvolutionSpec(width, keys.Size(ModelKeys.ShortConvolutionTaps))
                {
                    HasBias =
                    keys.Has(TensorRole.ShortConvolutionBias, l)
                } : null,
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l),
                Experts = l < dense ? null : ExpertKeys.Read(keys, l, RouterScore.Sigmoid, isNormalized: true),
            };
        }
    }

    private static ModelKeys ReadDense(JsonPart config)
    {
        JsonPart length = config.Find("block_ff_dim") ?? config.Require("intermediate_size");
        ModelKeys keys = Read(config, "lfm2", FeedForward(config, length));
        return keys;
    }

    /// <summary>Two thirds, times a factor, rounded up to a multiple: where the config does not say otherwise.</summary>
    private static int FeedForward(JsonPart config, JsonPart given)
    {
        long length = given.Integer(1, ModelKeys.MaximumWidth);
        if (config.Find("block_auto_adjust_ff_dim")?.Flag() ?? true)
        {
            long multiple = config.Find("block_multiple_of")?.Integer(1, ModelKeys.MaximumWidth) ?? 256;
            length = 2 * length / 3;
            if (config.Find("block_ffn_dim_multiplier") is { } factor) length = (long)(factor.Number(0, 1e3) * length);
            length = (length + multiple - 1) / multiple * multiple;
        }
        return length is > 0 and <= ModelKeys.MaximumWidth ? (int)length : throw given.Error($"makes a feed-forward part of {length} rows");
    }

    private static ModelKeys ReadExperts(JsonPart config)
    {
        ModelKeys keys = Read(config, "lfm2moe", CommonConfig.Width(config, "intermediate_size"));
        keys.Set(ModelKeys.LeadingDenseBlocks, (int)(config.Find("num_dense_layers")?.Integer(0, ModelKeys.MaximumLayers) ?? 2));
        ExpertConfig.Set(config, keys, new ExpertConfig { Length = "moe_intermediate_size", IsNormalized = true });
        keys.Set(ModelKeys.ExpertGating, 2);
        if (config.Find("use_expert_bias")?.Flag() ?? true) keys.Set(TensorRole.ChoiceBias);
        return keys;
    }

    private static ModelKeys Read(JsonPart config, string architecture, int feedForward)
    {
        config.Require("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        ModelKeys keys =
            CommonConfig.Decoder(config, architecture, out AttentionConfig attention, out int context, feedForward: feedForward);
        CommonConfig.SetEpsilon(config, "norm_eps", ModelKeys.RmsEpsilon, 1e-5, keys);
        RopeConfig.Read(config, keys, attention.Dimension, context, fallback: 1_000_000);
        int layers = keys.Size(ModelKeys.BlockCount);
        bool[] recurrent = config.Find("layer_types") is { } types ? RecurrentSizes.Layers(types, layers, Convolution, Full)
            : AttentionIndexes(config, layers);
        keys.Set(ModelKeys.KeyValueHeadCount, recurrent.Select(isRecurrent => isRecurrent ? 0 : attention.KeyValueHeads));
        keys.Set(ModelKeys.ShortConvolutionTaps, (int)(config.Find("conv_L_cache")?.Integer(1, RecurrentSizes.MostTaps) ?? 3));
        if (CommonConfig.Flag(config, "conv_bias"))
            keys.Set(TensorRole.ShortConvolutionBias, TensorRole.ConvolutionInputBias, TensorRole.ConvolutionOutputBias);
        keys.Set(TensorRole.QueryNorm, TensorRole.KeyNorm);
        if (!((config.Find("tie_embedding") ?? config.Find("tie_word_embeddings"))?.Flag() ?? true)) keys.Set(TensorRole.Output);
        return keys;
    }

    private static bool[] AttentionIndexes(JsonPart config, int layers)
    {
        if (config.Find("full_attn_idxs") is not { } given) return new bool[layers];
        long[] indexes = [.. given.Items().Take(ModelKeys.MaximumLayers).Select(index => index.Integer(0, ModelKeys.MaximumLayers))];
        return [.. Enumerable.Range(0, layers).Select(l => !indexes.Contains(l))];
    }
}
