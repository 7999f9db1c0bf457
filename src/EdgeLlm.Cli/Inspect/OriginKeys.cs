using EdgeLlm.Gguf;

namespace EdgeLlm.Cli.Inspect;

/// <summary>The keys that say where a model comes from and by whom (ggml's docs/gguf.md, "general metadata").</summary>
internal static class OriginKeys
{
    private static readonly string[] Names =
        ["author", "organization", "url", "doi", "uuid", "repo_url", "quantized_by", "source_url", "source_hf_repo"];

    private static readonly string[] Prefixes = ["general.source.", "general.base_model.", "general.dataset."];

    /// <summary>Those that a file has, in its order, but without numbers of entries.</summary>
    public static IEnumerable<string> In(GgufMetadata data) =>
        data.Keys.Where(key =>
            (Names.Any(name => key == "general." + name) || Prefixes.Any(prefix => key.StartsWith(prefix, StringComparison.Ordinal)))
            && !key.EndsWith(".count", StringComparison.Ordinal));
}
