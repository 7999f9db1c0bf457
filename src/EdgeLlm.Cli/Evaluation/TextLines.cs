using System.CommandLine;
using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>Texts of a command, one a line, from a file or standard input.</summary>
internal static class TextLines
{
    private const string StandardInput = "-";

    public static Argument<string?> Argument() =>
        new("file")
        {
            HelpName = "FILE",
            Description = "Texts, one a line; `-`, and without it, standard input",
            Arity = ArgumentArity.ZeroOrOne
        };

    /// <summary>The files that are read.</summary>
    public static IEnumerable<string> FilesOf(string? path) => path is null or StandardInput ? [] : [path];

    /// <summary>The lines, as they come.</summary>
    /// <exception cref="FileException">The file can't be read, or a line is too long.</exception>
    public static IEnumerable<string> Read(string? path)
    {
        bool isFile = FilesOf(path).Any();
        if (isFile) InputFile.RequireReadable(path!);
        using Stream stream = isFile ? File.OpenRead(path!) : StandardStreams.OpenInput();
        using var lines = new LineReader(isFile ? path! : "standard input", stream, Encoding.UTF8);
        while (lines.ReadLine() is { } line) yield return line;
    }
}
