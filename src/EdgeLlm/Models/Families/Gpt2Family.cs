using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// GPT-2 (and Cerebras-GPT): layer norms, learned positions, queries, keys and values of one matrix, GELU. GPT-Neo: the same with three
/// matrices, scores that are not scaled, and a window in every other layer.
/// </summary>
internal static class Gpt2Family
{
    public static Family Gpt2 { get; } = new()
    {
        Architecture = "gpt2",
        ModelType = "gpt2",
        ModelClass = "GPT2LMHeadModel",
        Prefix = "transformer.",
        MakeSpec = MakeSpec,
        ReadConfig = config => ReadGpt2(config, "gpt2"),
        Buffers = [".attn.bias", ".attn.masked_bias"],
        OtherNames = new Dictionary<string, string>
        {
            ["n_embd"] = "hidden_size",
            ["n_layer"] = "num_hidden_layers",
            ["n_head"] = "num_attention_heads",
            ["n_positions"] = "max_position_embeddings",
        },
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.TokenEmbedding] = new("transformer.wte.weight"),
            [TensorRole.PositionEmbedding] = new("transformer.wpe.weight"),
            [TensorRole.AttentionNorm] = new("transformer.h.{}.ln_1.weight"),
            [TensorRole.AttentionNormBias] = new("transformer.h.{}.ln_1.bias"),
            [TensorRole.QueryKeyValue] = new("transformer.h.{}.attn.c_attn.weight", FolderForm.Transposed),
            [TensorRole.QueryKeyValueBias] = new("transformer.h.{}.attn.c_attn.bias"),
            [TensorRole.AttentionOutput] = new("transformer.h.{}.attn.c_proj.weight", FolderForm.Transposed),
            [TensorRole.AttentionOutputBias] = new("transformer.h.{}.attn.c_proj.bias"),
            [TensorRole.FeedForwardNorm] = new("transformer.h.{}.ln_2.weight"),
            [TensorRole.FeedForwardNormBias] = new("transformer.h.{}.ln_2.bias"),
            [TensorRole.Up] = new("transformer.h.{}.mlp.c_fc.weight", FolderForm.Transposed),
            [TensorRole.UpBias] = new("transformer.h.{}.mlp.c_fc.bias"),
            [TensorRole.Down] = new("transformer.h.{}.mlp.c_proj.weight", FolderForm.Transposed),
            [TensorRole.DownBias] = new("transformer.h.{}.mlp.c_proj.bias"),
            [TensorRole.OutputNorm] = new("transformer.ln_f.weight"),
            [TensorRole.OutputNormBias] = new("transformer.ln_f.bias"),
        },
    };

    public static Family GptNeo { get; } = new()
    {
        Architecture = "gptneo",
        ModelType = "gpt_neo",
        ModelClass = "GPTNeoForCausalLM",
        Prefix = "transformer.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadGptNeo,
        Buffers = [".attention.bias", ".attention.masked_bias"],
        OtherNames = new Dictionary<string, string> { ["num_layers"] = "num_hidden_layers", ["num_heads"] = "num_attention_heads" },
        FolderNames = new Dictionary<TensorRole, FolderName>(Gpt2.FolderNames)
        {
            [TensorRole.Query] = new("transformer.h.{}.attn.attention.q_proj.weight"),
            [TensorRole.Key] = new("transformer.h.{}.attn.attention.k_proj.weight"),
            [TensorRole.Value] = new("transformer.h.{}.attn.attention.v_proj.weight"),
            [TensorRole.AttentionOutput] = new("transformer.h.{}.attn.attention.out_proj.weight"),
            [TensorRole.AttentionOutputBias] = new("transformer.h.{}.attn.attention.out_proj.bias"),
            [TensorRole.Up] = new("transformer.h.{}.mlp.c_fc.weight"),
            [TensorRole.Down] = new("transformer.h.{}.mlp.c_proj.weight"),
        },
    };

    /// <summary>GPT-2's names of fields.</summary>
    public static ConfigNames Names2 { get; } = new()
    {
        Width = "n_embd",
        Layers = "n_layer",
        Heads = "n_head",
        KeyValueHeads = "",
        FeedForward = "n_inner",
        Context = "n_positions",
        Activation = "activation_function",
        IsFeedForwardFourfold = true,
        IsRotated = false,
    };

    private static readonly ConfigNames NamesNeo = new()
    {
        Layers = "num_layers",
        Heads = "num_heads",
        KeyValueHeads = "",
        Activation = "activation_function",
        IsFeedForwardFourfold = true,
        IsRotated = false,
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        int window = keys.SizeOr(ModelKeys.SlidingWindow, 0);
        ModelSpec spec = CommonKeys.Decoder(keys, CommonKeys.LayerNorm(keys, TensorRole.OutputNormBias), l => new LayerSpec
        {
            AttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AttentionNormBias, l),
            Attention = CommonKeys.Attention(keys, l) with { Window = window > 0 && keys.HasWindow(l, 1) ? window : 0 },
            FeedForwardNorm = CommonKeys.LayerNorm(keys, TensorRole.FeedForwardNormBias, l),
            FeedForward = CommonKeys.FeedForward(keys, l, Activation.GeluTanh, isGated: false),
        });
        return spec with { Positions = new LearnedPositions(spec.ContextLength) };
    }

    /// <summary>The fields of GPT-2 and of what is built as it is.</summary>
    public static ModelKeys ReadGpt2(JsonPart config, string architecture)
    {
        foreach (string name in new[] { "add_cross_attention", "scale_attn_by_inverse_layer_idx" }) CommonConfig.RefuseFlag(config, name);
        ModelKeys keys = ReadCommon(config, architecture, Names2);
        if (config.Find("scale_attn_weights") is { } scaled && !scaled.Flag()) keys.Set(ModelKeys.ScoreScale, 1f);
        keys.Set(TensorRole.QueryKeyValue, TensorRole.QueryKeyValueBias);
        return keys;
    }

    private static ModelKeys ReadGptNeo(JsonPart config)
    {
        ModelKeys keys = ReadCommon(config, "gptneo", NamesNeo);
        int layers = keys.Size(ModelKeys.BlockCount);
        string[] types = config.Find("attention_layers") is { } given ? [.. given.Items().Take(layers + 1).Select(Type)]
            : [.. Expanded(config.Require("attention_types"), layers)];
        if (types.Length != layers)
            throw config.Error($"has attention_layers, or attention_types, for {types.Length} layers, and num_layers is {layers}");
        if (types.Contains("local"))
        {
            keys.Set(ModelKeys.SlidingWindow, (int)config.Require("window_size").Integer(1, 1 << 28));
            keys.Set(ModelKeys.SlidingWindowPattern, types.Select(type => type == "local"));
        }
        keys.Set(ModelKeys.ScoreScale, 1f);
        return keys;
    }

    /// <summary>[[[types], times], ...]: the types, a given number of times each.</summary>
    private static IEnumerable<string> Expanded(JsonPart list, int layers) => list.Items().SelectMany(pair =>
    {
        JsonPart[] parts = [.. pair.Items().Take(3)];
        if (parts.Length != 2) throw pair.Error("is not a list of types and how many times they come");
        string[] types = [.. parts[0].Items().Select(Type)];
        return Enumerable.Repeat(types, (int)parts[1].Integer(1, ModelKeys.MaximumLayers)).SelectMany(part => part);
    }).Take(layers + 1);

    private static string Type(JsonPart type) =>
        type.Text() is "global" or "local" ? type.Text()
            : throw type.Error($"is '{Printable.Line(type.Text())}'; only global and local run here");

    private static ModelKeys ReadCommon(JsonPart config, string architecture, ConfigNames names)
    {
        ModelKeys keys = CommonConfig.Decoder(config, architecture, out _, out _, Activation.GeluTanh, names);
        CommonConfig.SetEpsilon(config, "layer_norm_epsilon", ModelKeys.NormEpsilon, 1e-5, keys);
        keys.Set(TensorRole.AttentionNormBias, TensorRole.AttentionOutputBias, TensorRole.FeedForwardNormBias, TensorRole.UpBias,
            TensorRole.DownBias, TensorRole.OutputNormBias);
        CommonConfig.SetHead(config, keys, isTied: true);
        return keys;
    }
}
