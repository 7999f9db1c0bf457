using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// GPT-NeoX (Pythia, Dolly 2, RedPajama-INCITE, StableLM alpha): layer norms, heads rotated in part, both parts beside each other with a
/// norm each, or one after the other. GPT-J: beside each other on one norm, rotated in neighbours.
/// </summary>
internal static class GptNeoXFamily
{
    public static Family GptNeoX { get; } = new()
    {
        Architecture = "gptneox",
        ModelType = "gpt_neox",
        ModelClass = "GPTNeoXForCausalLM",
        Prefix = "gpt_neox.",
        MakeSpec = MakeGptNeoX,
        ReadConfig = ReadGptNeoX,
        Buffers = [".attention.bias", ".attention.masked_bias"],
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.TokenEmbedding] = new("gpt_neox.embed_in.weight"),
            [TensorRole.AttentionNorm] = new("gpt_neox.layers.{}.input_layernorm.weight"),
            [TensorRole.AttentionNormBias] = new("gpt_neox.layers.{}.input_layernorm.bias"),
            [TensorRole.QueryKeyValue] = new("gpt_neox.layers.{}.attention.query_key_value.weight", FolderForm.HeadGroups),
            [TensorRole.QueryKeyValueBias] = new("gpt_neox.layers.{}.attention.query_key_value.bias", FolderForm.HeadGroups),
            [TensorRole.AttentionOutput] = new("gpt_neox.layers.{}.attention.dense.weight"),
            [TensorRole.AttentionOutputBias] = new("gpt_neox.layers.{}.attention.dense.bias"),
            [TensorRole.FeedForwardNorm] = new("gpt_neox.layers.{}.post_attention_layernorm.weight"),
            [TensorRole.FeedForwardNormBias] = new("gpt_neox.layers.{}.post_attention_layernorm.bias"),
            [TensorRole.Up] = new("gpt_neox.layers.{}.mlp.dense_h_to_4h.weight"),
            [TensorRole.UpBias] = new("gpt_neox.layers.{}.mlp.dense_h_to_4h.bias"),
            [TensorRole.Down] = new("gpt_neox.layers.{}.mlp.dense_4h_to_h.weight"),
            [TensorRole.DownBias] = new("gpt_neox.layers.{}.mlp.dense_4h_to_h.bias"),
            [TensorRole.OutputNorm] = new("gpt_neox.final_layer_norm.weight"),
            [TensorRole.OutputNormBias] = new("gpt_neox.final_layer_norm.bias"),
            [TensorRole.Output] = new("embed_out.weight"),
        },
    };

    public static Family GptJ { get; } = new()
    {
        Architecture = "gptj",
        ModelType = "gptj",
        ModelClass = "GPTJForCausalLM",
        Prefix = "transformer.",
        MakeSpec = MakeGptJ,
        ReadConfig = ReadGptJ,
        RotatesNeighbours = true,
        Buffers = [".attn.bias", ".attn.masked_bias"],
        OtherNames = Gpt2Family.Gpt2.OtherNames,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.TokenEmbedding] = new("transformer.wte.weight"),
            [TensorRole.AttentionNorm] = new("transformer.h.{}.ln_1.weight"),
            [TensorRole.AttentionNormBias] = new("transformer.h.{}.ln_1.bias"),
            [TensorRole.Query] = new("transformer.h.{}.attn.q_proj.weight"),
            [TensorRole.Key] = new("transformer.h.{}.attn.k_proj.weight"),
            [TensorRole.Value] = new("transformer.h.{}.attn.v_proj.weight"),
            [TensorRole.AttentionOutput] = new("transformer.h.{}.attn.out_proj.weight"),
            [TensorRole.Up] = new("transformer.h.{}.mlp.fc_in.weight"),
            [TensorRole.UpBias] = new("transformer.h.{}.mlp.fc_in.bias"),
            [TensorRole.Down] = new("transformer.h.{}.mlp.fc_out.weight"),
            [TensorRole.DownBias] = new("transformer.h.{}.mlp.fc_out.bias"),
            [TensorRole.OutputNorm] = new("transformer.ln_f.weight"),
            [TensorRole.OutputNormBias] = new("transformer.ln_f.bias"),
        },
    };

    private static readonly ConfigNames NamesJ = Gpt2Family.Names2 with { IsRotated = true };

    private static ModelSpec MakeGptNeoX(ModelKeys keys)
    {
        bool isParallel = !keys.Has(ModelKeys.ParallelResidual) || keys.Flag(ModelKeys.ParallelResidual);
        return MakeSpec(keys, isSplit: true, l => CommonKeys.LayerNorm(keys, TensorRole.FeedForwardNormBias, l),
            isParallel, Activation.Gelu);
    }

    private static ModelSpec MakeGptJ(ModelKeys keys) =>
        MakeSpec(keys, isSplit: false, _ => null, isParallel: true, Activation.GeluTanh)
            with
        { HasHeadBias = keys.Has(TensorRole.OutputBias) };

    private static ModelSpec MakeSpec(ModelKeys keys, bool isSplit, Func<int, NormSpec?> feedForwardNorm,
        bool isParallel, Activation activation)
    {
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, CommonKeys.LayerNorm(keys, TensorRole.OutputNormBias), l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit);
            return new LayerSpec
            {
                AttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AttentionNormBias, l),
                Attention = attention with { Rope = rope },
                IsParallel = isParallel,
                FeedForwardNorm = feedForwardNorm(l),
                FeedForward = CommonKeys.FeedForward(keys, l, activation, isGated: false),
            };
        });
    }

    private static ModelKeys ReadGptNeoX(JsonPart config)
    {
        if (config.Find("head_dim") is { } given)
            throw given.Error("is there, and this family's heads are always hidden_size / num_attention_heads wide");
        ModelKeys keys = CommonConfig.Decoder(config, "gptneox", out AttentionConfig attention, out int context, Activation.Gelu,
            new ConfigNames { KeyValueHeads = "" });
        CommonConfig.SetEpsilon(config, "layer_norm_eps", ModelKeys.NormEpsilon, 1e-5, keys);
        keys.Set(ModelKeys.ParallelResidual, config.Find("use_parallel_residual")?.Flag() ?? true);
        JsonPart? share = RopeConfig.RotatedShare(config) ?? config.Find("rotary_pct");
        int rotated = (int)(attention.Dimension * (share?.Number(0, 1) ?? 0.25));
        if (rotated < 2 || rotated % 2 != 0) throw config.Error($"rotates {rotated} numbers of a head; it has to be an even number");
        keys.Set(ModelKeys.RopeDimension, rotated);
        RopeConfig.Read(config, keys, rotated, context, config.Find("rope_theta") is null ? "rotary_emb_base" : "rope_theta");
        keys.Set(TensorRole.QueryKeyValue, TensorRole.AttentionNormBias, TensorRole.FeedForwardNormBias, TensorRole.UpBias,
            TensorRole.DownBias, TensorRole.OutputNormBias);
        if (config.Find("attention_bias")?.Flag() ?? true) keys.Set(TensorRole.QueryKeyValueBias, TensorRole.AttentionOutputBias);
        CommonConfig.SetHead(config, keys);
        return keys;
    }

    private static ModelKeys ReadGptJ(JsonPart config)
    {
        ModelKeys keys = CommonConfig.Decoder(config, "gptj", out AttentionConfig attention, out _, Activation.GeluTanh, NamesJ);
        CommonConfig.SetEpsilon(config, "layer_norm_epsilon", ModelKeys.NormEpsilon, 1e-5, keys);
        int rotated = (int)config.Require("rotary_dim").Integer(2, attention.Dimension);
        if (rotated % 2 != 0) throw config.Require("rotary_dim").Error($"is {rotated}; it has to be an even number");
        keys.Set(ModelKeys.RopeDimension, rotated);
        keys.Set(TensorRole.AttentionNormBias, TensorRole.UpBias, TensorRole.DownBias, TensorRole.OutputNormBias);
        CommonConfig.SetHead(config, keys);
        if (keys.Has(TensorRole.Output)) keys.Set(TensorRole.OutputBias);
        return keys;
    }
}
