using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Granite 3: as Llama, with factors of the embedding, of what each part adds, of scores and of logits.</summary>
internal static class GraniteFamily
{
    public static Family Granite { get; } = LlamaFamily.Llama with
    {
        Architecture = "granite",
        ModelType = "granite",
        ModelClass = "GraniteForCausalLM",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        ModelSpec spec = LlamaFamily.Llama.MakeSpec(keys);
        float residual = Factor(keys, ModelKeys.ResidualScale);
        return spec with
        {
            EmbeddingScale = Factor(keys, ModelKeys.EmbeddingScale),
            Layers = [.. spec.Layers.Select(layer => layer with { ResidualScale = residual })],
            LogitScale = 1 / Factor(keys, ModelKeys.LogitScale),
        };
    }

    /// <summary>A factor of 0, as one that is missing, is none.</summary>
    private static float Factor(ModelKeys keys, ModelKey key) => keys.NumberOr(key, 0) is > 0 and var factor ? factor : 1;

    private static ModelKeys ReadConfig(JsonPart config)
    {
        ModelKeys keys = LlamaFamily.ReadLlama(config, "granite");
        foreach ((string name, ModelKey key) in new[]
        {
            ("attention_multiplier", ModelKeys.ScoreScale), ("embedding_multiplier", ModelKeys.EmbeddingScale),
            ("residual_multiplier", ModelKeys.ResidualScale),
            ("logits_scaling", ModelKeys.LogitScale),
        })
        {
            keys.Set(key, (float)(config.Find(name)?.Number(1e-6, 1e9) ?? 1));
        }
        return keys;
    }
}
