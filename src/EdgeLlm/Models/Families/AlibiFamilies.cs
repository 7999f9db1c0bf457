using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// BLOOM and MPT: layer norms, ALiBi instead of positions, queries, keys and values of one matrix. BLOOM norms its embeddings; MPT may clip
/// what its matrix gives.
/// </summary>
internal static class AlibiFamilies
{
    // ALiBi's paper; the reference of both has no other.
    private const float MaxBias = 8;

    // Where a config.json has no length: ALiBi itself knows none.
    private const int UsualContext = 2048;

    /// <summary>Names that BLOOM's folders have; Falcon's have them too.</summary>
    public static IReadOnlyDictionary<TensorRole, FolderName> BloomNames { get; } = new Dictionary<TensorRole, FolderName>
    {
        [TensorRole.TokenEmbedding] = new("transformer.word_embeddings.weight"),
        [TensorRole.AttentionNorm] = new("transformer.h.{}.input_layernorm.weight"),
        [TensorRole.AttentionNormBias] = new("transformer.h.{}.input_layernorm.bias"),
        [TensorRole.QueryKeyValue] = new("transformer.h.{}.self_attention.query_key_value.weight", FolderForm.HeadGroups),
        [TensorRole.QueryKeyValueBias] = new("transformer.h.{}.self_attention.query_key_value.bias", FolderForm.HeadGroups),
        [TensorRole.AttentionOutput] = new("transformer.h.{}.self_attention.dense.weight"),
        [TensorRole.AttentionOutputBias] = new("transformer.h.{}.self_attention.dense.bias"),
        [TensorRole.FeedForwardNorm] = new("transformer.h.{}.post_attention_layernorm.weight"),
        [TensorRole.FeedForwardNormBias] = new("transformer.h.{}.post_attention_layernorm.bias"),
        [TensorRole.Up] = new("transformer.h.{}.mlp.dense_h_to_4h.weight"),
        [TensorRole.UpBias] = new("transformer.h.{}.mlp.dense_h_to_4h.bias"),
        [TensorRole.Down] = new("transformer.h.{}.mlp.dense_4h_to_h.weight"),
        [TensorRole.DownBias] = new("transformer.h.{}.mlp.dense_4h_to_h.bias"),
        [TensorRole.OutputNorm] = new("transformer.ln_f.weight"),
        [TensorRole.OutputNormBias] = new("transformer.ln_f.bias"),
    };

    public static Family Bloom { get; } = new()
    {
        Architecture = "bloom",
        ModelType = "bloom",
        ModelClass = "BloomForCausalLM",
        Prefix = "transformer.",
        MakeSpec = MakeBloom,
        ReadConfig = ReadBloom,
        OtherNames = new Dictionary<string, string> { ["n_layer"] = "num_hidden_layers", ["n_head"] = "num_attention_heads" },
        FolderNames = new Dictionary<TensorRole, FolderName>(BloomNames)
        {
            [TensorRole.EmbeddingNorm] = new("transformer.word_embeddings_layernorm.weight"),
            [TensorRole.EmbeddingNormBias] = new("transformer.word_embeddings_layernorm.bias"),
        },
    };

    public static Family Mpt { get; } = new()
    {
        Architecture = "mpt",
        ModelType = "mpt",
        ModelClass = "MPTForCausalLM",
        OtherClass = "MptForCausalLM",
        Prefix = "transformer.",
        MakeSpec = MakeMpt,
        ReadConfig = ReadMpt,
        OtherNames = new Dictionary<string, string>
        {
            ["d_model"] = "hidden_size",
            ["n_layers"] = "num_hidden_layers",
            ["n_heads"] = "num_attention_heads"
        },
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.TokenEmbedding] = new("transformer.wte.weight"),
            [TensorRole.AttentionNorm] = new("transformer.blocks.{}.norm_1.weight"),
            [TensorRole.QueryKeyValue] = new("transformer.blocks.{}.attn.Wqkv.weight"),
            [TensorRole.AttentionOutput] = new("transformer.blocks.{}.attn.out_proj.weight"),
            [TensorRole.FeedForwardNorm] = new("transformer.blocks.{}.norm_2.weight"),
            [TensorRole.Up] = new("transformer.blocks.{}.ffn.up_proj.weight"),
            [TensorRole.Down] = new("transformer.blocks.{}.ffn.down_proj.weight"),
            [TensorRole.OutputNorm] = new("transformer.norm_f.weight"),
        },
    };

    private static ModelSpec MakeBloom(ModelKeys keys) =>
        MakeSpec(keys, Activation.GeluTanh, MaxBias) with { EmbeddingNorm = CommonKeys.LayerNorm(keys, TensorRole.EmbeddingNormBias) };

    private static ModelSpec MakeMpt(ModelKeys keys) => MakeSpec(keys, Activation.Gelu, keys.Number(ModelKeys.MaxAlibiBias));

    private static ModelSpec MakeSpec(ModelKeys keys, Activation activation, float maxBias)
    {
        if (maxBias == 0)
            throw keys.Error(ModelKeys.MaxAlibiBias, "is 0: learned positions of this architecture do not run in this version");
        float clip = keys.NumberOr(ModelKeys.Clip, 0);
        return CommonKeys.Decoder(keys, CommonKeys.LayerNorm(keys, TensorRole.OutputNormBias), l => new LayerSpec
        {
            AttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AttentionNormBias, l),
            Attention = CommonKeys.Attention(keys, l) with { MaxAlibiBias = maxBias, Clip = clip },
            FeedForwardNorm = CommonKeys.LayerNorm(keys, TensorRole.FeedForwardNormBias, l),
            FeedForward = CommonKeys.FeedForward(keys, l, activation, isGated: false),
        });
    }

    private static ModelKeys ReadBloom(JsonPart config)
    {
        CommonConfig.RefuseFlag(config, "apply_residual_connection_post_layernorm");
        var names = new ConfigNames
        {
            Width = config.Find("n_embed") is null ? "hidden_size" : "n_embed",
            Layers = "n_layer",
            Heads = "n_head",
            KeyValueHeads = "",
            FeedForward = "",
            Context = "",
            Activation = "",
            IsFeedForwardFourfold = true,
            IsRotated = false,
        };
        ModelKeys keys = CommonConfig.Decoder(config, "bloom", out _, out _, Activation.GeluTanh, names);
        keys.Set(ModelKeys.ContextLength, config.Find("seq_length") is { } length ? (int)length.Integer(1, 1 << 28) : UsualContext);
        CommonConfig.SetEpsilon(config, "layer_norm_epsilon", ModelKeys.NormEpsilon, 1e-5, keys);
        keys.Set(TensorRole.QueryKeyValue, TensorRole.QueryKeyValueBias, TensorRole.EmbeddingNormBias, TensorRole.AttentionNormBias,
            TensorRole.AttentionOutputBias);
        keys.Set(TensorRole.FeedForwardNormBias, TensorRole.UpBias, TensorRole.DownBias, TensorRole.OutputNormBias);
        CommonConfig.SetHead(config, keys, isTied: true);
        return keys;
    }

    private static ModelKeys ReadMpt(JsonPart config)
    {
        var names = new ConfigNames
        {
            Width = "d_model",
            Layers = "n_layers",
            Heads = "n_heads",
            KeyValueHeads = "",
            FeedForward = "",
            Context = "max_seq_len",
            Activation = "",
            IsFeedForwardFourfold = true,
            IsRotated = false,
        };
        ModelKeys keys = CommonConfig.Decoder(config, "mpt", out _, out _, Activation.Gelu, names);
        // What the first code of this family reads and transformers does not is refused where it says something else.
        if (config.Find("expansion_ratio") is { } ratio && ratio.Number(0, 1e3) != 4)
            throw ratio.Error("is not 4, the only one that runs here");
        if (config.Find("no_bias") is { } noBias && !noBias.Flag())
            throw noBias.Error("is false: biases of this family are read from GGUF files only");
        if (config.Find("logit_scale") is { } scale) throw scale.Error("is there, which does not run in this version");
        if (config.Find("norm_type") is { } norm && norm.Text() is not ("low_precision_layernorm" or "layernorm"))
            throw norm.Error($"is '{Printable.Line(norm.Text())}'; layernorm and low_precision_layernorm run here");
        CommonConfig.SetEpsilon(config, "layer_norm_epsilon", ModelKeys.NormEpsilon, 1e-5, keys);
        keys.Set(ModelKeys.MaxAlibiBias, MaxBias);
        if (config.Find("attn_config") is { } attention) ReadAttention(attention, keys);
        keys.Set(TensorRole.QueryKeyValue);
        CommonConfig.SetHead(config, keys, isTied: true);
        return keys;
    }

    private static void ReadAttention(JsonPart attention, ModelKeys keys)
    {
        foreach (string name in new[] { "attn_uses_sequence_id", "prefix_lm", "qk_ln" }) CommonConfig.RefuseFlag(attention, name);
        if (attention.Find("alibi") is { } alibi && !alibi.Flag())
            throw alibi.Error("is false: learned positions of this family do not run in this version");
        if (attention.Find("alibi_bias_max") is { } most && most.Number(0, 1e3) != MaxBias)
            throw most.Error("is not 8, the only one that transformers runs");
        if (attention.Find("attn_type") is { } type && type.Text() != "multihead_attention")
            throw type.Error($"is '{Printable.Line(type.Text())}'; multihead_attention runs here");
        if (attention.Find("clip_qkv") is { } clip && clip.Number(0, 1e9) is > 0 and var limit) keys.Set(ModelKeys.Clip, (float)limit);
        if (attention.Find("softmax_scale") is { } scale) keys.Set(ModelKeys.ScoreScale, (float)scale.Number(1e-6, 1e6));
    }
}
