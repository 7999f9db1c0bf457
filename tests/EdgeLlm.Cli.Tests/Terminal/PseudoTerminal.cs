using System.Diagnostics;
using System.Text;

namespace EdgeLlm.Cli.Tests.Terminal;

/// <summary>The program as a process at a terminal of its own, which script(1) makes. Waiting has a limit.</summary>
internal sealed class PseudoTerminal : IDisposable
{
    private const string Prompt = "\e[?2004h> ";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private int _seen;

    private PseudoTerminal(Process process)
    {
        _process = process;
        _ = Task.Run(ReadAsync);
    }

    /// <summary>All that the program wrote so far.</summary>
    public string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    /// <summary>Starts `edgellm` with arguments, quoted for a shell; what follows it runs in the same terminal.</summary>
    public static PseudoTerminal Start(string arguments, string afterwards = "true", string terminal = "xterm-256color",
        string? stateFolder = null)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/usr/bin/script"), "takes script(1) of util-linux, which is not here");
        string program = Path.Combine(AppContext.BaseDirectory, "EdgeLlm.Cli.dll");
        var start = new ProcessStartInfo("/usr/bin/script",
            ["-qefc", $"trap : INT; stty cols 60 rows 20; dotnet '{program}' {arguments}; code=$?; {afterwards}; exit $code", "/dev/null"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment["TERM"] = terminal;
        start.Environment["SHELL"] = "/bin/sh";
        start.Environment["XDG_STATE_HOME"] = stateFolder ?? "/nonexistent";
        return new PseudoTerminal(Process.Start(start)!);
    }

    /// <summary>Types keys, once the program waits for them at a prompt of the editor.</summary>
    public async Task TypeAsync(string keys)
    {
        await WaitForAsync(Prompt);
        await SendAsync(keys);
    }

    public async Task SendAsync(string keys)
    {
        await _process.StandardInput.WriteAsync(keys);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits until the program has written a text after what was waited for before.</summary>
    public async Task WaitForAsync(string text)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            string output = Output;
            int at = output.IndexOf(text, _seen, StringComparison.Ordinal);
            if (at >= 0)
            {
                _seen = at + text.Length;
                return;
            }
            Assert.True(waited.Elapsed < Limit, $"'{Printable.Line(text)}' did not come: {Printable.Line(output[_seen..])}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits for the end.</summary>
    public async Task<int> ExitCodeAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        await _process.WaitForExitAsync(limit.Token);
        await Task.Delay(100, TestContext.Current.CancellationToken); // the last of its output
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        char[] buffer = new char[4096];
        while (await _process.StandardOutput.ReadAsync(buffer) is > 0 and var count)
        {
            lock (_output) _output.Append(buffer, 0, count);
        }
    }
}
