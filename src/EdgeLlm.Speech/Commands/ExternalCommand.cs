using System.Diagnostics;
using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Speech.Commands;

/// <summary>Output of a command that ended by itself.</summary>
/// <param name="ExitCode">0 where all went well, as most programs have it.</param>
/// <param name="Output">Text of standard output.</param>
/// <param name="Errors">Text of standard error.</param>
internal sealed record CommandResult(int ExitCode, string Output, string Errors);

/// <summary>
/// A program of the user's settings with its arguments. It is started without a shell and in a clean environment (PATH, HOME and LANG only,
/// so that no key of the service is in it), receives its input on standard input, and has limits of time and output.
/// </summary>
internal sealed class ExternalCommand
{
    /// <summary>Seconds that a command may be waited for.</summary>
    public const int MostSeconds = 10;

    /// <summary>Bytes of text that it may write, and of error output.</summary>
    public const int MostTextBytes = 64 << 10;

    /// <summary>Most words of a command, and most characters of one.</summary>
    public const int MostWords = 64, MostWordLength = 4096;

    private const string SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private readonly IReadOnlyList<string> _words;

    /// <param name="name">What messages call it.</param>
    /// <param name="words">The program and its arguments.</param>
    /// <exception cref="FormatException">It is not a command; the message says what would be right.</exception>
    public ExternalCommand(string name, IReadOnlyList<string> words)
    {
        (Name, _words) = (name, words);
        if (ProblemOf(words) is { } problem) throw new FormatException($"the command {name} {problem}");
    }

    /// <summary>Name in messages.</summary>
    public string Name { get; }

    /// <summary>How long it may be waited for. Tests shorten it.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(MostSeconds);

    /// <summary>Why words are not a command; null: they are one.</summary>
    public static string? ProblemOf(IReadOnlyList<string> words) =>
        words.Count == 0 || words[0].Length == 0 ? "must begin with a program"
        : words.Count > MostWords ? $"has {words.Count} words; at most {MostWords} are taken"
        : words.Any(word => word.Length > MostWordLength || word.Contains('\0'))
        ? $"has a word of more than {MostWordLength} characters, or with a character 0"
        : null;

    /// <summary>The program's file.</summary>
    /// <exception cref="FileException">It is not on this machine.</exception>
    public string Require()
    {
        string program = _words[0];
        if (program.StartsWith('/'))
            return File.Exists(program) ? program
                : throw new FileException(Name, $"the program {Printable.Line(program, 200)} is not on this machine");
        string? found = program.Contains('/') ? null
            : SearchPath.Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        return found
            ?? throw new FileException(Name,
                $"the program {Printable.Line(program, 200)} is not in {SearchPath}; a whole path names any other");
    }

    /// <summary>Runs it to its end.</summary>
    /// <param name="input">What it reads.</param>
    /// <exception cref="FileException">It is not there, took too long or wrote too much.</exception>
    public async Task<CommandResult> RunAsync(ReadOnlyMemory<byte> input, CancellationToken cancellation)
    {
        await using CommandRun run = Start(input, cancellation);
        byte[] output = new byte[MostTextBytes + 1];
        int count = 0;
        for (int got; (got = await run.ReadAsync(output.AsMemory(count), cancellation).ConfigureAwait(false)) > 0;)
        {
            count += got;
            if (count > MostTextBytes) throw new FileException(Name, $"wrote more than {MostTextBytes >> 10} kB of text");
        }
        (int exitCode, string errors) = await run.FinishAsync().ConfigureAwait(false);
        return new CommandResult(exitCode, Encoding.UTF8.GetString(output, 0, count), errors);
    }

    /// <summary>Starts it: its standard output is a stream of any length.</summary>
    /// <param name="input">What it reads.</param>
    /// <param name="cancellation">Ends waiting for it.</param>
    /// <exception cref="FileException">It is not there or can't be started.</exception>
    public CommandRun Start(ReadOnlyMemory<byte> input, CancellationToken cancellation)
    {
        ProcessStartInfo start = Describe();
        try
        {
            return new CommandRun(Name, Process.Start(start)!, input, Limit, cancellation);
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            throw new FileException(Name, $"can't be started: {exception.Message}");
        }
    }

    /// <summary>
    /// How it is started: without a shell, in a clean environment, its three streams with the caller, who has to read both outputs and to
    /// set limits.
    /// </summary>
    /// <exception cref="FileException">It is not on this machine.</exception>
    public ProcessStartInfo Describe()
    {
        var start = new ProcessStartInfo(Require(), _words.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = "/",
        };
        start.Environment.Clear();
        start.Environment["PATH"] = SearchPath;
        start.Environment["LANG"] = "C.UTF-8";
        if (Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } home) start.Environment["HOME"] = home;
        return start;
    }
}
