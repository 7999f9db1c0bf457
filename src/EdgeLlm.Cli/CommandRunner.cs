using System.CommandLine;
using System.CommandLine.Parsing;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli;

/// <summary>Runs a command line; an error is one line on standard error and an exit code, never a stack trace.</summary>
internal static class CommandRunner
{
    // System.CommandLine takes no notice of Ctrl-C (and SIGTERM) unless it is told how long a command may take to stop.
    private static readonly TimeSpan TimeToStop = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        // Text is text: without this, a prompt that begins with @ would be read as a file of arguments.
        ParseResult result = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        List<string> errors = [.. result.Errors.Select(error => error.Message), .. OptionsTakenForArguments(result)];
        if (errors.Count > 0)
        {
            foreach (string message in errors) await Console.Error.WriteLineAsync($"edgellm: {message}").ConfigureAwait(false);
            await Console.Error.WriteLineAsync($"edgellm: see `edgellm {string.Join(' ', CommandPath(result))}--help`").ConfigureAwait(false);
            return ExitCode.Usage;
        }
        try
        {
            // The Ctrl-C of `run` stops an answer and not the program, that of `serve` lets answers end: they see to it themselves.
            bool stopsByItself = result.CommandResult.Command.Name is "run" or "serve";
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = stopsByItself ? null : TimeToStop };
            return await result.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception exception) when (IsExpected(exception))
        {
            await Console.Error.WriteLineAsync($"edgellm: {exception.Message.ReplaceLineEndings(" ")}").ConfigureAwait(false);
            return exception is ArgumentException ? ExitCode.Usage : ExitCode.Failure;
        }
    }

    /// <summary>What comes from files, options and the machine rather than from a mistake of ours.</summary>
    private static bool IsExpected(Exception exception) =>
        exception is GgufException or ModelException or NotFiniteException or TokenizerException or IOException or UnauthorizedAccessException
            or InvalidDataException or ArgumentException or OutOfMemoryException or ContextFullException or ChatTemplateException or SamplingException or ObjectDisposedException;

    /// <summary>A word like `--tmeperature` would pass for a command's argument; after `--` it may.</summary>
    private static IEnumerable<string> OptionsTakenForArguments(ParseResult result)
    {
        if (result.Tokens.Any(token => token.Type == System.CommandLine.Parsing.TokenType.DoubleDash)) return [];
        return result.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)
            .Where(token => token.Value.StartsWith("--", StringComparison.Ordinal) && token.Value.Length > 2)
            .Select(token => $"there is no option {token.Value}; text that begins with -- goes after a lone --");
    }

    private static IEnumerable<string> CommandPath(ParseResult result) =>
        result.CommandResult.Command is RootCommand ? [] : [result.CommandResult.Command.Name + " "];
}
