using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Llama and what is built as it is: RMS norms before each part, rotary positions, gated feed-forward; Mistral adds a window.</summary>
internal static class LlamaFamily
{
    public static Family Llama { get; } = new()
    {
        Architecture = "llama", ModelType = "llama", ModelClass = "LlamaForCausalLM", Prefix = "model.", MakeSpec = keys => MakeSpec(keys, isSplit: false), ReadConfig = ReadLlama,
    };

    public static Family Mistral { get; } = Llama with { ModelType = "mistral", ModelClass = "MistralForCausalLM", ReadConfig = ReadMistral };

    /// <summary>Qwen2 and 2.5: biases of queries, keys and values; heads are rotated in halves.</summary>
    public static Family Qwen2 { get; } = Llama with
    {
        Architecture = "qwen2", ModelType = "qwen2", ModelClass = "Qwen2ForCausalLM", MakeSpec = keys => MakeSpec(keys, isSplit: true), ReadConfig = ReadQwen2,
    };

    private static ModelSpec MakeSpec(ModelKeys keys, bool isSplit)
    {
        if (keys.SizeOr(ModelKeys.ExpertCount, 0) is > 0 and var experts)
            throw keys.Error($"is a mixture of {experts} experts ({keys.NameOf(ModelKeys.ExpertCount)}): the file is whole, but experts do not run in this version yet");
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, Layer);

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension) with { IsSplit = isSplit };
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with { Rope = rope, Window = keys.SizeOr(ModelKeys.SlidingWindow, 0, l) },
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l),
            };
        }
    }

    private static ModelKeys ReadLlama(JsonPart config)
    {
        ModelKeys keys = ReadConfig(config, "llama", window: null);
        if (CommonConfig.Flag(config, "attention_bias")) keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
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
        config.RequireField("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        if (CommonConfig.Flag(config, "use_sliding_window")) throw config.Require("use_sliding_window").Error("is true, which does not run in this version");
        foreach (JsonPart type in config.Find("layer_types")?.Items() ?? [])
        {
            if (type.Text() != "full_attention") throw type.Error($"is '{Printable.Line(type.Text())}', and only full_attention runs in this version");
        }
        ModelKeys keys = ReadConfig(config, "qwen2", window: null);
        keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias);
        return keys;
    }

    private static ModelKeys ReadConfig(JsonPart config, string architecture, JsonPart? window)
    {
        ModelKeys keys = CommonConfig.Decoder(config, architecture, out AttentionConfig attention, out int context);
        if (window is { } given) keys.Set(ModelKeys.SlidingWindow, (int)given.Integer(1, 1 << 28));
        keys.Set(ModelKeys.RmsEpsilon, (float)(config.Find("rms_norm_eps")?.Number(0, 1) ?? 1e-6));
        if (RopeConfig.RotatedShare(config) is { } share && share.Number(0, 1) != 1) throw share.Error("is not 1: heads of this family are rotated whole");
        keys.Set(ModelKeys.RopeDimension, attention.Dimension);
        RopeConfig.Read(config, keys, attention.Dimension, context);
        if (!CommonConfig.Flag(config, "tie_word_embeddings")) keys.Set(TensorRole.Output);
        return keys;
    }
}
