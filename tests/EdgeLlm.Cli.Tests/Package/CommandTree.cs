using System.CommandLine;
using System.Text.RegularExpressions;
using EdgeLlm.Cli.Commands;

namespace EdgeLlm.Cli.Tests.Package;

/// <summary>The program's commands and options, as the man page and the shells' completions have to have them.</summary>
internal static partial class CommandTree
{
    public static Command[] Commands { get; } = [.. EdgeLlmCommand.Create().Subcommands.Where(command => !command.Hidden)];

    public static Option[] OptionsOf(Command command) => [.. command.Options.Where(option => !option.Hidden)];

    public static string[] NamesOf(Command command) => [command.Name, .. command.Aliases.Order(StringComparer.Ordinal)];

    public static string[] NamesOf(Option option) => [option.Name, .. option.Aliases.Order(StringComparer.Ordinal)];

    public static bool TakesValue(Option option) => option.ValueType != typeof(bool);

    /// <summary>Whether an option may be given several times.</summary>
    public static bool Repeats(Option option) => option.ValueType.IsArray;

    /// <summary>What a command's words are: of `run`, whose first may be a model, a model; null where it takes none.</summary>
    public static CompletedValue? WordsOf(Command command) =>
        command.Name == "run" ? CompletedValue.Of("MODEL") : command.Arguments.Count > 0
            ? CompletedValue.Of(command.Arguments[0].HelpName ?? command.Arguments[0].Name.ToUpperInvariant()) : null;

    /// <summary>A description's first sentence without what is in parentheses, for a line of a menu.</summary>
    public static string Short(string? description)
    {
        const int Shortest = 8; // "0: always the likeliest token" is one sentence
        string text = InParentheses().Replace((description ?? "").Replace("`", "", StringComparison.Ordinal), "");
        int end = text.Length > Shortest ? text.IndexOfAny(['.', ':', ';'], Shortest) : -1;
        // a dot in a name
        while (end >= 0 && end + 1 < text.Length && text[end + 1] != ' ') end = text.IndexOfAny(['.', ':', ';'], end + 1);
        return (end < 0 ? text : text[..end]).Trim();
    }

    [GeneratedRegex(@" *\([^)]*\)")]
    private static partial Regex InParentheses();
}

/// <summary>What the value of an option or argument may be, as its name in the help says it.</summary>
/// <param name="Name">The name: `FILE`, `MODEL`, `error|drop`.</param>
/// <param name="Words">Fixed words.</param>
/// <param name="Command">A command that prints more of them, or null.</param>
/// <param name="IsFile">Whether it may be a file or folder.</param>
internal sealed record CompletedValue(string Name, string[] Words, string? Command, bool IsFile)
{
    public static CompletedValue Of(string? helpName)
    {
        string name = helpName ?? "VALUE";
        string[] words = name.Contains('|')
            ? [.. name.Split('|').Where(word => word.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'))] : [];
        string? command = name switch
        {
            "MODEL" or "NAME" or "INPUT" => "edgellm list --names",
            "KERNEL" => "edgellm kernels",
            _ => null,
        };
        bool isFile = name is "MODEL" or "INPUT" || name.Contains("FILE", StringComparison.Ordinal)
            || name.Contains("FOLDER", StringComparison.Ordinal) || name.EndsWith(".gguf", StringComparison.Ordinal);
        return new CompletedValue(name, words, command, isFile && !name.StartsWith("REPO", StringComparison.Ordinal));
    }
}
