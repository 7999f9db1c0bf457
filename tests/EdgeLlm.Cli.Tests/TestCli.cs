using System.CommandLine;
using System.Text;
using EdgeLlm.Cli.Commands;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Tests;

/// <summary>
/// Runs a command line in this process as Program.cs does. One at a time: the console and the environment are the process's.
/// </summary>
internal static class TestCli
{
    private static readonly SemaphoreSlim Turn = new(1);
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>
    /// The variable, of a test's environment only, that puts a folder in the place of the system's. Without it there is none.
    /// </summary>
    public const string SystemFolder = "TEST_SYSTEM_FOLDER";

    /// <summary>The same for the folder of models that hear beside the program.</summary>
    public const string SpeechFolder = "TEST_SPEECH_FOLDER";

    public static Task<CliResult> RunAsync(params string[] args) => RunAsync(args, input: null);

    /// <param name="input">Standard input; null: empty.</param>
    /// <param name="environment">Variables for as long as the command runs; null removes one.</param>
    /// <param name="personIn">Whether standard input passes for a terminal.</param>
    /// <param name="root">The commands; null: the program's.</param>
    /// <param name="folders">Where programs of the machine are looked for; null: in PATH, which no test may change: others start processes.</param>
    public static async Task<CliResult> RunAsync(
        string[] args, byte[]? input, IReadOnlyDictionary<string, string?>? environment = null, bool personIn = false, Command? root = null,
        string? folders = null)
    {
        Assert.False(environment?.ContainsKey("PATH") == true, "PATH is that of all tests");
        await Turn.WaitAsync(TestContext.Current.CancellationToken);
        (TextWriter oldOut, TextWriter oldError, TextReader oldIn) = (Console.Out, Console.Error, Console.In);
        Dictionary<string, string?> oldEnvironment =
            (environment ?? new Dictionary<string, string?>()).Keys.ToDictionary(name => name, Environment.GetEnvironmentVariable);
        try
        {
            using var output = new MemoryStream();
            using var error = new StringWriter();
            await using var outputWriter = new StreamWriter(output, Utf8, bufferSize: -1, leaveOpen: true) { AutoFlush = true };
            Console.SetOut(outputWriter);
            Console.SetError(error);
            Console.SetIn(new StreamReader(new MemoryStream(input ?? []), Utf8));
            StandardStreams.OpenInput = () => new MemoryStream(input ?? []);
            StandardStreams.OpenOutput = () => new KeptOpen(output);
            StandardStreams.HasPersonIn = () => personIn;
            StandardStreams.HasPersonOut = static () => false;
            StandardStreams.InputIsFileOrPipe = () => input is not null && !personIn;
            foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
                Environment.SetEnvironmentVariable(name, value);
            SearchPath.Folders = folders ?? Environment.GetEnvironmentVariable("PATH");
            ModelStore.SystemFolderOfThisMachine = environment?.GetValueOrDefault(SystemFolder) ?? "/nonexistent/edgellm/models";
            ModelStore.SpeechFolderOfThisMachine = environment?.GetValueOrDefault(SpeechFolder) ?? "/nonexistent/edgellm/speech";

            int exitCode = await CommandRunner.RunAsync(root ?? EdgeLlmCommand.Create(), args);
            return new CliResult(exitCode, output.ToArray(), error.ToString());
        }
        finally
        {
            foreach ((string name, string? value) in oldEnvironment) Environment.SetEnvironmentVariable(name, value);
            Console.SetOut(oldOut);
            Console.SetError(oldError);
            Console.SetIn(oldIn);
            Turn.Release();
        }
    }

    /// <summary>Standard output as a command gets it: closing it does not end the test's.</summary>
    private sealed class KeptOpen(MemoryStream target) : Stream
    {
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => target.Write(buffer, offset, count);
        public override void Write(ReadOnlySpan<byte> buffer) => target.Write(buffer);
    }
}
