using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Gguf;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>GGUF files: read as such, and as models.</summary>
internal static class GgufTarget
{
    public static string? Run(FuzzCase current) => Run(current, GgufMutator.Mutate(current.Dice, current.Dice.Of(Samples.Ggufs)));

    /// <summary>Two of three change what is said of packed tensors.</summary>
    public static string? RunPacked(FuzzCase current)
    {
        GgufDocument sample = current.Dice.Of(Samples.PackedGgufs);
        if (current.Dice.OneIn(3)) return Run(current, GgufMutator.Mutate(current.Dice, sample));
        GgufDocument document = sample.Clone();
        PackedMutator.Mutate(current.Dice, document);
        return Run(current, document.ToArray());
    }

    private static string? Run(FuzzCase current, byte[] bytes)
    {
        string path = current.PathOf("mutant.gguf");
        File.WriteAllBytes(path, bytes);
        current.Begin(bytes.Length);
        if (current.Dice.OneIn(8)) ReadEverything(path);
        ModelUse.Load(current, path);
        return null;
    }

    /// <summary>What `inspect` reads: every key and every tensor's first and last byte.</summary>
    private static void ReadEverything(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            _ = value.ToString();
            if (value.TryGetStringArray(out GgufStringArray? strings))
            {
                foreach (string text in strings) _ = text.Length;
            }
            else if (value.Type == GgufValueType.Array) file.Metadata.GetArray<double>(key);
        }
        foreach (GgufTensor tensor in file.Tensors)
        {
            _ = file.Bytes(tensor, 0, 1)[0] + file.Bytes(tensor, tensor.ByteCount - 1, 1)[0];
        }
    }
}
