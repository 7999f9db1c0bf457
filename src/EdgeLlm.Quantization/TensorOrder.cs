namespace EdgeLlm.Quantization;

/// <summary>The order in which a forward pass uses tensors, so that it reads the file from front to back; and which of them are matrices to pack.</summary>
internal static class TensorOrder
{
    public const string Embedding = "token_embd.weight";
    public const string Head = "output.weight";

    // What runs as one operation lies side by side.
    private static readonly string[] LayerParts =
    [
        "attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_q.bias", "attn_k.bias", "attn_v.bias",
        "attn_output.weight", "attn_output.bias", "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_gate.bias", "ffn_up.bias",
        "ffn_down.weight", "ffn_down.bias",
    ];

    /// <summary>Sorts after it; what has the same keeps its order.</summary>
    /// <param name="tied">The embedding is the head too: then it is read in full at the end.</param>
    public static (int Layer, int Place) Rank(string name, bool tied)
    {
        switch (name)
        {
            case "rope_freqs.weight": return (-1, 0);
            case Embedding: return tied ? (int.MaxValue, 1) : (-1, 1);
            case "output_norm.weight": return (int.MaxValue, 0);
            case Head: return (int.MaxValue, 1);
        }
        if (!TrySplit(name, out int layer, out string part)) return (int.MaxValue, 2);
        int place = Array.IndexOf(LayerParts, part);
        return (layer, place < 0 ? LayerParts.Length : place);
    }

    /// <summary>A matrix of a layer that multiplies activations.</summary>
    public static bool IsLayerMatrix(string name) =>
        TrySplit(name, out _, out string part) && part.EndsWith(".weight", StringComparison.Ordinal) && !part.Contains("norm") && Array.IndexOf(LayerParts, part) >= 0;

    /// <summary>The layer that a tensor belongs to, or null.</summary>
    public static int? LayerOf(string name) => TrySplit(name, out int layer, out _) ? layer : null;

    /// <summary>blk.12.attn_q.weight is layer 12, attn_q.weight.</summary>
    private static bool TrySplit(string name, out int layer, out string part)
    {
        string[] words = name.Split('.', 3);
        layer = 0;
        part = words[^1];
        return words.Length == 3 && words[0] == "blk" && int.TryParse(words[1], out layer);
    }
}
