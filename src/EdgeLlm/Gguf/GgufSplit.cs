using System.Globalization;

namespace EdgeLlm.Gguf;

/// <summary>
/// Place of a file among the splits of a model: keys `split.no` (from 0), `split.count` and
/// `split.tensors.count`, and its name, `name-00001-of-00003.gguf` (from 1; llama.cpp's gguf-split).
/// </summary>
/// <param name="Prefix">The path up to the number.</param>
/// <param name="Number">The split's number, from 0.</param>
/// <param name="Count">The number of splits.</param>
/// <param name="TensorCount">The tensors of all splits together.</param>
internal sealed record GgufSplit(string Prefix, int Number, int Count, int TensorCount)
{
    public const string NumberKey = "split.no";
    public const string CountKey = "split.count";
    public const string TensorCountKey = "split.tensors.count";

    // "-00001-of-00003.gguf"
    private const int SuffixLength = 20;

    /// <summary>The split that a file is, or null of a file that is a model by itself.</summary>
    public static GgufSplit? Of(GgufPart part)
    {
        GgufMetadata metadata = part.Metadata;
        uint count = metadata.GetUInt32(CountKey, 0);
        if (count <= 1) return null;
        if (count > 99999) throw metadata.Error(CountKey, $"is {count}, more than file names can number");
        uint number = metadata.GetUInt32(NumberKey);
        if (number >= count) throw metadata.Error(NumberKey, $"is {number}, but the splits are 0 to {count - 1}");
        int tensorCount = metadata.GetInt32(TensorCountKey);

        string prefix = part.Path.Length > SuffixLength ? part.Path[..^SuffixLength] : "";
        if (PathOf(prefix, (int)number, (int)count) != part.Path)
        {
            string wanted = PathOf("NAME", (int)number, (int)count);
            string wrong = part.Path.EndsWith(wanted[^"-of-00000.gguf".Length..], StringComparison.Ordinal) ? NumberKey : CountKey;
            throw metadata.Error(wrong, $"says split {number + 1} of {count}, so the file must be called {wanted} (name it so again)");
        }
        return new GgufSplit(prefix, (int)number, (int)count, tensorCount);
    }

    /// <summary>The path of the split with a number, from 0.</summary>
    public string PathOf(int number) => PathOf(Prefix, number, Count);

    private static string PathOf(string prefix, int number, int count) =>
        string.Create(CultureInfo.InvariantCulture, $"{prefix}-{number + 1:D5}-of-{count:D5}.gguf");
}
