using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Llama's and Qwen's layers with experts in the feed-forward part's place.</summary>
internal static class MoeFamilies
{
    /// <summary>Mixtral: Mistral's layers; files are of Llama's architecture.</summary>
    public static Family Mixtral { get; } = LlamaFamily.Llama with
    {
        ModelType = "mixtral",
        ModelClass = "MixtralForCausalLM",
        ReadConfig = ReadMixtral,
        OtherNames = new Dictionary<string, string> { ["num_local_experts"] = "num_experts" },
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.Router] = new("model.layers.{}.block_sparse_moe.gate.weight"),
            [TensorRole.GateExperts] = new("model.layers.{}.block_sparse_moe.experts.{e}.w1.weight"),
            [TensorRole.UpExperts] = new("model.layers.{}.block_sparse_moe.experts.{e}.w3.weight"),
            [TensorRole.DownExperts] = new("model.layers.{}.block_sparse_moe.experts.{e}.w2.weight"),
        },
    };

    /// <summary>Qwen2's experts, with a shared one that has a gate; weights are not normalized.</summary>
    public static Family Qwen2Moe { get; } = LlamaFamily.Qwen2 with
    {
        Architecture = "qwen2moe",
        ModelType = "qwen2_moe",
        ModelClass = "Qwen2MoeForCausalLM",
        MakeSpec = keys => LlamaFamily.MakeSpec(keys, isSplit: true, areExpertsNormalized: false),
        ReadConfig = ReadQwen2,
    };

    /// <summary>Qwen3's experts.</summary>
    public static Family Qwen3Moe { get; } = LlamaFamily.Qwen3 with
    {
        Architecture = "qwen3moe",
        ModelType = "qwen3_moe",
        ModelClass = "Qwen3MoeForCausalLM",
        ReadConfig = ReadQwen3,
        OtherNames = Mixtral.OtherNames,
    };

    private static ModelKeys ReadMixtral(JsonPart config)
    {
        config.RequireField("num_key_value_heads"); // where it is missing the reference takes the number of one particular model
        ModelKeys keys = LlamaFamily.ReadConfig(config, "llama", config.Find("sliding_window"), theta: 1_000_000);
        ExpertConfig.Set(config, keys, new ExpertConfig { Counts = ["num_local_experts"], Length = "intermediate_size" });
        return keys;
    }

    private static ModelKeys ReadQwen2(JsonPart config)
    {
        // Every other layer of the first max_window_layers, which is not as Qwen 2 without experts has it (configuration_qwen2_moe.py).
        ModelKeys keys = LlamaFamily.ReadQwen(config, "qwen2moe", static (l, most) => l % 2 == 0 && l < most);
        if (config.Find("qkv_bias")?.Flag() ?? true) keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias);
        SetExperts(config, keys, isNormalized: false);
        keys.Set(ModelKeys.SharedExpertLength, CommonConfig.Width(config, "shared_expert_intermediate_size"));
        keys.Set(TensorRole.SharedGate, TensorRole.SharedExpertGate);
        return keys;
    }

    private static ModelKeys ReadQwen3(JsonPart config)
    {
        // All layers have a window or none has (modeling_qwen3_moe.py, Qwen3MoeModel.forward): max_window_layers and layer_types are not
        // read.
        ModelKeys keys = LlamaFamily.ReadQwen3(config, "qwen3moe", hasWindows: false);
        if (CommonConfig.Flag(config, "use_sliding_window") && config.Find("sliding_window") is { } window)
            CommonConfig.SetWindows(window, [.. Enumerable.Repeat(true, keys.Size(ModelKeys.BlockCount))], 1, keys);
        SetExperts(config, keys, isNormalized: true);
        return keys;
    }

    private static void SetExperts(JsonPart config, ModelKeys keys, bool isNormalized)
    {
        if (config.Find("decoder_sparse_step") is { } step && step.Integer(0, ModelKeys.MaximumLayers) != 1)
            throw step.Error("is not 1: layers without experts beside those with them do not run in this version");
        if (config.Find("mlp_only_layers") is { } dense && dense.Items().Any())
            throw dense.Error("names layers: layers without experts beside those with them do not run in this version");
        ExpertConfig.Set(config, keys,
            new ExpertConfig { Length = "moe_intermediate_size", IsNormalized = isNormalized, NormFallback = false });
    }
}
