using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>StarCoder (GPT-BigCode): as GPT-2, with one key and value for all heads, or one each.</summary>
internal static class BigCodeFamily
{
    public static Family StarCoder { get; } = Gpt2Family.Gpt2 with
    {
        Architecture = "starcoder",
        ModelType = "gpt_bigcode",
        ModelClass = "GPTBigCodeForCausalLM",
        ReadConfig = ReadConfig,
        FolderNames = new Dictionary<TensorRole, FolderName>(Gpt2Family.Gpt2.FolderNames)
        {
            // With a key and a value for each head they are beside its queries; one key and value are after all queries in either form.
            [TensorRole.QueryKeyValue] = new("transformer.h.{}.attn.c_attn.weight", FolderForm.HeadGroups),
            [TensorRole.QueryKeyValueBias] = new("transformer.h.{}.attn.c_attn.bias", FolderForm.HeadGroups),
            [TensorRole.AttentionOutput] = new("transformer.h.{}.attn.c_proj.weight"),
            [TensorRole.Up] = new("transformer.h.{}.mlp.c_fc.weight"),
            [TensorRole.Down] = new("transformer.h.{}.mlp.c_proj.weight"),
        },
    };

    private static ModelKeys ReadConfig(JsonPart config)
    {
        ModelKeys keys = Gpt2Family.ReadGpt2(config, "starcoder");
        int heads = keys.Size(ModelKeys.HeadCount);
        keys.Set(ModelKeys.KeyValueHeadCount, config.Find("multi_query")?.Flag() ?? true ? 1 : heads);
        return keys;
    }
}
