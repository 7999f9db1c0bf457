using System.CommandLine;
using EdgeLlm.Cli.Commands;

namespace EdgeLlm.Cli.Tests.Package;

/// <summary>The program's commands and options, as the man page and the shells' completions have to have them.</summary>
internal static class CommandTree
{
    public static Command[] Commands { get; } = [.. EdgeLlmCommand.Create().Subcommands.Where(command => !command.Hidden)];

    public static Option[] OptionsOf(Command command) => [.. command.Options.Where(option => !option.Hidden)];

    public static string[] NamesOf(Option option) => [option.Name, .. option.Aliases.Order(StringComparer.Ordinal)];

    public static bool TakesValue(Option option) => option.ValueType != typeof(bool);

    /// <summary>What a value of this name is, for a shell that completes it.</summary>
    public static ValueKind KindOf(string? helpName) => helpName switch
    {
        "MODEL" or "NAME" => ValueKind.Model,
        not null when helpName.Contains("FILE") || helpName.Contains("FOLDER") || helpName.EndsWith(".gguf", StringComparison.Ordinal) => ValueKind.File,
        not null when helpName.Contains('|') => ValueKind.Choice,
        _ => ValueKind.Other,
    };

    /// <summary>The words of `error|drop`, without those that stand for something (FILE).</summary>
    public static string[] ChoicesOf(string helpName) => [.. helpName.Split('|').Where(word => word.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)))];

    /// <summary>A description's first sentence, for a line of a menu.</summary>
    public static string Short(string? description)
    {
        string text = (description ?? "").Replace("`", "", StringComparison.Ordinal);
        int end = text.IndexOfAny(['.', ':', ';', '(']);
        return (end > 12 ? text[..end] : text).Trim().TrimEnd('.');
    }
}

/// <summary>What the value of an option or argument is.</summary>
internal enum ValueKind
{
    Other,
    Model,
    File,
    Choice,
}
