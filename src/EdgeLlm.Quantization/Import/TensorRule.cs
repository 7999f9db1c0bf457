namespace EdgeLlm.Quantization.Import;

/// <summary>What becomes of a tensor of a folder.</summary>
/// <param name="Source">Its name; `{}` is the number of the layer.</param>
/// <param name="Target">Its name in GGUF.</param>
/// <param name="Rows">Its rows, or null of a vector.</param>
/// <param name="Columns">The length of a row, or of the vector.</param>
internal sealed record TensorRule(string Source, string Target, Func<ModelShape, int>? Rows, Func<ModelShape, int> Columns)
{
    /// <summary>Whether the model has it; null: always.</summary>
    public Func<ModelShape, bool>? When { get; init; }

    /// <summary>
    /// Of what makes queries or keys: the number of heads. transformers rotates number i of a head with number i + dimension / 2, ggml's llama
    /// with its neighbour, so the rows of each head are put in the order 0, d/2, 1, d/2 + 1, ...
    /// </summary>
    public Func<ModelShape, int>? RotatedHeads { get; init; }

    /// <summary>Whether there is one in every layer.</summary>
    public bool IsOfLayer => Source.Contains("{}", StringComparison.Ordinal);

    public static string NameIn(string name, int layer) => name.Replace("{}", layer.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
