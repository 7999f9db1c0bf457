using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace EdgeLlm.Cli.Terminal;

/// <summary>
/// The settings of the terminal on standard input (termios(3)), on Linux: keys come one by one and are not shown, and are put back as they
/// were in the end, however the program ends.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed partial class TerminalMode : IDisposable
{
    // struct termios of Linux, the same on every processor that .NET runs on: four words of flags, c_line, c_cc[32], two speeds.
    private const int Bytes = 60, InputFlags = 0, LocalFlags = 12, Characters = 17;
    private const int MinimumCharacters = Characters + 6, Timeout = Characters + 5; // VMIN, VTIME
    private const uint CarriageReturnToNewLine = 0x100, FlowControl = 0x400; // ICRNL, IXON
    private const uint Signals = 0x1, Lines = 0x2, Echo = 0x8, Extensions = 0x8000; // ISIG, ICANON, ECHO, IEXTEN
    private const int StandardInput = 0, WhenWritten = 1; // TCSADRAIN
    private const int StopByTerminal = 20; // SIGTSTP

    private readonly byte[] _original;
    private readonly Lock _turn = new();
    private byte[] _current;

    private TerminalMode(byte[] original)
    {
        _original = _current = original;
        AppDomain.CurrentDomain.ProcessExit += OnExit;
    }

    /// <summary>The terminal, or null where standard input is none that can be set.</summary>
    public static TerminalMode? Open()
    {
        byte[] settings = new byte[Bytes + 64]; // more than any libc writes
        return GetAttributes(StandardInput, settings) == 0 ? new TerminalMode(settings) : null;
    }

    /// <summary>For the editor: every key comes as it is, Ctrl-C and Ctrl-Z too.</summary>
    public void Edit() => Set(signals: false);

    /// <summary>
    /// While an answer is given: Ctrl-C and Ctrl-Z are signals; other keys wait for the editor and are not shown in the middle of the
    /// answer.
    /// </summary>
    public void Wait() => Set(signals: true);

    /// <summary>As it was found.</summary>
    public void Restore() => Apply(_original);

    /// <summary>Puts the settings in force again, which the shell changed while the program was stopped.</summary>
    public void Reapply() => Apply(_current);

    /// <summary>Stops the program as Ctrl-Z does; comes back when it is continued.</summary>
    public void Suspend()
    {
        byte[] current = _current;
        Restore();
        _ = Kill(0, StopByTerminal);
        Apply(current);
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        Restore();
    }

    private void OnExit(object? sender, EventArgs arguments) => Restore();

    private void Set(bool signals)
    {
        byte[] settings = [.. _original];
        Change(settings, InputFlags, clear: CarriageReturnToNewLine | FlowControl);
        Change(settings, LocalFlags, clear: Lines | Echo | Extensions | Signals, set: signals ? Signals : 0);
        settings[MinimumCharacters] = 1;
        settings[Timeout] = 0;
        Apply(settings);
    }

    private void Apply(byte[] settings)
    {
        lock (_turn)
        {
            _current = settings;
            _ = SetAttributes(StandardInput, WhenWritten, settings);
        }
    }

    private static void Change(byte[] settings, int offset, uint clear, uint set = 0)
    {
        Span<byte> word = settings.AsSpan(offset, 4);
        uint flags = BitConverter.ToUInt32(word);
        BitConverter.TryWriteBytes(word, (flags & ~clear) | set);
    }

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetAttributes(int file, [Out] byte[] settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetAttributes(int file, int when, byte[] settings);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}

/// <summary>The bytes that the terminal on standard input sends.</summary>
[SupportedOSPlatform("linux")]
internal static partial class TerminalBytes
{
    private const int StandardInput = 0, Interrupted = 4; // EINTR
    private const short Readable = 1; // POLLIN

    private static readonly byte[] Buffer = new byte[4096];
    private static int _next, _end;

    /// <summary>The next byte, or -1 where none came in time or the terminal is gone.</summary>
    /// <param name="milliseconds">How long to wait; -1: until there is one.</param>
    public static int Next(int milliseconds)
    {
        if (_next == _end && !Fill(milliseconds)) return -1;
        return Buffer[_next++];
    }

    private static bool Fill(int milliseconds)
    {
        if (milliseconds >= 0)
        {
            byte[] request = new byte[8]; // struct pollfd: file (int), what is asked for (short), what is so (short)
            BinaryPrimitives.WriteInt16LittleEndian(request.AsSpan(4), Readable);
            if (Poll(request, 1, milliseconds) <= 0) return false;
        }
        nint count;
        do count = Read(StandardInput, Buffer, Buffer.Length);
        while (count < 0 && Marshal.GetLastPInvokeError() == Interrupted);
        (_next, _end) = (0, (int)Math.Max(0, count));
        return _end > 0;
    }

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(int file, [Out] byte[] buffer, nint count);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll([In, Out] byte[] requests, nuint count, int milliseconds);
}
