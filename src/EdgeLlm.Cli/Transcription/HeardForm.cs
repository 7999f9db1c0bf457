using System.CommandLine;
using System.Text;
using System.Text.RegularExpressions;
using EdgeLlm.Files;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Cli.Transcription;

/// <summary>The options that say which texts can be heard.</summary>
internal static class HeardForm
{
    private const int MostCommands = 1000;

    public static Option<string?> Grammar { get; } = new("--grammar")
    {
        Description = "Hear only texts of a grammar: a file of GBNF (llama.cpp's), or of Lark where its name ends in .lark",
        HelpName = "FILE",
    };

    public static Option<string?> Pattern { get; } =
        new("--regex") { Description = "Hear only texts that a regular expression matches as a whole", HelpName = "PATTERN" };

    public static Option<string?> Commands { get; } =
        new("--commands")
        {
            Description = "Hear only the commands of a file, one a line, and print the likeliest as it is written there",
            HelpName = "FILE"
        };

    /// <summary>The form that was asked for; null: any text.</summary>
    /// <exception cref="UsageException">It is wrong or not supported, or there are several.</exception>
    public static OutputConstraint? Read(ParseResult result)
    {
        Option<string?>[] given =
            [.. ((Option<string?>[])[Grammar, Pattern, Commands]).Where(option => result.GetValue(option) is not null)];
        if (given.Length == 0) return null;
        if (given.Length > 1) throw new UsageException($"{given[0].Name} and {given[1].Name} both say what can be heard: use one");
        string value = result.GetValue(given[0])!;
        try
        {
            if (given[0] == Pattern) return OutputConstraint.Regex(value);
            string text = Encoding.UTF8.GetString(InputFile.Read(value, InputFile.MostSettingsBytes)).TrimStart('\uFEFF');
            return given[0] == Commands ? OneOf(value, text) : value.EndsWith(".lark", StringComparison.OrdinalIgnoreCase)
                ? OutputConstraint.Lark(text) : OutputConstraint.Gbnf(text);
        }
        catch (ConstraintException exception)
        {
            throw new UsageException($"{given[0].Name}: {exception.Message}");
        }
    }

    private static OutputConstraint OneOf(string path, string text)
    {
        string[] commands = [.. text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !line.StartsWith('#')).Distinct()];
        if (commands.Length is 0 or > MostCommands)
            throw new FileException(path, $"has {commands.Length} commands; 1 to {MostCommands} lines of text are taken");
        return OutputConstraint.Regex(string.Join('|', commands.Select(Escape)));
    }

    /// <summary>A text as a pattern of ECMAScript's that matches it.</summary>
    private static string Escape(string text) => Regex.Replace(text, @"[\\^$.*+?()\[\]{}|/]", @"\$0");
}
