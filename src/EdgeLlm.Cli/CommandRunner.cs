using System.CommandLine;
using EdgeLlm.Chat;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli;

/// <summary>Runs a command line; an error is one line on standard error and an exit code, never a stack trace.</summary>
internal static class CommandRunner
{
    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        ParseResult result = root.Parse(args);
        if (result.Errors.Count > 0)
        {
            foreach (string message in result.Errors.Select(error => error.Message)) await Console.Error.WriteLineAsync($"edgellm: {message}").ConfigureAwait(false);
            await Console.Error.WriteLineAsync($"edgellm: see `edgellm {string.Join(' ', CommandPath(result))}--help`").ConfigureAwait(false);
            return ExitCode.Usage;
        }
        try
        {
            return await result.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false }).ConfigureAwait(false);
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
        exception is GgufException or ModelException or NotFiniteException or TokenizerException or ChatTemplateException or IOException or UnauthorizedAccessException
            or InvalidDataException or ArgumentException or OutOfMemoryException;

    private static IEnumerable<string> CommandPath(ParseResult result) =>
        result.CommandResult.Command is RootCommand ? [] : [result.CommandResult.Command.Name + " "];
}
