using EdgeLlm.Chat;
using EdgeLlm.Cli.Terminal;
using EdgeLlm.Generation;

namespace EdgeLlm.Cli.Run;

/// <summary>
/// Reads the entries of `edgellm run`, one after the other: a text is asked, a line that begins with / is a command. Ctrl-C stops an
/// answer, else clears what is typed, and only then leaves.
/// </summary>
/// <param name="input">Where entries come from.</param>
/// <param name="output">Where answers go.</param>
internal sealed class PromptLoop(LineInput input, TextWriter output)
{
    private const string Quotes = "\"\"\"", LeavingAdvice = "(Ctrl-C again, Ctrl-D or /bye leaves)";

    private CancellationTokenSource? _answering;

    /// <summary>Asks, and gives the answer piece by piece.</summary>
    public required Func<string, CancellationToken, IAsyncEnumerable<string>> Ask { get; init; }

    /// <summary>
    /// Runs a command; gives its reply, or null to leave. Receives the loop, the command's name in small letters and what follows it.
    /// </summary>
    public required Func<PromptLoop, string, string, string?> Command { get; init; }

    /// <summary>Note to print after an answer; null: none.</summary>
    public required Func<string?> NoteOnAnswer { get; init; }

    /// <summary>Whether leaving loses something: then one Ctrl-C at an empty prompt is not enough.</summary>
    public required Func<bool> HasConversation { get; init; }

    // Whether answers are broken between words.
    private bool _wraps = true;

    /// <summary>Words of /set for the terminal.</summary>
    public static string[] Settings { get; } = ["wordwrap", "nowordwrap", "history", "nohistory"];

    /// <summary>Does what `/set` says of the terminal; null where it is not about that.</summary>
    public string? Set(string setting)
    {
        switch (setting)
        {
            case "wordwrap":
                _wraps = true;
                return "lines are broken between words";
            case "nowordwrap":
                _wraps = false;
                return "lines are broken where the terminal does";
            case "history" or "nohistory" when !input.KeepHistory(setting == "history"):
                return "nothing is kept of what is typed here";
            case "history":
                return "what you type is kept for later conversations, for the Up key";
            case "nohistory":
                return "what you type is kept no longer; the Up key has this conversation's lines";
            default:
                return null;
        }
    }

    /// <summary>Until somebody leaves.</summary>
    /// <returns>The program's exit code.</returns>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        ConsoleCancelEventHandler onPress = (_, press) =>
        {
            if (_answering is not { } answering)
            {
                press.Cancel = HasConversation() && input.Interrupt(LeavingAdvice);
                if (!press.Cancel) input.Release(); // nothing is answered: the program ends, and the terminal is as it was
                return;
            }
            press.Cancel = true;
            answering.Cancel();
        };
        Console.CancelKeyPress += onPress;
        try
        {
            bool warned = false;
            while (!cancellation.IsCancellationRequested)
            {
                LineEntry entry = ReadEntry();
                switch (entry.End)
                {
                    case LineEnd.EndOfInput:
                        return ExitCode.Success;
                    case LineEnd.Interrupt when warned || (entry.Text.Length == 0 && !HasConversation()):
                        return ExitCode.Interrupted;
                    case LineEnd.Interrupt:
                        AnswerWriter.Say(LeavingAdvice, output);
                        warned = true;
                        continue;
                }
                warned = false;
                if (string.IsNullOrWhiteSpace(entry.Text)) continue;
                input.Remember(entry.Text);
                if (!CommandOf(entry.Text, out string name, out string rest)) await AnswerAsync(entry.Text).ConfigureAwait(false);
                else if (Command(this, name, rest) is { } reply) AnswerWriter.Say(reply, output);
                else return ExitCode.Success;
            }
            return ExitCode.Interrupted;
        }
        finally
        {
            Console.CancelKeyPress -= onPress;
        }
    }

    /// <summary>One entry: a line, with those that a \ at its end or three quotes at its beginning join to it.</summary>
    private LineEntry ReadEntry()
    {
        LineEntry entry = input.Read("> ");
        if (entry.End != LineEnd.Line) return entry;
        string text = entry.Text;
        bool quoted = text.TrimStart().StartsWith(Quotes, StringComparison.Ordinal);
        if (quoted) text = text.TrimStart()[Quotes.Length..];
        while (quoted ? !text.TrimEnd().EndsWith(Quotes, StringComparison.Ordinal) : text.EndsWith('\\'))
        {
            entry = input.Read(". ");
            if (entry.End == LineEnd.Interrupt) return entry with { Text = text };
            if (!quoted) text = text[..^1];
            if (entry.End == LineEnd.EndOfInput) return new LineEntry(LineEnd.Line, text);
            text += "\n" + entry.Text;
        }
        if (quoted) text = text.TrimEnd()[..^Quotes.Length].Trim('\n');
        return new LineEntry(LineEnd.Line, text);
    }

    /// <summary>Whether an entry is a command: one line whose first word is a / and letters. /etc/fstab is none.</summary>
    private static bool CommandOf(string text, out string name, out string rest)
    {
        string[] words = text.Trim().Split((char[]?)null, 2, StringSplitOptions.TrimEntries);
        (name, rest) = (words[0].ToLowerInvariant(), words.Length > 1 ? words[1] : "");
        return name.Length > 1 && name[0] == '/' && name.AsSpan(1).IndexOf('/') < 0 && !text.Trim().Contains('\n')
            && name.Skip(1).All(c => char.IsAsciiLetter(c) || c == '?');
    }

    private async Task AnswerAsync(string text)
    {
        using var answering = new CancellationTokenSource();
        _answering = answering;
        try
        {
            await AnswerWriter.WriteAsync(Ask(text.Trim('\n'), answering.Token), output, _wraps, answering.Token).ConfigureAwait(false);
            if (NoteOnAnswer() is { } note) AnswerWriter.Say($"({note})", output);
        }
        catch (OperationCanceledException)
        {
            AnswerWriter.Say("(stopped)", output);
        }
        catch (Exception exception) when (exception is ContextFullException or ChatTemplateException)
        {
            AnswerWriter.Say($"edgellm: {exception.Message}", output);
        }
        finally
        {
            _answering = null;
        }
    }
}
