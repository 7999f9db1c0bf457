using System.Text;
using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Quantization;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Importance matrices, of GGUF's form and of the older one.</summary>
internal static class ImportanceTarget
{
    private static readonly Dictionary<string, float[]> Means =
        new() { ["blk.0.attn_q.weight"] = [1, 2, 3, 4], ["blk.0.ffn_down.weight"] = [.. Enumerable.Range(1, 96).Select(i => i / 7f)] };

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        string path = current.PathOf("importance.dat");
        byte[] bytes;
        if (dice.OneIn(2))
        {
            new ImportanceMatrix("sample", "text", 3, 512, Means).Write(path);
            bytes = GgufMutator.Mutate(dice, GgufDocument.Parse(File.ReadAllBytes(path)));
        }
        else
        {
            bytes = Older(dice);
            for (int count = dice.OneIn(8) ? 0 : dice.Mutations(); count > 0; count--) bytes = dice.Damage(bytes);
        }
        File.WriteAllBytes(path, bytes);
        current.Begin(bytes.Length);
        var matrix = ImportanceMatrix.Read(path);
        foreach (string tensor in Means.Keys)
        {
            if (matrix.Of(tensor) is { } means && Array.Exists(means, mean => !(mean >= 0 && float.IsFinite(mean))))
                throw new WrongResultException($"{tensor} has a mean that is not finite or negative");
        }
        return null;
    }

    private static byte[] Older(Dice dice)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write(dice.OneIn(8) ? (int)dice.Integer(2) : Means.Count);
        foreach ((string name, float[] means) in Means)
        {
            Text(name);
            writer.Write(dice.OneIn(8) ? (int)dice.Integer(3) : 3);
            writer.Write(dice.OneIn(8) ? (int)dice.Integer((ulong)means.Length) : means.Length);
            foreach (float mean in means) writer.Write(dice.OneIn(100) ? (float)dice.Number() : mean);
        }
        writer.Write(3);
        Text("text");
        return bytes.ToArray();

        void Text(string text)
        {
            writer.Write(dice.OneIn(8) ? (int)dice.Integer((ulong)text.Length) : text.Length);
            writer.Write(Encoding.UTF8.GetBytes(text));
        }
    }
}
