using EdgeLlm.Gguf;

namespace EdgeLlm.Cli.Inspect;

/// <summary>The tensors of one element type, or packed in one way, together.</summary>
internal sealed record TypeShare(string Type, int Tensors, long Parameters, long Bytes)
{
    /// <summary>One for each type of a file, the largest first.</summary>
    public static IReadOnlyList<TypeShare> Of(GgufFile file) =>
    [
        .. file.Tensors.GroupBy(tensor => TypeOf(file, tensor))
            .Select(group => new TypeShare(group.Key, group.Count(), group.Sum(tensor => ShapeOf(file, tensor).Aggregate((product, size) => product * size)), group.Sum(tensor => tensor.ByteCount)))
            .OrderByDescending(share => share.Bytes),
    ];

    /// <summary>The name of a tensor's type: ggml's, or that of its packing.</summary>
    public static string TypeOf(GgufFile file, GgufTensor tensor) => file.FindPacked(tensor.Name)?.Kind ?? tensor.Type.ToString();

    /// <summary>The shape of a tensor; of a packed one what it stands for, not its bytes.</summary>
    public static IReadOnlyList<long> ShapeOf(GgufFile file, GgufTensor tensor) =>
        file.FindPacked(tensor.Name) is { } packed ? [packed.Columns, packed.Rows] : tensor.Shape;
}
