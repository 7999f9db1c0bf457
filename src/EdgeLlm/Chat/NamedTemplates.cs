using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Chat;

/// <summary>Chat templates that are known by a name, for models whose file has none: the files in Templates, by their names.</summary>
public static class NamedTemplates
{
    private const int MostBytes = 1 << 20;

    /// <summary>The names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["vicuna", "alpaca", "dolly", "llama2", "chatml"];

    /// <summary>Values of `--chat-template`: `vicuna|alpaca|...|FILE`.</summary>
    public static string Choices { get; } = string.Join('|', Names) + "|FILE";

    /// <summary>The Jinja source of a named template, or null where there is no such name.</summary>
    public static string? Find(string name)
    {
        if (!Names.Contains(name)) return null;
        using Stream stream = typeof(NamedTemplates).Assembly.GetManifestResourceStream($"EdgeLlm.Chat.{name}.jinja")
            ?? throw new InvalidOperationException($"the chat template {name} is not in the program");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>The Jinja source of a named template or else of a file.</summary>
    /// <exception cref="IOException">There is neither such a name nor such a file, it can't be read, or is larger than a template may be (1
    /// MiB); the message names it.</exception>
    /// <exception cref="InvalidDataException">The file is empty.</exception>
    public static string Read(string nameOrFile)
    {
        if (Find(nameOrFile) is { } named) return named;
        if (FileStatus.Of(nameOrFile) is null)
            throw new FileNotFoundException(
                $"there is no chat template '{nameOrFile}': neither a file nor one of {string.Join(", ", Names)}");
        string source = InputFile.ReadText(nameOrFile, MostBytes).TrimStart('\uFEFF');
        return string.IsNullOrWhiteSpace(source)
            ? throw new InvalidDataException($"{nameOrFile}: is empty: it is not a chat template") : source;
    }
}
