using EdgeLlm.Gguf;

namespace EdgeLlm.Cli.Inspect;

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
