using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>StableLM 2: layer norms with biases, heads that are rotated in part and in halves; some with attention and feed-forward beside each other.</summary>
internal static class StableLmFamily
{
    public static Family StableLm { get; } = new()
    {
        Architecture = "stablelm", ModelType = "stablelm", ModelClass = "StableLmForCausalLM", Prefix = "model.", MakeSpec = MakeSpec, ReadConfig = ReadConfig,
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        float epsilon = keys.Number(ModelKeys.NormEpsilon);
        bool isParallel = keys.Flag(ModelKeys.ParallelResidual);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, Norm(TensorRole.OutputNormBias, 0), Layer);

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension) with { IsSplit = true };
            return new LayerSpec
            {
                AttentionNorm = Norm(TensorRole.AttentionNormBias, l),
                Attention = attention with { Rope = rope },
                FeedForwardNorm = isParallel ? null : Norm(TensorRole.FeedForwardNormBias, l),
                FeedForward = CommonKeys.FeedForward(keys, l),
            };
        }

        NormSpec Norm(TensorRole bias, int l) => new(epsilon) { IsCentered = true, HasBias = keys.Has(bias, l) };
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        config.RequireField("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        if (CommonConfig.Flag(config, "qk_layernorm")) throw config.Require("qk_layernorm").Error("is true, which does not run in this version");
        if (config.Find("head_dim") is { } given) throw given.Error("is there, and this family's heads are always hidden_size / num_attention_heads wide");
        ModelKeys keys = CommonConfig.Decoder(config, "stablelm", out AttentionConfig attention, out int context);
        keys.Set(ModelKeys.NormEpsilon, (float)(config.Find("layer_norm_eps")?.Number(0, 1) ?? 1e-5));
        bool isParallel = CommonConfig.Flag(config, "use_parallel_residual");
        keys.Set(ModelKeys.ParallelResidual, isParallel);
        int rotated = (int)(attention.Dimension * (RopeConfig.RotatedShare(config)?.Number(0, 1) ?? 0.25));
        if (rotated < 2 || rotated % 2 != 0) throw config.Error($"rotates {rotated} numbers of a head; it has to be an even number");
        keys.Set(ModelKeys.RopeDimension, rotated);
        RopeConfig.Read(config, keys, rotated, context);

        keys.Set(TensorRole.AttentionNormBias, TensorRole.OutputNormBias);
        if (!isParallel) keys.Set(TensorRole.FeedForwardNormBias);
        if (!CommonConfig.Flag(config, "tie_word_embeddings")) keys.Set(TensorRole.Output);
        if (CommonConfig.Flag(config, "use_qkv_bias")) keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias);
        return keys;
    }
}
