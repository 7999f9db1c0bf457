using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Ministral 3: as Llama, stretched by YaRN, with queries that grow with their positions; on hubs with a vision part, which is left out.
/// </summary>
internal static class MinistralFamily
{
    /// <summary>Beside a vision part.</summary>
    public static Family Mistral3 { get; } = LlamaFamily.Llama with
    {
        Architecture = "mistral3",
        ModelType = "mistral3",
        ModelClass = "Mistral3ForConditionalGeneration",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
        TextPart = "text_config",
        TextPrefixes = ["language_model.model.", "model.language_model."],
        LeftOut = ["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."],
    };

    /// <summary>The text model alone.</summary>
    public static Family Ministral3 { get; } =
        Mistral3 with { ModelType = "ministral3", ModelClass = "Ministral3ForCausalLM", TextPart = null, TextPrefixes = [], LeftOut = [] };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        ModelSpec spec = LlamaFamily.Llama.MakeSpec(keys);
        float beta = keys.NumberOr(ModelKeys.QueryGrowth, 0);
        if (beta == 0) return spec;
        var growth = new QueryGrowth(beta, keys.Size(ModelKeys.RopeOriginalLength));
        return spec with { Layers = [.. spec.Layers.Select(layer => layer with { Attention = layer.Attention with { Growth = growth } })] };
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        JsonPart type = config.Require("model_type");
        if (type.Text() != "ministral3") throw type.Error($"is '{Printable.Line(type.Text())}'; of this family only ministral3 runs here");
        foreach (string name in new[] { "num_key_value_heads", "head_dim" })
            config.Require(name); // where they are missing the reference takes numbers of one particular model
        ModelKeys keys = CommonConfig.Decoder(config, "mistral3", out AttentionConfig attention, out int context);
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-5, keys);
        if (config.Find("sliding_window") is { } window) keys.Set(ModelKeys.SlidingWindow, (int)window.Integer(1, 1 << 28));
        CommonConfig.RequireWholeRotation(config);
        keys.Set(ModelKeys.RopeDimension, attention.Dimension);
        if ((RopeConfig.Parameters(config) ?? throw config.Error("has no rope_parameters")).Find("llama_4_scaling_beta") is not { } beta)
            throw RopeConfig.Parameters(config)!.Value.Error("has no llama_4_scaling_beta");
        RopeConfig.Read(config, keys, attention.Dimension, context);
        if (keys.SizeOr(ModelKeys.RopeOriginalLength, 0) == 0)
            throw config.Error("has no original_max_position_embeddings, by which queries grow");
        keys.Set(ModelKeys.QueryGrowth, (float)beta.Number(0, 1e3));
        CommonConfig.SetHead(config, keys);
        return keys;
    }
}
