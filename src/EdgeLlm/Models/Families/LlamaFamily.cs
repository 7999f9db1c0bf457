using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Llama and what is built as it is: RMS norms before each part, rotary positions, gated feed-forward; Mistral adds a window.</summary>
internal static class LlamaFamily
{
    public static Family Llama { get; } = new()
    {
        Architecture = "llama", ModelType = "llama", ModelClass = "LlamaForCausalLM", Prefix = "model.", MakeSpec = MakeSpec,
        ReadConfig = config => ReadConfig(config, isMistral: false),
    };

    public static Family Mistral { get; } = Llama with
    {
        ModelType = "mistral", ModelClass = "MistralForCausalLM", ReadConfig = config => ReadConfig(config, isMistral: true),
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        if (keys.SizeOr(ModelKeys.ExpertCount, 0) is > 0 and var experts)
            throw keys.Error($"is a mixture of {experts} experts ({keys.NameOf(ModelKeys.ExpertCount)}): the file is whole, but experts do not run in this version yet");
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        RopeSpec? rope = null;
        return new ModelSpec
        {
            Architecture = keys.Architecture,
            ContextLength = keys.Size(ModelKeys.ContextLength),
            Width = keys.Size(ModelKeys.EmbeddingLength),
            VocabularySize = keys.EmbeddingRows(),
            Layers = [.. Enumerable.Range(0, keys.Size(ModelKeys.BlockCount)).Select(Layer)],
            OutputNorm = norm,
            IsTied = !keys.Has(TensorRole.Output),
        };

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension);
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with { Rope = rope, Window = keys.SizeOr(ModelKeys.SlidingWindow, 0, l) },
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l),
            };
        }
    }

    private static ModelKeys ReadConfig(JsonPart config, bool isMistral)
    {
        if (isMistral)
        {
            // Where these are missing the reference takes numbers of one particular model.
            config.RequireField("num_key_value_heads");
            config.RequireField("sliding_window");
        }
        if (config.Find("hidden_act") is { } activation && activation.Text() is not ("silu" or "swish"))
            throw activation.Error($"is '{FolderFile.Printable(activation.Text())}', and this family runs with silu only");
        if (config.Find("quantization_config") is { } quantized) throw quantized.Error("is there: the weights are quantized already, in a form that is not read");

        AttentionConfig attention = CommonConfig.Attention(config);
        int context = CommonConfig.Length(config, "max_position_embeddings");
        var keys = new ModelKeys(config.File, "llama");
        keys.Set(ModelKeys.VocabularySize, CommonConfig.Width(config, "vocab_size"));
        keys.Set(ModelKeys.ContextLength, context);
        keys.Set(ModelKeys.EmbeddingLength, CommonConfig.Width(config, "hidden_size"));
        keys.Set(ModelKeys.BlockCount, (int)config.Require("num_hidden_layers").Integer(1, ModelKeys.MaximumLayers));
        keys.Set(ModelKeys.FeedForwardLength, CommonConfig.Width(config, "intermediate_size"));
        attention.Write(keys);
        if (isMistral && config.Find("sliding_window") is { } window) keys.Set(ModelKeys.SlidingWindow, (int)window.Integer(1, 1 << 28));
        keys.Set(ModelKeys.RmsEpsilon, (float)(config.Find("rms_norm_eps")?.Number(0, 1) ?? 1e-6));
        keys.Set(ModelKeys.RopeDimension, attention.Dimension);
        RopeConfig.Read(config, keys, attention.Dimension, context);

        if (!CommonConfig.Flag(config, "tie_word_embeddings")) keys.Set(TensorRole.Output);
        if (isMistral) return keys;
        if (CommonConfig.Flag(config, "attention_bias")) keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        if (CommonConfig.Flag(config, "mlp_bias")) keys.Set(TensorRole.GateBias, TensorRole.UpBias, TensorRole.DownBias);
        return keys;
    }
}
