using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Experts by the keys of a file.</summary>
internal static class ExpertKeys
{
    // llama.cpp's LLAMA_EXPERT_GATING_FUNC_TYPE
    private const int Softmax = 1, Sigmoid = 2;

    /// <summary>The experts of a layer, or null where the model has none.</summary>
    /// <param name="score">The architecture's, where no key says otherwise; so is <paramref name="isNormalized"/>.</param>
    public static ExpertsSpec? Read(ModelKeys keys, int layer, RouterScore score, bool isNormalized)
    {
        int count = keys.SizeOr(ModelKeys.ExpertCount, 0);
        if (count == 0) return null;
        int used = keys.SizeOr(ModelKeys.ExpertUsedCount, 0), function = keys.SizeOr(ModelKeys.ExpertGating, 0);
        if (used == 0 || used > count)
            throw keys.Error(ModelKeys.ExpertUsedCount, $"is {used}, and there are {count} experts ({ModelKeys.ExpertCount.Name})");
        if (function > Sigmoid) throw keys.Error(ModelKeys.ExpertGating, $"is {function}; softmax (1) and sigmoid (2) run here");
        int width = keys.SizeOr(ModelKeys.ExpertFeedForwardLength, 0, layer);
        float scale = keys.NumberOr(ModelKeys.ExpertWeightsScale, 0);
        return new ExpertsSpec
        {
            Count = count,
            Used = used,
            Width = width > 0 ? width : keys.Size(ModelKeys.FeedForwardLength, layer),
            Score = function == 0 ? score : function == Softmax ? RouterScore.Softmax : RouterScore.Sigmoid,
            IsNormalized = keys.Has(ModelKeys.ExpertWeightsNorm) ? keys.Flag(ModelKeys.ExpertWeightsNorm) : isNormalized,
            Scale = scale > 0 ? scale : 1,
            HasRouterBias = keys.Has(TensorRole.RouterBias, layer),
            HasChoiceBias = keys.Has(TensorRole.ChoiceBias, layer),
            HasBiases = keys.Has(TensorRole.GateExpertsBias, layer),
            SharedWidth = keys.Has(TensorRole.SharedGate, layer) ? keys.Size(ModelKeys.SharedExpertLength) : 0,
            HasSharedGate = keys.Has(TensorRole.SharedExpertGate, layer),
        };
    }
}

/// <summary>Experts by the fields of a config.json.</summary>
internal sealed record ExpertConfig
{
    /// <summary>Fields with the number of experts: the first that is there counts.</summary>
    public IReadOnlyList<string> Counts { get; init; } = ["num_experts", "num_local_experts"];

    /// <summary>The field with an expert's rows.</summary>
    public required string Length { get; init; }

    /// <summary>Whether the architecture's weights are normalized where a file has no key for it; null: nothing is asked.</summary>
    public bool? IsNormalized { get; init; }

    /// <summary>norm_topk_prob where it is missing.</summary>
    public bool NormFallback { get; init; } = true;

    /// <summary>Sets the keys: counts, rows of an expert, and what differs from the architecture's own way.</summary>
    public static void Set(JsonPart config, ModelKeys keys, ExpertConfig names)
    {
        JsonPart? given = null;
        foreach (string name in names.Counts) given ??= config.Find(name);
        int count = (int)(given ?? config.Require(names.Counts[0])).Integer(1, 1 << 16);
        JsonPart used = config.Require("num_experts_per_tok");
        keys.Set(ModelKeys.ExpertCount, count);
        keys.Set(ModelKeys.ExpertUsedCount, (int)used.Integer(1, count));
        if (names.Length != "intermediate_size") keys.Set(ModelKeys.ExpertFeedForwardLength, CommonConfig.Width(config, names.Length));
        if (names.IsNormalized is { } usual && (config.Find("norm_topk_prob")?.Flag() ?? names.NormFallback) is var isNormalized
            && isNormalized != usual)
            keys.Set(ModelKeys.ExpertWeightsNorm, isNormalized);
        if (config.Find("routed_scaling_factor") is { } scale && scale.Number(1e-6, 1e6) is var factor && factor != 1)
            keys.Set(ModelKeys.ExpertWeightsScale, (float)factor);
    }
}
