using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Cli.Terminal;

/// <summary>Ends of a line.</summary>
internal enum LineEnd
{
    /// <summary>Enter, or a line end.</summary>
    Line,

    /// <summary>Ctrl-C.</summary>
    Interrupt,

    /// <summary>Ctrl-D, the end of a file or pipe, or a terminal that is gone.</summary>
    EndOfInput,
}

/// <param name="Text">What was typed; of an interrupted line, too.</param>
internal readonly record struct LineEntry(LineEnd End, string Text);

/// <summary>Where the lines of a conversation come from: the editor at a terminal that can do it, else a reader of lines.</summary>
internal abstract class LineInput : IDisposable
{
    /// <summary>The input of this process.</summary>
    /// <param name="keepsHistory">Whether what is typed is kept for later conversations, and what was kept is offered.</param>
    public static LineInput OfThisProcess(bool keepsHistory)
    {
        if (!StandardStreams.HasPersonIn()) return new PlainLines(Console.In, prompts: null);
        // Without a terminal on the other end there is nothing to draw on.
        if (!StandardStreams.HasPersonOut()) return new PlainLines(Console.In, Console.Out);
        bool isDumb = Environment.GetEnvironmentVariable("TERM") is null or "" or "dumb";
        if (OperatingSystem.IsLinux() && !isDumb && TerminalMode.Open() is { } mode)
            return new EditedLines(mode, new LineHistory(keepsHistory ? LineHistory.UsualPath : null));
        // The kernel's own editing of a line: Backspace and Ctrl-U work on every terminal. (Console.In would draw itself.)
        return new PlainLines(OperatingSystem.IsLinux()
            ? new StreamReader(new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 1))
            : Console.In, Console.Out);
    }

    /// <summary>Lets a line be typed, or reads it.</summary>
    /// <param name="prompt">Shown to a person.</param>
    public abstract LineEntry Read(string prompt);

    /// <summary>
    /// Ctrl-C during <see cref="Read"/>, where it is a signal: clears the line, gives advice and reads on, the first time.
    /// </summary>
    /// <returns>Whether it did; else the program is to end.</returns>
    public virtual bool Interrupt(string advice) => false;

    /// <summary>Keeps what was typed for the Up key.</summary>
    public virtual void Remember(string text)
    {
    }

    /// <summary>Keeps what is typed from now on for later conversations, or does not.</summary>
    /// <returns>Whether there is a history at all.</returns>
    public virtual bool KeepHistory(bool on) => false;

    /// <summary>Says by which texts Tab may replace what is typed.</summary>
    public virtual void CompleteWith(Func<string, IReadOnlyList<string>> completions)
    {
    }

    /// <summary>Puts the terminal back, before the program is ended from outside.</summary>
    public virtual void Release()
    {
    }

    public void Dispose() => Release();
}

/// <summary>Lines of a file, a pipe, or a terminal that can't be drawn on.</summary>
/// <param name="prompts">Where prompts go; null: nowhere.</param>
internal sealed class PlainLines(TextReader reader, TextWriter? prompts) : LineInput
{
    private string _prompt = "";
    private bool _warned;

    public override LineEntry Read(string prompt)
    {
        (_prompt, _warned) = (prompt, false);
        prompts?.Write(prompt);
        prompts?.Flush();
        string? line = reader.ReadLine();
        if (line is null) prompts?.WriteLine();
        return line is null ? new LineEntry(LineEnd.EndOfInput, "") : new LineEntry(LineEnd.Line, line);
    }

    /// <summary>The terminal's own editing has dropped the line by then.</summary>
    public override bool Interrupt(string advice)
    {
        if (prompts is null || _warned) return false;
        _warned = true;
        prompts.Write($"\n{advice}\n{_prompt}");
        prompts.Flush();
        return true;
    }
}

/// <summary>Lines of the editor.</summary>
[SupportedOSPlatform("linux")]
internal sealed class EditedLines : LineInput
{
    private readonly TerminalMode _mode;
    private readonly LineHistory _history;
    private readonly LineEditor _editor;
    private readonly PosixSignalRegistration[] _signals;

    public EditedLines(TerminalMode mode, LineHistory history)
    {
        (_mode, _history) = (mode, history);
        _editor = new LineEditor(new KeyReader(TerminalBytes.Next), Console.Out, history, static () => TerminalSize.Current);
        _signals =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => _editor.Redraw(sameScreen: true)),
            PosixSignalRegistration.Create(PosixSignal.SIGCONT, context =>
            {
                context.Cancel = true; // else the runtime sets the terminal as it found it
                _mode.Reapply();
                _editor.Redraw(sameScreen: false);
            }),
        ];
        _mode.Wait();
    }

    public override LineEntry Read(string prompt)
    {
        _mode.Edit();
        try
        {
            return _editor.Read(prompt, ". ", _mode.Suspend);
        }
        finally
        {
            _mode.Wait();
        }
    }

    public override void Remember(string text) => _history.Add(text);

    public override bool KeepHistory(bool on)
    {
        _history.KeepIn(on ? LineHistory.UsualPath : null);
        return true;
    }

    public override void CompleteWith(Func<string, IReadOnlyList<string>> completions) => _editor.Completions = completions;

    public override void Release()
    {
        foreach (PosixSignalRegistration signal in _signals) signal.Dispose();
        _mode.Dispose();
    }
}

/// <summary>Columns and rows of the terminal on standard output.</summary>
internal static class TerminalSize
{
    private static readonly (int Columns, int Rows) Usual = (80, 24);

    public static (int Columns, int Rows) Current
    {
        get
        {
            try
            {
                (int columns, int rows) = (Console.WindowWidth, Console.WindowHeight);
                return (columns > 0 ? columns : Usual.Columns, rows > 0 ? rows : Usual.Rows);
            }
            catch (Exception exception) when (exception is IOException or PlatformNotSupportedException)
            {
                return Usual; // a serial line that does not know
            }
        }
    }
}
