using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Falcon: 7B has both parts beside each other on one layer norm and a single key and value; 40B a norm for each part and groups of heads;
/// the RW models have one part after the other, biases, and ALiBi.
/// </summary>
internal static class FalconFamily
{
    public static Family Falcon { get; } = new()
    {
        Architecture = "falcon",
        ModelType = "falcon",
        ModelClass = "FalconForCausalLM",
        Prefix = "transformer.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
        FolderNames = new Dictionary<TensorRole, FolderName>(AlibiFamilies.BloomNames)
        {
            [TensorRole.AttentionNorm] = new("transformer.h.{}.input_layernorm.weight") { Others = ["transformer.h.{}.ln_mlp.weight"] },
            [TensorRole.AttentionNormBias] = new("transformer.h.{}.input_layernorm.bias") { Others = ["transformer.h.{}.ln_mlp.bias"] },
            [TensorRole.SecondNorm] = new("transformer.h.{}.ln_attn.weight"),
            [TensorRole.SecondNormBias] = new("transformer.h.{}.ln_attn.bias"),
        },
    };

    // transformers' eager attention, the reference here, adds ALiBi to the scores before they are scaled, and once more, scaled, with the
    // mask (modeling_falcon.py).
    private const int AlibiCount = 2;

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        bool isParallel = !keys.Has(ModelKeys.ParallelResidual) || keys.Flag(ModelKeys.ParallelResidual);
        float alibi = keys.NumberOr(ModelKeys.MaxAlibiBias, 0);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, CommonKeys.LayerNorm(keys, TensorRole.OutputNormBias), l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            if (alibi == 0) rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            return new LayerSpec
            {
                AttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AttentionNormBias, l),
                Attention = attention with { Rope = rope, MaxAlibiBias = alibi, AlibiFactor = AlibiCount * attention.Scale },
                IsParallel = isParallel,
                HasSecondNorm = isParallel && keys.Has(TensorRole.SecondNorm, l),
                FeedForwardNorm = isParallel ? null : CommonKeys.LayerNorm(keys, TensorRole.FeedForwardNormBias, l),
                FeedForward = CommonKeys.FeedForward(keys, l, Activation.Gelu, isGated: false),
            };
        });
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        bool isNew = CommonConfig.Flag(config, "new_decoder_architecture"), isAlibi = CommonConfig.Flag(config, "alibi");
        bool isParallel = config.Find("parallel_attn")?.Flag() ?? true;
        int norms = config.Find("num_ln_in_parallel_attn") is { } count ? (int)count.Integer(1, 2) : isNew ? 2 : 1;
        if (isNew && !isParallel) throw config.Require("parallel_attn").Error("is false, which new_decoder_architecture does not have");
        // The first builds' name of the width counts before the later one.
        var names = new ConfigNames
        {
            Width = config.Find("n_embed") is null ? "hidden_size" : "n_embed",
            KeyValueHeads = "",
            FeedForward = "ffn_hidden_size",
            Activation = "activation",
            UsualContext = 2048,
            IsFeedForwardFourfold = true,
            IsRotated = !isAlibi,
        };
        ModelKeys keys = CommonConfig.Decoder(config, "falcon", out AttentionConfig attention, out int context, Activation.Gelu, names);
        int keyValueHeads = attention.Heads;
        if (isNew) keyValueHeads = (int)(config.Find("num_kv_heads")?.Integer(1, attention.Heads) ?? attention.Heads);
        else if (config.Find("multi_query")?.Flag() ?? true) keyValueHeads = 1;
        else if (config.Find("num_kv_heads") is { } kept && kept.Integer(1, 1 << 16) != attention.Heads)
            throw kept.Error($"is not num_attention_heads {attention.Heads}, and multi_query is false");
        keys.Set(ModelKeys.KeyValueHeadCount, keyValueHeads);
        CommonConfig.SetEpsilon(config, "layer_norm_epsilon", ModelKeys.NormEpsilon, 1e-5, keys);
        if (!isParallel) keys.Set(ModelKeys.ParallelResidual, false);
        if (!isAlibi) CommonConfig.RequireWholeRotation(config);
        RopeConfig.Read(config, isAlibi ? new ModelKeys(config.File, keys.Architecture) : keys, attention.Dimension,
            context); // checked with ALiBi, too, as by the reference
        if (isAlibi) keys.Set(ModelKeys.MaxAlibiBias, 8f);
        keys.Set(TensorRole.QueryKeyValue, TensorRole.AttentionNormBias, TensorRole.OutputNormBias);
        if (!isParallel) keys.Set(TensorRole.FeedForwardNormBias);
        else if (norms == 2 && isNew) keys.Set(TensorRole.SecondNorm, TensorRole.SecondNormBias);
        if (CommonConfig.Flag(config, "bias"))
            keys.Set(TensorRole.QueryKeyValueBias, TensorRole.AttentionOutputBias, TensorRole.UpBias, TensorRole.DownBias);
        CommonConfig.SetHead(config, keys, isTied: true);
        return keys;
    }
}
