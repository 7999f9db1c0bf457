using EdgeLlm.Gguf;

namespace EdgeLlm.Cli.Inspect;

/// <summary>Usual names of quantizations, such as `Q4_K_M`.</summary>
internal static class Quantization
{
    // enum llama_ftype of llama.h; a "mostly" in front of each.
    private static readonly Dictionary<int, string> FileTypes = new()
    {
        [0] = "F32",
        [1] = "F16",
        [2] = "Q4_0",
        [3] = "Q4_1",
        [7] = "Q8_0",
        [8] = "Q5_0",
        [9] = "Q5_1",
        [10] = "Q2_K",
        [11] = "Q3_K_S",
        [12] = "Q3_K_M",
        [13] = "Q3_K_L",
        [14] = "Q4_K_S",
        [15] = "Q4_K_M",
        [16] = "Q5_K_S",
        [17] = "Q5_K_M",
        [18] = "Q6_K",
        [19] = "IQ2_XXS",
        [20] = "IQ2_XS",
        [21] = "Q2_K_S",
        [22] = "IQ3_XS",
        [23] = "IQ3_XXS",
        [24] = "IQ1_S",
        [25] = "IQ4_NL",
        [26] = "IQ3_S",
        [27] = "IQ3_M",
        [28] = "IQ2_S",
        [29] = "IQ2_M",
        [30] = "IQ4_XS",
        [31] = "IQ1_M",
        [32] = "BF16",
        [36] = "TQ1_0",
        [37] = "TQ2_0",
        [38] = "MXFP4",
    };

    /// <summary>Type by [general.file_type], else the type of most bytes; null for a file without tensors.</summary>
    public static string? Of(GgufFile file)
    {
        if (file.Tensors.Count == 0) return null;
        if (file.Metadata.TryGet("general.file_type", out GgufValue? value) && value.TryGetInteger(out int type)
            && FileTypes.TryGetValue(type, out string? name))
            return name;
        return TypeShare.Of(file)[0].Type;
    }
}

/// <summary>The tensors of one element type, or packed in one way, together.</summary>
internal sealed record TypeShare(string Type, int Tensors, long Parameters, long Bytes)
{
    /// <summary>One for each type of a file, the largest first.</summary>
    public static IReadOnlyList<TypeShare> Of(GgufFile file) =>
    [
        .. file.Tensors.GroupBy(tensor => tensor.TypeName)
            .Select(group => new TypeShare(group.Key, group.Count(), group.Sum(tensor => tensor.Rows * tensor.Columns),
                group.Sum(tensor => tensor.ByteCount)))
            .OrderByDescending(share => share.Bytes),
    ];
}
