using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Cli.Inspect;

/// <summary>The tensors of one element type together.</summary>
internal sealed record TypeShare(ElementType Type, int Tensors, long Parameters, long Bytes)
{
    /// <summary>One for each type of a file, the largest first.</summary>
    public static IReadOnlyList<TypeShare> Of(GgufFile file) =>
    [
        .. file.Tensors.GroupBy(tensor => tensor.Type)
            .Select(group => new TypeShare(group.Key, group.Count(), group.Sum(tensor => tensor.Columns * tensor.Rows), group.Sum(tensor => tensor.ByteCount)))
            .OrderByDescending(share => share.Bytes),
    ];
}
