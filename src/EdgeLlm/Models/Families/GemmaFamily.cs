using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Gemma: embeddings times the root of their width, norms of 1 + w, GELU. Gemma 2 norms what parts add, too, caps scores and logits, and
/// gives every other layer a window; Gemma 3 norms queries and keys instead of caps, and rotates the layers with a window by another base.
/// </summary>
internal static class GemmaFamily
{
    // Layers between those without a window.
    private const int Interval2 = 2, Interval3 = 6;

    // llama.cpp's converter has no key for the scale of the largest models, which is that of the stream's width over the heads; their
    // layers tell them.
    private const int LargestLayers2 = 46, LargestLayers3 = 62;

    public static Family Gemma { get; } = new()
    {
        Architecture = "gemma",
        ModelType = "gemma",
        ModelClass = "GemmaForCausalLM",
        Prefix = "model.",
        MakeSpec = MakeGemma,
        ReadConfig = ReadGemma,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.AttentionNorm] = new("model.layers.{}.input_layernorm.weight", FolderForm.LessOne),
            [TensorRole.FeedForwardNorm] = new("model.layers.{}.post_attention_layernorm.weight", FolderForm.LessOne),
            [TensorRole.OutputNorm] = new("model.norm.weight", FolderForm.LessOne),
        },
    };

    public static Family Gemma2 { get; } = new()
    {
        Architecture = "gemma2",
        ModelType = "gemma2",
        ModelClass = "Gemma2ForCausalLM",
        Prefix = "model.",
        MakeSpec = MakeGemma2,
        ReadConfig = ReadGemma2,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.AttentionNorm] = new("model.layers.{}.input_layernorm.weight", FolderForm.LessOne),
            [TensorRole.PostAttentionNorm] = new("model.layers.{}.post_attention_layernorm.weight", FolderForm.LessOne),
            [TensorRole.FeedForwardNorm] = new("model.layers.{}.pre_feedforward_layernorm.weight", FolderForm.LessOne),
            [TensorRole.PostFeedForwardNorm] = new("model.layers.{}.post_feedforward_layernorm.weight", FolderForm.LessOne),
            [TensorRole.QueryNorm] = new("model.layers.{}.self_attn.q_norm.weight", FolderForm.LessOne),
            [TensorRole.KeyNorm] = new("model.layers.{}.self_attn.k_norm.weight", FolderForm.LessOne),
            [TensorRole.OutputNorm] = new("model.norm.weight", FolderForm.LessOne),
        },
    };

    public static Family Gemma3 { get; } = Gemma2 with
    {
        Architecture = "gemma3",
        ModelType = "gemma3_text",
        ModelClass = "Gemma3ForCausalLM",
        MakeSpec = MakeGemma3,
        ReadConfig = ReadGemma3,
    };

    /// <summary>Gemma 3 beside a vision part, as its sizes from 4B on are on hubs.</summary>
    public static Family Gemma3WithImages { get; } = Gemma3 with
    {
        ModelType = "gemma3",
        ModelClass = "Gemma3ForConditionalGeneration",
        ReadConfig = static config => ReadGemma3(config.WithDefaults(PublishedFields)),
        TextPart = "text_config",
        TextPrefixes = MinistralFamily.Mistral3.TextPrefixes,
        LeftOut = MinistralFamily.Mistral3.LeftOut,
    };

    // What the published files leave out, and the reference's class fills in (configuration_gemma3.py, Gemma3TextConfig): another size has
    // tensors of other shapes.
    private const string PublishedFields =
        """{"vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072, "sliding_window": 4096, "query_pre_attn_scalar": 256}""";

    /// <summary>EmbeddingGemma: Gemma 3's layers as an encoder.</summary>
    public static Family Embedding { get; } = Gemma3 with
    {
        Architecture = "gemma-embedding",
        ModelClass = "Gemma3TextModel",
        MakeSpec = MakeEmbedding,
        ReadConfig = ReadEmbedding,
    };

    private static ModelSpec MakeGemma(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        return Scaled(CommonKeys.Decoder(keys, norm, l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with { Rope = CommonKeys.Rope(keys, attention.Dimension, isSplit: true) },
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l, Activation.GeluTanh),
            };
        }));
    }

    private static ModelSpec MakeGemma2(ModelKeys keys)
    {
        float cap = keys.NumberOr(ModelKeys.ScoreCap, 0);
        return MakeWithWindows(keys, Interval2, LargestLayers2, (attention, _, rope) => attention with { Rope = rope, ScoreCap = cap });
    }

    private static ModelSpec MakeGemma3(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        float localBase = keys.NumberOr(ModelKeys.RopeBaseOfWindows, 10_000f);
        RopeSpec? local = null;
        return MakeWithWindows(keys, Interval3, LargestLayers3, (attention, hasWindow, rope) =>
        {
            local ??= new RopeSpec { Dimension = rope.Dimension, Base = localBase, IsSplit = true, TrainedLength = rope.TrainedLength };
            return attention with { Rope = hasWindow ? local : rope, HeadNorm = norm };
        });
    }

    private static ModelSpec MakeEmbedding(ModelKeys keys)
    {
        ModelSpec spec = CommonKeys.Encoder(keys, MakeGemma3(keys));
        return spec with
        {
            LogitCap = 0,
            Layers = [.. spec.Layers.Select(layer => layer with { Attention = layer.Attention with { IsBidirectional = true } })],
        };
    }

    /// <summary>Norms around both parts, and layers with windows.</summary>
    private static ModelSpec MakeWithWindows(ModelKeys keys, int interval, int largestLayers,
        Func<AttentionSpec, bool, RopeSpec, AttentionSpec> finish)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        int window = keys.Size(ModelKeys.SlidingWindow), layers = keys.Size(ModelKeys.BlockCount);
        RopeSpec? rope = null;
        ModelSpec spec = CommonKeys.Decoder(keys, norm, l =>
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            bool hasWindow = window > 0 && keys.HasWindow(l, interval);
            if (layers == largestLayers && !keys.Has(ModelKeys.ScoreScale))
                attention = attention with { Scale = 1f / MathF.Sqrt(keys.Size(ModelKeys.EmbeddingLength) / attention.Heads) };
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = finish(attention with { Window = hasWindow ? window : 0 }, hasWindow, rope),
                PostAttentionNorm = norm,
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l, Activation.GeluTanh),
                PostFeedForwardNorm = norm,
            };
        });
        return Scaled(spec) with { LogitCap = keys.NumberOr(ModelKeys.LogitCap, 0) };
    }

    private static ModelSpec Scaled(ModelSpec spec) => spec with { EmbeddingScale = MathF.Sqrt(spec.Width) };

    private static ModelKeys ReadGemma(JsonPart config)
    {
        // hidden_activation is not read: transformers' GemmaMLP takes hidden_act. What Gemma's first files said there, gelu, meant its
        // approximation.
        ModelKeys keys = ReadCommon(config, "gemma", config.Find("hidden_act")?.Text() == "gelu" ? "" : "hidden_act",
            out AttentionConfig attention, out int context);
        RopeConfig.Read(config, keys, attention.Dimension, context);
        return keys;
    }

    private static ModelKeys ReadGemma2(JsonPart config)
    {
        ModelKeys keys = ReadWindows(config, "gemma2", Interval2, "", out AttentionConfig attention, out int context);
        foreach (string name in new[] { "attn_logit_softcapping", "final_logit_softcapping" })
            config.RequireField(name); // as of the head's size
        SetCap(config, "attn_logit_softcapping", ModelKeys.ScoreCap, keys);
        RopeConfig.Read(config, keys, attention.Dimension, context);
        return keys;
    }

    private static ModelKeys ReadGemma3(JsonPart config)
    {
        if (CommonConfig.Flag(config, "use_bidirectional_attention"))
            throw config.Require("use_bidirectional_attention").Error("is true: of models of embeddings only Gemma3TextModel is read here");
        return ReadLayers(config, "gemma3");
    }

    private static ModelKeys ReadEmbedding(JsonPart config)
    {
        if (!CommonConfig.Flag(config, "use_bidirectional_attention"))
            throw config.Error(
                "has the class Gemma3TextModel without use_bidirectional_attention: only models of embeddings are read without a head");
        return ReadLayers(config, "gemma-embedding");
    }

    private static ModelKeys ReadLayers(JsonPart config, string architecture)
    {
        ModelKeys keys =
            ReadWindows(config, architecture, Interval3, "sliding_window_pattern", out AttentionConfig attention, out int context);
        JsonPart? parameters = RopeConfig.Parameters(config), local = config.Find("rope_local_base_freq"),
            global = config.Find("rope_theta");
        if (parameters?.Find("full_attention") is { } full)
        {
            JsonPart sliding = parameters.Value.Require("sliding_attention");
            if (sliding.Find("rope_type") is { } type && type.Text() != "default")
                throw type.Error("is not default: layers with a window are not stretched here");
            (parameters, local) = (full, sliding.Find("rope_theta"));
        }
        else if (parameters is { } given && given.Find("rope_type") is null && given.Find("type") is { } old)
        {
            throw old.Error("is not read by the reference of this family; rope_type is");
        }
        if (parameters?.Find("truncate") is { } truncate && !truncate.Flag())
            throw truncate.Error("is false, which the reference of this family does not read");
        if (parameters?.Find("rope_theta") is null && global is null) keys.Set(ModelKeys.RopeBase, 1_000_000f);
        else RopeConfig.Read(parameters, global, keys, attention.Dimension, context);
        if (parameters is { } stretched && global is null && stretched.Find("rope_theta") is null)
            RopeConfig.Read(parameters, null, keys, attention.Dimension, context);
        keys.Set(ModelKeys.RopeBaseOfWindows, (float)(local?.Number(1e-6, 1e30) ?? 10_000));
        keys.Set(TensorRole.QueryNorm, TensorRole.KeyNorm);
        return keys;
    }

    private static ModelKeys ReadWindows(JsonPart config, string architecture, int interval, string pattern,
        out AttentionConfig attention, out int context)
    {
        ModelKeys keys = ReadCommon(config, architecture, "hidden_activation", out attention, out context);
        int layers = keys.Size(ModelKeys.BlockCount);
        int every = config.Find(pattern) is { } given ? (int)given.Integer(1, ModelKeys.MaximumLayers) : interval;
        bool[] windows = CommonConfig.Windows(config, layers) ?? [.. Enumerable.Range(0, layers).Select(l => (l + 1) % every != 0)];
        CommonConfig.SetWindows(config.Require("sliding_window"), windows, interval, keys);
        double scalar = config.Require("query_pre_attn_scalar").Number(1e-3, 1e6);
        if (scalar != attention.Dimension) keys.Set(ModelKeys.ScoreScale, (float)(1 / Math.Sqrt(scalar)));
        SetCap(config, "final_logit_softcapping", ModelKeys.LogitCap, keys);
        return keys;
    }

    private static void SetCap(JsonPart config, string name, ModelKey key, ModelKeys keys)
    {
        if (config.Find(name) is { } cap) keys.Set(key, (float)cap.Number(1e-3, 1e9));
    }

    private static ModelKeys ReadCommon(JsonPart config, string architecture, string activation,
        out AttentionConfig attention, out int context)
    {
        foreach (string name in new[] { "head_dim", "num_key_value_heads" })
            config.Require(name); // where they are missing the reference takes numbers of one particular model
        var names = new ConfigNames { Activation = activation };
        ModelKeys keys = CommonConfig.Decoder(config, architecture, out attention, out context, Activation.GeluTanh, names);
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-6, keys);
        CommonConfig.RequireWholeRotation(config);
        CommonConfig.SetHead(config, keys, isTied: true);
        if (CommonConfig.Flag(config, "attention_bias"))
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        return keys;
    }
}
