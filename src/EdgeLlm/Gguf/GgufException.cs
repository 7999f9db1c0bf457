namespace EdgeLlm.Gguf;

/// <summary>A file is not a GGUF file that can be used, or a key has not the type that was asked for. The message is one line.</summary>
public sealed class GgufException : Exception
{
    internal GgufException(string file, string problem, string field, long? offset)
        : base(Printable.Line($"{file}: {problem} ({field}{(offset is null ? "" : $", offset {offset}")})"))
    {
        File = file;
        Field = field;
        Offset = offset;
    }

    /// <summary>The path of the file (of a split, where that is what is wrong).</summary>
    public string File { get; }

    /// <summary>The field that is wrong, such as `version`, `key 'general.alignment'` or `tensor 'output.weight' offset`.</summary>
    public string Field { get; }

    /// <summary>Position of the field in the file, in bytes from its start; null where it has no place, such as a missing key.</summary>
    public long? Offset { get; }

    /// <summary>A name as messages have it: in quotes, and cut where it is long.</summary>
    internal static string Quote(string name) => name.Length <= 80 ? $"'{name}'" : $"'{name.AsSpan(0, 80)}...'";
}
