using System.Text;
using EdgeLlm.Gguf;

namespace EdgeLlm.HuggingFace;

/// <summary>
/// Reads where tensors are in a file of torch.save's zip form (since torch 1.6): an archive with a pickle, NAME/data.pkl, and an entry for
/// each storage, NAME/data/KEY. Nothing in it is run (<see cref="TensorPickle"/>). Format: torch's serialization.py.
/// </summary>
internal static class TorchReader
{
    private const int MostPickleBytes = 16 << 20;
    private const string PickleName = "/data.pkl";

    // The first bytes of the form before 1.6: protocol 2, then its magic number as LONG1.
    private static ReadOnlySpan<byte> OlderMark => [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19];

    /// <exception cref="ModelException">It is not such a file, a damaged one, or one with anything else than tensors.</exception>
    public static List<StoredTensor> Read(MappedFile map)
    {
        if (map.Head.Span.StartsWith(OlderMark))
            throw new ModelException(map.Path,
                "is in torch's form of before version 1.6, which is not read: load it with torch and save it again, best as safetensors");
        var zip = new StoredZip(map);
        string[] pickles = [.. zip.Entries.Keys.Where(name => name.EndsWith(PickleName, StringComparison.Ordinal)
            && !name.EndsWith("/.data.pkl", StringComparison.Ordinal)).Take(2)];
        if (pickles.Length != 1)
            throw new ModelException(map.Path, "is a zip archive without one data.pkl: it was not written by torch.save");
        string prefix = pickles[0][..^PickleName.Length];
        if (zip.Entries.TryGetValue(prefix + "/byteorder", out (long Offset, long Length) order)
            && !(order.Length == 6 && map.Span(order.Offset, 6).SequenceEqual("little"u8)))
            throw new ModelException(map.Path, "has numbers that are not little-endian");

        (long start, long length) = zip.Entries[pickles[0]];
        if (length > MostPickleBytes)
            throw new ModelException(map.Path, $"has a pickle of {length} bytes, more than the {MostPickleBytes} that are read");
        var tensors = new List<StoredTensor>();
        foreach ((string name, TorchTensor tensor) in TensorPickle.Read(map.Path, map.Span(start, (int)length)))
        {
            if (GgufRules.NameProblem(Encoding.UTF8.GetBytes(name)) is { } problem)
                throw new ModelException(map.Path, $"has a tensor whose name {problem}");
            if (tensors.Count == GgufRules.MaximumTensors)
                throw new ModelException(map.Path, $"has more than {GgufRules.MaximumTensors} tensors");
            if (!zip.Entries.TryGetValue($"{prefix}/data/{tensor.Storage.Key}", out (long Offset, long Length) storage))
                throw Error(name, $"is in the storage {FolderFile.Printable(tensor.Storage.Key)}, which the file does not have");
            tensors.Add(Place(name, tensor, storage));
        }
        return tensors;

        StoredTensor Place(string name, TorchTensor tensor, (long Offset, long Length) storage)
        {
            int size = StoredTensor.SizeOf(tensor.Storage.Kind);
            Int128 count = 1;
            foreach (long dimension in tensor.Shape) count = Int128.Min(count * dimension, long.MaxValue);
            if (tensor.Strides.Length != tensor.Shape.Length) throw Error(name, "has as many strides as no shape has");
            if (tensor.Storage.Count > storage.Length / size)
                throw Error(name, $"is in a storage of {tensor.Storage.Count} numbers, and the file has {storage.Length / size} of them");
            if (tensor.Offset < 0 || tensor.Offset > tensor.Storage.Count)
                throw Error(name, $"starts at number {tensor.Offset} of a storage of {tensor.Storage.Count}");
            // Something else than rows that follow each other can't be used where it is; it is refused where it is needed.
            if (!AreRows(tensor))
                return new StoredTensor(name, $"{tensor.Storage.Kind} with the strides [{string.Join(", ", tensor.Strides)}]",
                    tensor.Shape, storage.Offset, 0);
            if (count > tensor.Storage.Count - tensor.Offset)
                throw Error(name,
                    $"of the shape [{string.Join(", ", tensor.Shape)}] at number {tensor.Offset} is more than its storage of "
                        + $"{tensor.Storage.Count} has");
            return new StoredTensor(name, tensor.Storage.Kind, tensor.Shape, storage.Offset + tensor.Offset * size, (long)count * size);
        }

        ModelException Error(string name, string problem) => new(map.Path, $"tensor {FolderFile.Printable(name)} {problem}");
    }

    /// <summary>Whether numbers follow each other, the last dimension's first.</summary>
    private static bool AreRows(TorchTensor tensor)
    {
        Int128 expected = 1;
        for (int dimension = tensor.Shape.Length - 1; dimension >= 0; dimension--)
        {
            if (tensor.Shape[dimension] != 1 && tensor.Strides[dimension] != expected) return tensor.Shape.Contains(0);
            expected = Int128.Min(expected * tensor.Shape[dimension], long.MaxValue);
        }
        return true;
    }
}
