using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Phi-1.5 and 2: both parts beside each other on one layer norm, heads rotated in part, biases everywhere, the head's too. Phi-3 and
/// Phi-4-mini: as Llama, with one matrix for queries, keys and values and one for gate and up, and LongRoPE.
/// </summary>
internal static class PhiFamily
{
    public static Family Phi { get; } = new()
    {
        Architecture = "phi2",
        ModelType = "phi",
        ModelClass = "PhiForCausalLM",
        Prefix = "model.",
        MakeSpec = MakePhi,
        ReadConfig = ReadPhi,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.AttentionOutput] = new("model.layers.{}.self_attn.dense.weight"),
            [TensorRole.AttentionOutputBias] = new("model.layers.{}.self_attn.dense.bias"),
            [TensorRole.Up] = new("model.layers.{}.mlp.fc1.weight"),
            [TensorRole.UpBias] = new("model.layers.{}.mlp.fc1.bias"),
            [TensorRole.Down] = new("model.layers.{}.mlp.fc2.weight"),
            [TensorRole.DownBias] = new("model.layers.{}.mlp.fc2.bias"),
            [TensorRole.OutputNorm] = new("model.final_layernorm.weight"),
            [TensorRole.OutputNormBias] = new("model.final_layernorm.bias"),
        },
    };

    public static Family Phi3 { get; } = new()
    {
        Architecture = "phi3",
        ModelType = "phi3",
        ModelClass = "Phi3ForCausalLM",
        Prefix = "model.",
        MakeSpec = MakePhi3,
        ReadConfig = ReadPhi3,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.QueryKeyValue] = new("model.layers.{}.self_attn.qkv_proj.weight"),
            [TensorRole.Up] = new("model.layers.{}.mlp.gate_up_proj.weight"),
        },
    };

    private static ModelSpec MakePhi(ModelKeys keys)
    {
        RopeSpec? rope = null;
        ModelSpec spec = CommonKeys.Decoder(keys, CommonKeys.LayerNorm(keys, TensorRole.OutputNormBias), l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            return new LayerSpec
            {
                AttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AttentionNormBias, l),
                Attention = attention with { Rope = rope },
                IsParallel = true,
                FeedForwardNorm = null,
                FeedForward = CommonKeys.FeedForward(keys, l, Activation.GeluTanh, isGated: false),
            };
        });
        return spec with { HasHeadBias = keys.Has(TensorRole.OutputBias) };
    }

    private static ModelSpec MakePhi3(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        int window = keys.SizeOr(ModelKeys.SlidingWindow, 0);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with { Rope = rope, Window = window },
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l) with { IsFused = !keys.Has(TensorRole.Gate, l) },
            };
        });
    }

    private static ModelKeys ReadPhi(JsonPart config)
    {
        CommonConfig.RefuseFlag(config, "qk_layernorm");
        if (config.Find("head_dim") is { } given)
            throw given.Error("is there, and this family's heads are always hidden_size / num_attention_heads wide");
        ModelKeys keys = CommonConfig.Decoder(config, "phi2", out AttentionConfig attention, out int context, Activation.GeluTanh);
        CommonConfig.SetEpsilon(config, "layer_norm_eps", ModelKeys.NormEpsilon, 1e-5, keys);
        int rotated = (int)(attention.Dimension * (RopeConfig.RotatedShare(config)?.Number(0, 1) ?? 0.5));
        if (rotated < 2 || rotated % 2 != 0) throw config.Error($"rotates {rotated} numbers of a head; it has to be an even number");
        keys.Set(ModelKeys.RopeDimension, rotated);
        RopeConfig.Read(config, keys, rotated, context);
        keys.Set(TensorRole.AttentionNormBias, TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias,
            TensorRole.AttentionOutputBias, TensorRole.UpBias, TensorRole.DownBias);
        keys.Set(TensorRole.OutputNormBias, TensorRole.OutputBias);
        CommonConfig.SetHead(config, keys);
        return keys;
    }

    private static ModelKeys ReadPhi3(JsonPart config)
    {
        ModelKeys keys = CommonConfig.Decoder(config, "phi3", out AttentionConfig attention, out int context);
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-5, keys);
        int trained = (int)config.Require("original_max_position_embeddings").Integer(1, 1 << 28);
        keys.Set(ModelKeys.RopeOriginalLength, trained);
        keys.Set(ModelKeys.SlidingWindow, config.Find("sliding_window") is { } window ? (int)window.Integer(1, 1 << 28) : 0);
        int rotated = (int)(attention.Dimension * (RopeConfig.RotatedShare(config)?.Number(0, 1) ?? 1));
        if (rotated < 2 || rotated % 2 != 0) throw config.Error($"rotates {rotated} numbers of a head; it has to be an even number");
        keys.Set(ModelKeys.RopeDimension, rotated);
        if (RopeConfig.Parameters(config) is { } scaling && (scaling.Find("rope_type") ?? scaling.Find("type")) is { } type
            && type.Text() is not ("default" or "longrope" or "su"))
            throw type.Error($"is '{Printable.Line(type.Text())}'; this family knows default and longrope");
        RopeConfig.Read(config, keys, rotated, context, trained: trained);
        keys.Set(TensorRole.QueryKeyValue);
        CommonConfig.SetHead(config, keys);
        return keys;
    }
}
