using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// ModernBERT: an encoder with norms before each part (none before the first attention), gates, and rotary positions; of every few layers
/// the first sees all of a text, the others a window.
/// </summary>
internal static class ModernBertFamily
{
    private const int UsualInterval = 3;

    public static Family ModernBert { get; } = new()
    {
        Architecture = "modern-bert",
        ModelType = "modernbert",
        ModelClass = "ModernBertModel",
        Prefix = "model.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.TokenEmbedding] = new("model.embeddings.tok_embeddings.weight"),
            [TensorRole.EmbeddingNorm] = new("model.embeddings.norm.weight"),
            [TensorRole.AttentionNorm] = new("model.layers.{}.attn_norm.weight"),
            [TensorRole.QueryKeyValue] = new("model.layers.{}.attn.Wqkv.weight"),
            [TensorRole.AttentionOutput] = new("model.layers.{}.attn.Wo.weight"),
            [TensorRole.FeedForwardNorm] = new("model.layers.{}.mlp_norm.weight"),
            [TensorRole.Up] = new("model.layers.{}.mlp.Wi.weight"),
            [TensorRole.Down] = new("model.layers.{}.mlp.Wo.weight"),
            [TensorRole.OutputNorm] = new("model.final_norm.weight"),
        },
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.NormEpsilon)) { IsCentered = true };
        keys.Has(ModelKeys.RmsEpsilon); // llama.cpp's converter writes it, too, and no norm of the model is one
        int window = keys.SizeOr(ModelKeys.SlidingWindow, 0);
        float windowBase = keys.NumberOr(ModelKeys.RopeBaseOfWindows, 10_000f);
        RopeSpec? all = null, local = null;
        ModelSpec spec = CommonKeys.Decoder(keys, norm, l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            all ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            local ??= new RopeSpec { Dimension = all.Dimension, Base = windowBase, IsSplit = true, TrainedLength = all.TrainedLength };
            bool hasWindow = window > 0 && keys.HasWindow(l, UsualInterval, isFirstWhole: true);
            return new LayerSpec
            {
                AttentionNorm = l == 0 ? null : norm,
                Attention = attention with { IsBidirectional = true, Window = hasWindow ? window : 0, Rope = hasWindow ? local : all },
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l, Activation.Gelu) with { IsFused = true },
            };
        });
        return CommonKeys.Encoder(keys, spec) with { EmbeddingNorm = norm };
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        var names = new ConfigNames { KeyValueHeads = "", HeadDimension = "", Activation = "hidden_activation" };
        ModelKeys keys =
            CommonConfig.Decoder(config, "modern-bert", out AttentionConfig attention, out int context, Activation.Gelu, names);
        foreach (string bias in new[] { "attention_bias", "mlp_bias", "norm_bias" }) CommonConfig.RefuseFlag(config, bias);
        CommonConfig.SetEpsilon(config, "norm_eps", ModelKeys.NormEpsilon, 1e-5, keys);
        keys.Set(ModelKeys.IsCausal, false);
        keys.Set(TensorRole.QueryKeyValue);
        if (config.Find("head_dim") is { } given && given.Integer(1, ModelKeys.MaximumWidth) != attention.Dimension)
            throw given.Error($"is not {attention.Dimension}: this family's heads are always hidden_size / num_attention_heads wide");
        if (config.Find("rope_scaling") is { } scaling) throw scaling.Error("is there: this family's positions are not stretched here");
        int layers = keys.Size(ModelKeys.BlockCount);
        int interval = (int)(config.Find("global_attn_every_n_layers")?.Integer(1, ModelKeys.MaximumLayers) ?? UsualInterval);
        bool[] windows = CommonConfig.Windows(config, layers) ?? [.. Enumerable.Range(0, layers).Select(l => l % interval != 0)];
        keys.Set(ModelKeys.SlidingWindow,
            (int)(2 * config.Find("sliding_window")?.Integer(1, 1 << 27) ?? config.Find("local_attention")?.Integer(2, 1 << 28) ?? 128));
        // A whole number is the distance between layers without a window, the first of which is layer 0.
        if (windows.Select((has, l) => has == (l % interval != 0)).All(isSame => isSame))
            keys.Set(ModelKeys.SlidingWindowPattern, interval);
        else keys.Set(ModelKeys.SlidingWindowPattern, windows);
        keys.Set(ModelKeys.RopeScaling, "none");
        keys.Set(ModelKeys.RopeBase, BaseOf(config, "full_attention", "global_rope_theta", 160_000));
        keys.Set(ModelKeys.RopeBaseOfWindows, BaseOf(config, "sliding_attention", "local_rope_theta", 10_000));
        return keys;
    }

    /// <summary>The base of a kind of layers, in either age of config.json; positions that are stretched are refused.</summary>
    private static float BaseOf(JsonPart config, string kind, string oldName, double usual)
    {
        JsonPart? parameters = RopeConfig.Parameters(config)?.Find(kind);
        if (parameters?.Find("rope_type") is { } type && type.Text() != "default")
            throw type.Error("is not default: this family's positions are not stretched here");
        return (float)((parameters?.Find("rope_theta") ?? config.Find(oldName))?.Number(1e-6, 1e30) ?? usual);
    }
}
