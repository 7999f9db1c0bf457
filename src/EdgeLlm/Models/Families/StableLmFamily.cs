using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// StableLM 2: layer norms with biases, heads that are rotated in part and in halves; some with attention and feed-forward beside each
/// other.
/// </summary>
internal static class StableLmFamily
{
    public static Family StableLm { get; } = new()
    {
        Architecture = "stablelm",
        ModelType = "stablelm",
        ModelClass = "StableLmForCausalLM",
        Prefix = "model.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        bool isParallel = keys.Flag(ModelKeys.ParallelResidual);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, CommonKeys.LayerNorm(keys, TensorRole.OutputNormBias), Layer);

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            return new LayerSpec
            {
                AttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AttentionNormBias, l),
                Attention = attention with { Rope = rope },
                IsParallel = isParallel,
                FeedForwardNorm = isParallel ? null : CommonKeys.LayerNorm(keys, TensorRole.FeedForwardNormBias, l),
                FeedForward = CommonKeys.FeedForward(keys, l),
            };
        }
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        config.RequireField("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        CommonConfig.RefuseFlag(config, "qk_layernorm");
        if (config.Find("head_dim") is { } given)
            throw given.Error("is there, and this family's heads are always hidden_size / num_attention_heads wide");
        ModelKeys keys = CommonConfig.Decoder(config, "stablelm", out AttentionConfig attention, out int context);
        CommonConfig.SetEpsilon(config, "layer_norm_eps", ModelKeys.NormEpsilon, 1e-5, keys);
        bool isParallel = CommonConfig.Flag(config, "use_parallel_residual");
        keys.Set(ModelKeys.ParallelResidual, isParallel);
        int rotated = (int)(attention.Dimension * (RopeConfig.RotatedShare(config)?.Number(0, 1) ?? 0.25));
        if (rotated < 2 || rotated % 2 != 0) throw config.Error($"rotates {rotated} numbers of a head; it has to be an even number");
        keys.Set(ModelKeys.RopeDimension, rotated);
        RopeConfig.Read(config, keys, rotated, context);

        keys.Set(TensorRole.AttentionNormBias, TensorRole.OutputNormBias);
        if (!isParallel) keys.Set(TensorRole.FeedForwardNormBias);
        CommonConfig.SetHead(config, keys);
        if (CommonConfig.Flag(config, "use_qkv_bias")) keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias);
        return keys;
    }
}
