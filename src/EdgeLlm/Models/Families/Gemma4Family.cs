using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Gemma 4's text part: Gemma 3's norms, windows of their own heads and positions, values that are normed, last layers that use earlier
/// ones' keys and values, and inputs of each layer beside the stream.
/// </summary>
internal static class Gemma4Family
{
    private const int Interval = 6; // of the layers without a window

    public static Family Gemma4 { get; } = new()
    {
        Architecture = "gemma4",
        ModelType = "gemma4",
        ModelClass = "Gemma4ForConditionalGeneration",
        Prefix = "model.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
        TextPart = "text_config",
        TextPrefixes = ["model.language_model."],
        LeftOut = ["model.vision_tower.", "model.audio_tower.", "model.embed_vision.", "model.embed_audio."],
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.PostAttentionNorm] = new("model.layers.{}.post_attention_layernorm.weight"),
            [TensorRole.FeedForwardNorm] = new("model.layers.{}.pre_feedforward_layernorm.weight"),
        },
    };

    /// <summary>The text part by itself.</summary>
    public static Family Gemma4Text { get; } = Gemma4 with { ModelType = "gemma4_text", ModelClass = "Gemma4ForCausalLM", TextPart = null };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        int layers = keys.Size(ModelKeys.BlockCount), shared = keys.SizeOr(ModelKeys.SharedKeyValueLayers, 0),
            window = keys.SizeOr(ModelKeys.SlidingWindow, 0);
        int perLayer = keys.SizeOr(ModelKeys.PerLayerWidth, 0);
        if (shared >= layers) throw keys.Error(ModelKeys.SharedKeyValueLayers, $"is {shared}, and there are {layers} layers");
        if ((long)perLayer * layers > ModelKeys.MaximumWidth)
            throw keys.Error(ModelKeys.PerLayerWidth, $"is {perLayer}: inputs of {layers} layers are too wide");
        bool[] windows = [.. Enumerable.Range(0, layers).Select(l => window > 0 && keys.HasWindow(l, Interval))];
        RopeSpec? global = null, local = null;
        return CommonKeys.Decoder(keys, norm, Layer) with
        {
            EmbeddingScale = MathF.Sqrt(keys.Size(ModelKeys.EmbeddingLength)),
            LogitCap = keys.NumberOr(ModelKeys.LogitCap, 0),
            PerLayer = perLayer > 0 ? new PerLayerSpec(perLayer, norm) : null,
        };

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            if (windows[l])
            {
                int dimension = keys.SizeOr(ModelKeys.WindowKeyLength, attention.Dimension),
                    rotated = keys.SizeOr(ModelKeys.WindowRopeDimension, dimension);
                if (dimension == 0 || keys.SizeOr(ModelKeys.WindowValueLength, dimension) != dimension)
                    throw keys.Error(ModelKeys.WindowKeyLength, "is 0, or not attention.value_length_swa");
                if (rotated > dimension || rotated % 2 != 0)
                    throw keys.Error(ModelKeys.WindowRopeDimension, $"{rotated} is odd or more than a head's {dimension} numbers");
                attention = attention with { Dimension = dimension, Window = window };
                local ??= new RopeSpec
                {
                    Dimension = rotated,
                    Base = keys.NumberOr(ModelKeys.RopeBaseOfWindows, 10_000f),
                    IsSplit = true,
                    TrainedLength = keys.Size(ModelKeys.ContextLength),
                };
            }
            else
            {
                global ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
            }
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with
                {
                    Rope = windows[l] ? local : global,
                    Scale = 1f,
                    HeadNorm = norm,
                    HasValueNorm = true,
                    Source = l < layers - shared ? null : SourceOf(l),
                },
                PostAttentionNorm = norm,
                FeedForwardNorm = norm,
                FeedForward = CommonKeys.FeedForward(keys, l, Activation.GeluTanh),
                PostFeedForwardNorm = norm,
                HasOutputScale = keys.Has(TensorRole.LayerScale, l),
            };
        }

        int SourceOf(int l)
        {
            int source = Array.FindLastIndex(windows, layers - shared - 1, other => other == windows[l]);
            return source >= 0 ? source
                : throw keys.Error(ModelKeys.SharedKeyValueLayers, $"is {shared}, and no earlier layer is of the kind of layer {l}");
        }
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        foreach (string name in new[] { "head_dim", "num_key_value_heads", "sliding_window", "hidden_size_per_layer_input" })
            config.RequireField(name);
        foreach (string name in new[] { "enable_moe_block", "attention_k_eq_v", "attention_bias" }) CommonConfig.RefuseFlag(config, name);
        if (config.Find("use_bidirectional_attention") is { } both && both.Text() != "vision")
            throw both.Error($"is '{Printable.Line(both.Text())}', which does not run in this version");
        ModelKeys keys = CommonConfig.Decoder(config, "gemma4", out AttentionConfig attention, out _, Activation.GeluTanh,
            new ConfigNames { Activation = "hidden_activation" });
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-6, keys);
        int layers = keys.Size(ModelKeys.BlockCount), shared = (int)(config.Find("num_kv_shared_layers")?.Integer(0, layers - 1) ?? 0);
        bool[] windows = CommonConfig.Windows(config, layers)
            ?? [.. Enumerable.Range(0, layers).Select(l => (l + 1) % Interval != 0 && l < layers - 1)];
        windows[^1] = false; // whatever its type says: the reference warns, and takes it as one of full attention
        keys.Set(ModelKeys.SlidingWindow, (int)config.Require("sliding_window").Integer(1, 1 << 28));
        keys.Set(ModelKeys.SlidingWindowPattern, windows);
        keys.Set(ModelKeys.SharedKeyValueLayers, shared);
        keys.Set(ModelKeys.PerLayerWidth, (int)(config.Find("hidden_size_per_layer_input")?.Integer(0, 1 << 14) ?? 0));
        if (config.Find("vocab_size_per_layer_input") is { } rows
            && rows.Integer(1, ModelKeys.MaximumWidth) != keys.Size(ModelKeys.VocabularySize))
            throw rows.Error("is not vocab_size, which does not run in this version");
        if (CommonConfig.Flag(config, "use_double_wide_mlp") && shared > 0)
        {
            int length = keys.Size(ModelKeys.FeedForwardLength);
            keys.Set(ModelKeys.FeedForwardLength,
                Enumerable.Range(0, layers).Select(l => l < layers - shared ? length : checked(2 * length)));
        }
        if (config.Find("final_logit_softcapping") is { } cap) keys.Set(ModelKeys.LogitCap, (float)cap.Number(1e-3, 1e9));
        SetHeads(config, keys, windows, attention.Dimension);
        CommonConfig.SetHead(config, keys, isTied: true);
        keys.Set(TensorRole.QueryNorm, TensorRole.KeyNorm, TensorRole.LayerScale);
        return keys;
    }

    /// <summary>Sizes and positions of the heads of both kinds of layers.</summary>
    private static void SetHeads(JsonPart config, ModelKeys keys, bool[] windows, int dimension)
    {
        int wide = (int)(config.Find("global_head_dim")?.Integer(2, 1 << 14) ?? 512);
        if (config.Find("per_layer_config") is { } overrides)
        {
            wide = dimension;
            foreach ((string name, JsonPart layer) in overrides.Fields())
            {
                if (!int.TryParse(name, out int l) || l < 0 || l >= windows.Length || windows[l]
                    || layer.Fields().Any(field => field.Name != "head_dim"))
                    throw layer.Error(
                        "changes something else than head_dim of layers without a window, which does not run in this version");
                wide = (int)layer.Require("head_dim").Integer(2, 1 << 14);
            }
            if (overrides.Fields().Any(layer => (int)layer.Value.Require("head_dim").Integer(2, 1 << 14) != wide)
                || overrides.Fields().Count() is var count && count > 0 && count != windows.Count(has => !has))
                throw overrides.Error("gives the layers without a window heads of different sizes, which does not run in this version");
        }
        JsonPart parameters = config.Require("rope_parameters"), full = parameters.Require("full_attention"),
            sliding = parameters.Require("sliding_attention");
        if ((sliding.Find("rope_type")?.Text() ?? "default") != "default")
            throw sliding.Require("rope_type").Error("is not default: layers with a window are not stretched here");
        string type = full.Find("rope_type")?.Text() ?? "default";
        if (type is not ("default" or "proportional"))
            throw full.Require("rope_type").Error($"is '{Printable.Line(type)}'; proportional and default run here");
        keys.Set(ModelKeys.KeyLength, wide);
        keys.Set(ModelKeys.ValueLength, wide);
        keys.Set(ModelKeys.WindowKeyLength, dimension);
        keys.Set(ModelKeys.WindowValueLength, dimension);
        keys.Set(ModelKeys.RopeDimension, wide);
        keys.Set(ModelKeys.WindowRopeDimension, dimension);
        keys.Set(ModelKeys.RopeBase, (float)full.Require("rope_theta").Number(1e-6, 1e30));
        keys.Set(ModelKeys.RopeBaseOfWindows, (float)sliding.Require("rope_theta").Number(1e-6, 1e30));
        double share = full.Find("partial_rotary_factor")?.Number(0, 1) ?? 1;
        if (type == "default" && share != 1 || sliding.Find("partial_rotary_factor") is not null)
            throw config.Require("rope_parameters").Error("has a partial_rotary_factor of a type that does not read it");
        // Pairs beyond the share do not turn: a file divides their frequency by a number that no position reaches.
        int turning = (int)(share * wide / 2);
        if (turning < wide / 2) keys.RopeDivisors = [.. Enumerable.Range(0, wide / 2).Select(pair => pair < turning ? 1f : 1e30f)];
    }
}
