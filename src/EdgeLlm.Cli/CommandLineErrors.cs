using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Cli.Run;
using EdgeLlm.Models;

namespace EdgeLlm.Cli;

/// <summary>Errors of a command line, with the likeliest correction or the line to type instead.</summary>
internal static partial class CommandLineErrors
{
    /// <summary>The errors; none where it can be run.</summary>
    /// <param name="args">What was typed after `edgellm`.</param>
    public static string[] Of(ParseResult result, string[] args)
    {
        Command command = result.CommandResult.Command;
        string name = string.Join(' ', PathOf(result).Skip(1));
        string[] unknown = [.. result.UnmatchedTokens, .. OptionsTakenForArguments(result)];
        if (result.CommandResult == result.RootCommandResult && unknown is [var word, ..] && !IsOptionLike(word))
            return [AdviceOnCommand(result, word, args)];
        if (unknown.FirstOrDefault(IsOptionLike) is { } option) return [AdviceOnOption(command, option, args)];
        if (unknown.Length > 0) return [AdviceOnWord(command, name, Printable.Line(unknown[0], 100))];
        string[] missing = [.. command.Arguments.Where(argument => argument.Arity.MinimumNumberOfValues > 0
            && result.GetResult(argument) is not { Tokens.Count: > 0 }).Select(argument => argument.HelpName ?? argument.Name)];
        if (result.Errors.Count > 0 && missing.Length > 0) return [$"{name} takes {string.Join(" and ", missing)}"];
        // A command of commands, such as `keys`, without one.
        if (result.Errors.Count > 0 && command.Subcommands.Count > 0 && command.Action is null && command.Parents.Any())
            return [$"{name} takes a command: {string.Join(", ", command.Subcommands.Select(one => one.Name))}"];
        return [.. result.Errors.Select(MessageOf)];
    }

    /// <summary>Words that call the command, `edgellm` first.</summary>
    public static IEnumerable<string> PathOf(ParseResult result)
    {
        var names = new Stack<string>();
        SymbolResult? part = result.CommandResult;
        for (; part is CommandResult command && part != result.RootCommandResult; part = part.Parent) names.Push(command.Command.Name);
        return names.Prepend("edgellm");
    }

    /// <summary>A word like `--tmeperature` would pass for a command's argument; after `--` it may.</summary>
    private static IEnumerable<string> OptionsTakenForArguments(ParseResult result)
    {
        Token[] options = [.. result.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash)];
        return result.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)
            .Where(token => IsOptionLike(token.Value) && options.Any(option => ReferenceEquals(option, token)))
            .Select(token => token.Value);
    }

    private static bool IsOptionLike(string word) => OptionPattern().IsMatch(word);

    private static string AdviceOnWord(Command command, string name, string word)
    {
        string problem = $"{name} takes no '{word}'";
        if (command.Name == "tokenize") return $"{problem}: the text comes on standard input, echo -n TEXT | edgellm tokenize";
        if (command.Arguments is [{ Name: "text" }]) return $"{problem}; a text of several words goes in quotes";
        return command.Arguments.Count == 0 && NamesOf(command).Contains(SharedOptions.Model.Name)
            ? $"{problem}; a model goes after {SharedOptions.Model.Name}" : problem;
    }

    private static string AdviceOnOption(Command command, string word, string[] args)
    {
        string name = word.Split('=')[0];
        if (!command.Parents.Any())
        {
            Command run = command.Subcommands.First(one => one.Name == "run");
            if (NamesOf(run).Contains(name)) return $"options follow a command: edgellm run {Line(args)}";
        }
        string problem = $"there is no option {name}";
        if (ForeignWords.Options.GetValueOrDefault(name) is { } advice) return $"{problem}: {advice}";
        // Of one or two letters every name is near.
        string[] names = [.. NamesOf(command).Where(other => other.StartsWith("--", StringComparison.Ordinal)).Select(other => other[2..])];
        string bare = name.TrimStart('-').Replace('_', '-');
        if (names.Contains(bare, StringComparer.OrdinalIgnoreCase) || (bare.Length > 2 && Suggestion.For(bare, names) is not null))
            return $"{problem}; did you mean --{Suggestion.For(bare, names)}?";
        return command.Arguments.Count > 0 ? $"{problem}; text that begins with - goes after a lone --" : problem;
    }

    private static IEnumerable<string> NamesOf(Command command) =>
        command.Options.Concat(command.Parents.OfType<Command>().SelectMany(parent => parent.Options.Where(option => option.Recursive)))
            .SelectMany(option => option.Aliases.Prepend(option.Name));

    private static string AdviceOnCommand(ParseResult result, string word, string[] args)
    {
        string name = Printable.Line(word, 100);
        if (word.Any(char.IsWhiteSpace)) return $"there is no command '{name}'; if it is a prompt: edgellm run {Line(args)}";
        if (ForeignWords.Commands.GetValueOrDefault(word.ToLowerInvariant()) is { } advice)
            return $"there is no command '{name}': {advice}";
        IEnumerable<string> names =
            result.RootCommandResult.Command.Children.OfType<Command>().SelectMany(command => command.Aliases.Prepend(command.Name));
        if (word.Length > 1 && Suggestion.For(word, names) is { } near) return $"there is no command '{name}'; did you mean {near}?";
        var store = ModelStore.OfThisMachine();
        if (File.Exists(word) || store.Find(word) is not null)
            return $"there is no command '{name}'; to ask this model: edgellm run {Line(args)}";
        return RunWords.LooksLikeModel(word, store)
            ? $"there is no command '{name}', and no model; to get one: {MissingModel.PullLineFor(word)}; if it is a prompt: edgellm run "
                + $"-- {Line(args)}"
            : $"there is no command '{name}'; if it is a prompt: edgellm run {Line(args)}";
    }

    /// <summary>Arguments as a line to type.</summary>
    public static string Line(IEnumerable<string> args) =>
        string.Join(' ', args.Select(arg => IsOptionLike(arg) ? arg : ShellWord.Quote(arg)));

    /// <summary>The parser's error; where it would name a type of .NET, the values that the option takes.</summary>
    private static string MessageOf(ParseError error)
    {
        if (error.SymbolResult is not OptionResult { Tokens: [{ Value: var value }, ..], Option: var option }
            || !error.Message.StartsWith("Cannot parse argument", StringComparison.Ordinal))
            return MissingOptionPattern().Replace(error.Message, "$1 is required");
        Type type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
        string takes = type == typeof(int) || type == typeof(long) ? "a whole number"
            : type == typeof(bool) ? "true or false"
            : "a number";
        return $"{option.Name} takes {takes}, not '{value}'";
    }

    [GeneratedRegex(@"^--?[A-Za-z][A-Za-z0-9_-]*(=.*)?\z", RegexOptions.Singleline)]
    private static partial Regex OptionPattern();

    [GeneratedRegex(@"^Option '(--[a-z-]+)' is required\.?\z")]
    private static partial Regex MissingOptionPattern();
}
