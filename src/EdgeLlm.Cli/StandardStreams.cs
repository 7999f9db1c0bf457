using System.Text;
using EdgeLlm.Files;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Cli;

/// <summary>
/// Standard input, output and error as programs find them in the field: closed (`&lt;&amp;-`), or on a disk that is full. Text that can't
/// be shown on standard error is dropped, because nobody is there to read it; on standard output it is an error of one line.
/// </summary>
internal static class StandardStreams
{
    // What the runtime opens for itself takes the numbers that are free, and has this flag of open(2), which nothing inherited can have.
    private const int CloseOnExecute = 0x80000;

    private static readonly List<SafeFileHandle> Fillers = [];

    /// <summary>Standard input as bytes. Tests put theirs here, as into the others.</summary>
    public static Func<Stream> OpenInput { get; set; } = Console.OpenStandardInput;

    /// <summary>Standard output as bytes.</summary>
    public static Func<Stream> OpenOutput { get; set; } = Console.OpenStandardOutput;

    /// <summary>Whether a person can answer questions.</summary>
    public static Func<bool> HasPersonIn { get; set; } = static () => !Console.IsInputRedirected;

    /// <summary>Whether a person reads standard output: colours, tables and progress are for them.</summary>
    public static Func<bool> HasPersonOut { get; set; } = static () => !Console.IsOutputRedirected;

    /// <summary>
    /// Whether somebody put a file or a pipe there to be read; not what programs inherit by the way, such as /dev/null or a service's
    /// socket.
    /// </summary>
    public static Func<bool> InputIsFileOrPipe { get; set; } = static () =>
        OperatingSystem.IsLinux() ? FileStatus.Of("/proc/self/fd/0") is { Kind: FileKind.Regular or FileKind.Pipe }
            : Console.IsInputRedirected;

    /// <summary>Puts safe streams into <see cref="Console"/> and this class. Once, before anything is opened.</summary>
    public static void Guard()
    {
        bool hasInput = IsThere(0), hasOutput = IsThere(1), hasError = IsThere(2);
        Fill(new[] { hasInput, hasOutput, hasError }.Count(there => !there));
        OpenInput = () => new GuardedStream("standard input", hasInput ? Console.OpenStandardInput : null);
        OpenOutput = () => new GuardedStream("standard output", hasOutput ? Console.OpenStandardOutput : null);
        if (!hasInput)
        {
            Console.SetIn(TextReader.Null);
            HasPersonIn = static () => false;
            InputIsFileOrPipe = static () => false;
        }
        else if (Console.IsInputRedirected)
        {
            // A person's lines are edited elsewhere.
            Console.SetIn(TextReader.Synchronized(new LineReader("standard input", OpenInput(), Console.InputEncoding)));
        }
        if (!hasOutput) HasPersonOut = static () => false;
        Console.SetOut(Writer(OpenOutput(), hasOutput ? Console.Out.Encoding : new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)));
        Console.SetError(hasError
            ? Writer(new GuardedStream("standard error", Console.OpenStandardError, dropsErrors: true), Console.Error.Encoding)
            : TextWriter.Null);
    }

    private static StreamWriter Writer(Stream stream, Encoding encoding) => new(stream, encoding) { AutoFlush = true };

    private static bool IsThere(int number)
    {
        if (!OperatingSystem.IsLinux()) return true;
        string? flags = SystemFiles.OfThisMachine.Field($"/proc/self/fdinfo/{number}", "flags");
        // Without /proc nobody knows, and closed streams are rare.
        if (flags is null) return !Directory.Exists("/proc/self/fdinfo");
        return (Convert.ToInt64(flags, fromBase: 8) & CloseOnExecute) == 0;
    }

    /// <summary>Takes the numbers that are free, so that no file of ours has one that other code writes its messages to.</summary>
    private static void Fill(int missing)
    {
        for (int i = 0; i < missing; i++)
        {
            SafeFileHandle filler;
            try
            {
                filler = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            }
            catch (Exception exception) when (FileException.IsFromFileSystem(exception))
            {
                return; // a sandbox without devices
            }
            if (filler.DangerousGetHandle() <= 2) Fillers.Add(filler);
            else filler.Dispose();
        }
    }

    /// <summary>A stream that is opened when it is first used, and whose errors name it.</summary>
    /// <param name="open">Null: it is closed.</param>
    private sealed class GuardedStream(string name, Func<Stream>? open, bool dropsErrors = false) : Stream
    {
        private Stream? _stream;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (buffer.IsEmpty) return;
            try
            {
                Open().Write(buffer);
            }
            catch (Exception exception) when (FileException.IsFromFileSystem(exception))
            {
                if (!dropsErrors) throw FileException.Writing(name, exception);
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Write(buffer.Span);
            return ValueTask.CompletedTask;
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override int Read(Span<byte> buffer)
        {
            try
            {
                return Open().Read(buffer);
            }
            catch (Exception exception) when (FileException.IsFromFileSystem(exception))
            {
                throw FileException.Reading(name, exception);
            }
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) _stream?.Dispose();
            base.Dispose(disposing);
        }

        private Stream Open() => _stream ??= open is null ? throw new FileException(name, "closed") : open();
    }
}
