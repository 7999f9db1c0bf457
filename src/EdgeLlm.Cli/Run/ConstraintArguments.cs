using System.CommandLine;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Cli.Run;

/// <summary>The options that give an answer its form.</summary>
internal sealed class ConstraintArguments
{
    private readonly Option<string?> _format = new("--format", "--json-schema", "-j")
    {
        Description = "Answer in JSON: `json` for an object of any shape, or a file with a JSON Schema (or the schema itself).",
        HelpName = "json|FILE",
    };

    private readonly Option<string?> _grammar = new("--grammar", "--grammar-file")
    {
        Description = "Answer in the form of a grammar: a file of GBNF (llama.cpp's), or of Lark where its name ends in .lark.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _regex =
        new("--regex") { Description = "Answer with a text that a regular expression matches as a whole.", HelpName = "PATTERN" };
    private readonly Option<bool> _heal =
        new("--heal") { Description = "With --raw: let the answer complete the word that the prompt ends in." };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _format, _grammar, _regex, _heal }) command.Options.Add(option);
    }

    /// <summary>Whether the prompt's end is healed.</summary>
    public bool Heals(ParseResult result) => result.GetValue(_heal);

    /// <summary>The form that was asked for, or null.</summary>
    /// <exception cref="UsageException">It is wrong or not supported, or there are several.</exception>
    public OutputConstraint? Read(ParseResult result)
    {
        (Option Option, string? Value)[] given =
            [.. new Option<string?>[] { _format, _grammar, _regex }.Select(option => ((Option)option, result.GetValue(option)))
                .Where(one => one.Item2 is not null)];
        if (given.Length == 0) return null;
        if (given.Length > 1)
            throw new UsageException($"{given[0].Option.Name} and {given[1].Option.Name} both give the answer a form; use one");
        (Option option, string value) = (given[0].Option, given[0].Value!);
        try
        {
            if (option == _regex) return OutputConstraint.Regex(value);
            if (option == _grammar)
                return value.EndsWith(".lark", StringComparison.OrdinalIgnoreCase) ? OutputConstraint.Lark(TextOf(value))
                    : OutputConstraint.Gbnf(TextOf(value));
            return value == "json" ? OutputConstraint.AnyJsonObject
                : OutputConstraint.JsonSchema(value.TrimStart().StartsWith('{') ? value : TextOf(value));
        }
        catch (ConstraintException exception)
        {
            throw new UsageException($"{option.Name}: {exception.Message}");
        }
    }

    private static string TextOf(string path) =>
        Encoding.UTF8.GetString(InputFile.Read(path, InputFile.MostSettingsBytes)).TrimStart('\uFEFF');
}
