using System.CommandLine;
using EdgeLlm.Chat;
using EdgeLlm.Files;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli;

/// <summary>Runs a command line; an error is one line on standard error and an exit code, never a stack trace.</summary>
internal static class CommandRunner
{
    // System.CommandLine takes no notice of Ctrl-C (and SIGTERM) unless it is told how long a command may take to stop.
    private static readonly TimeSpan TimeToStop = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(Command root, string[] args)
    {
        try
        {
            args = Usual(args);
            ParseResult result = Parse(root, args);
            string[] errors = CommandLineErrors.Of(result, args);
            if (errors.Length > 0)
            {
                string command = string.Join(' ', CommandLineErrors.PathOf(result));
                throw new UsageException($"{string.Join("; ", errors.Select(error => error.TrimEnd('.')))}; see `{command} --help`");
            }
            // The Ctrl-C of `run` stops an answer and not the program, that of `serve` lets answers end: they see to it themselves.
            bool stopsByItself = result.CommandResult.Command.Name is "run" or "serve";
            var configuration = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = stopsByItself ? null : TimeToStop,
            };
            return await result.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (UsageException exception)
        {
            Say(exception.Message);
            return ExitCode.Usage;
        }
        catch (Exception exception)
        {
            // out of a loop on all cores
            Exception first = exception is AggregateException several ? several.Flatten().InnerExceptions[0] : exception;
            if (IsExpected(first)) Say(Describe(first));
            else LastHandler.Report(first);
            return ExitCode.Failure;
        }
    }

    /// <summary>
    /// A command line's commands and options. Text is text: by itself the parser reads a prompt that begins with @ as a file of arguments,
    /// and -nx as -n x.
    /// </summary>
    public static ParseResult Parse(Command root, string[] args) =>
        root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });

    /// <summary>Whether it comes from files, options and the machine rather than from a mistake of ours.</summary>
    public static bool IsExpected(Exception exception) =>
        exception is GgufException or ModelException or NotFiniteException or TokenizerException or IOException
            or UnauthorizedAccessException
            or InvalidDataException or OutOfMemoryException or ContextFullException or ChatTemplateException or SamplingException
            or ConstraintException or PhonemeException
            or ObjectDisposedException;

    private static void Say(string message) => Console.Error.WriteLine($"edgellm: {Printable.Line(message.ReplaceLineEndings(" "))}");

    private static string Describe(Exception exception) => exception switch
    {
        OutOfMemoryException => "there is not enough memory for this",
        FileNotFoundException { FileName: { } path } => $"{path}: there is no such file",
        // Messages of ours have no number of the system's.
        UnauthorizedAccessException or DirectoryNotFoundException or PathTooLongException or EndOfStreamException =>
            FileException.DescribeWithPath(exception),
        IOException when (uint)exception.HResult < 0x1000 => FileException.DescribeWithPath(exception),
        _ => exception.Message,
    };

    /// <summary>Nothing, and `help COMMAND`, ask for the usage.</summary>
    private static string[] Usual(string[] args) => args switch
    {
        [] or ["help"] => ["--help"],
        ["help", var command, ..] => [command, "--help"],
        _ => args,
    };
}
