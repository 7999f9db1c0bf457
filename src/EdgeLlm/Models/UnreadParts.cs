using EdgeLlm.Gguf;

namespace EdgeLlm.Models;

/// <summary>
/// Refuses what a file has and nothing here reads: a key or tensor that is skipped in silence is a model that computes something else. What
/// does no harm is listed here, once.
/// </summary>
internal static class UnreadParts
{
    // Keys, after the architecture, that say nothing about what is computed, or only together with one that is refused.
    private static readonly HashSet<string> HarmlessKeys =
    [
        "vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "pooling_type", "attention.layer_norm_epsilon",
        "classifier.output_labels", "classifier.pooling_type", "classifier.label_count",
        "expert_used_count", "expert_feed_forward_length", "expert_shared_feed_forward_length", "expert_gating_func", "expert_weights_norm",
    ];

    // Factors that change nothing when they are 1. (attention.scale is none: it takes the place of 1 / sqrt(d).)
    private static readonly HashSet<string> Factors =
    [
        "logit_scale", "residual_scale", "embedding_scale", "expert_weights_scale", "rope.scaling.yarn_attn_factor",
        "rope.scaling.yarn_ext_factor",
    ];

    // Tables of rotary positions for another kind of scaling than the file's, tables that are computed here, and layers that only guess
    // ahead.
    private static readonly string[] HarmlessTensors =
        ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight", "attn_rot_embd.weight", "attn_rot_embd"];

    /// <summary>
    /// Refuses keys of the architecture that are not among those read, and whose value could change what the model computes.
    /// </summary>
    /// <exception cref="ModelException">There is one; the message names it.</exception>
    public static void RefuseKeys(GgufFile file, string architecture, IReadOnlySet<string> read)
    {
        string prefix = architecture + ".";
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            if (!key.StartsWith(prefix, StringComparison.Ordinal) || read.Contains(key) || IsHarmless(key[prefix.Length..], value))
                continue;
            string shown = value.Type == GgufValueType.Array ? ""
                : $" ({(value.ToString() is { Length: > 40 } text ? text[..40] + "..." : value.ToString())})";
            throw new ModelException(file.Path,
                $"has the key {key}{shown}, which is not known here for this architecture and may change what the model computes");
        }
    }

    /// <summary>Refuses tensors that are not among those read and not harmless.</summary>
    /// <exception cref="ModelException">There is one; the message names it.</exception>
    public static void RefuseTensors(GgufFile file, string architecture, IReadOnlySet<string> read)
    {
        foreach (GgufTensor tensor in file.Tensors)
        {
            string name = tensor.Name;
            bool harmless = HarmlessTensors.Any(harmless => name == harmless || name.EndsWith("." + harmless, StringComparison.Ordinal))
                || name.StartsWith("nextn.", StringComparison.Ordinal) || name.Contains(".nextn.", StringComparison.Ordinal);
            if (!harmless && !read.Contains(name))
                throw new ModelException(file.Path,
                    $"has the tensor {name}, which a model of the architecture '{architecture}' and this shape does not use here");
        }
    }

    private static bool IsHarmless(string name, GgufValue value)
    {
        if (HarmlessKeys.Contains(name)) return true;
        if (name == "attention.causal") return value.TryGetBool(out bool causal) && causal;
        if (value.TryGetBool(out bool flag)) return !flag;
        if (value.TryGetString(out string? text)) return text is "" or "none";
        if (value.TryGetFloat(out double number)) return number == 0 || (number == 1 && Factors.Contains(name));
        return value.TryGetArray(out double[]? numbers) && numbers.All(number => number == 0);
    }
}
