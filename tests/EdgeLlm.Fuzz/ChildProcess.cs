using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace EdgeLlm.Fuzz;

/// <summary>A child process from the parent's side: started when it is needed, killed where it hangs.</summary>
internal sealed class ChildProcess(string samples) : IDisposable
{
    /// <summary>CPU time and time on the clock that a case may take, whatever the machine does beside.</summary>
    private static readonly TimeSpan MostCpu = TimeSpan.FromSeconds(20), MostTime = TimeSpan.FromMinutes(5);

    // 768 MB of managed memory: a parser that wants more than its bounds fails, not the machine
    private const string HeapBytes = "0x30000000";

    private readonly StringBuilder _errors = new();
    private Process? _process;
    private BinaryReader? _reports;
    private Timer? _watch;
    private TimeSpan _cpuAtReport;
    private long _reported;
    private volatile bool _hung;

    /// <summary>Runs cases one after the other.</summary>
    /// <param name="done">Gets each report.</param>
    /// <returns>Null, or the seed at which the child ended and how.</returns>
    public (long Seed, string End)? Run(string kind, long first, long count, Action<CaseReport> done)
    {
        if (_process is null) Start();
        long next = first;
        try
        {
            _process!.StandardInput.WriteLine($"{kind} {first} {count}");
            for (; next < first + count; next++)
            {
                var report = CaseReport.Read(_reports!);
                _cpuAtReport = CpuTime();
                Volatile.Write(ref _reported, Stopwatch.GetTimestamp());
                done(report);
            }
            return null;
        }
        catch (IOException)
        {
            Process dead = _process!;
            dead.WaitForExit();
            string end = _hung ? "hangs"
                : $"ended with code {dead.ExitCode}{(dead.ExitCode > 128 ? $" (signal {dead.ExitCode - 128})" : "")}";
            lock (_errors) end += "\n" + (_errors.Length > 6000 ? _errors.ToString(0, 6000) : _errors.ToString());
            Stop();
            return (next, end);
        }
    }

    public void Dispose()
    {
        if (_process is null) return;
        _process.StandardInput.Close();
        if (!_process.WaitForExit(10_000)) _process.Kill();
        Stop();
    }

    private void Start()
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["child", samples])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DOTNET_GCHeapHardLimit"] = HeapBytes;
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        _hung = false;
        _errors.Clear();
        _process = Process.Start(start) ?? throw new InvalidOperationException("the child process did not start");
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                if (_errors.Length < 64 << 10) _errors.AppendLine(line.Data);
            }
        };
        _process.BeginErrorReadLine();
        _reports = new BinaryReader(_process.StandardOutput.BaseStream);
        _cpuAtReport = TimeSpan.Zero;
        _reported = Stopwatch.GetTimestamp();
        _watch = new Timer(_ => KillWhereItHangs(), null, 1000, 1000);
    }

    private void Stop()
    {
        _watch?.Dispose();
        _process?.Dispose();
        _process = null;
    }

    private void KillWhereItHangs()
    {
        if (CpuTime() - _cpuAtReport < MostCpu && Stopwatch.GetElapsedTime(Volatile.Read(ref _reported)) < MostTime) return;
        try
        {
            _hung = true;
            _process?.Kill();
        }
        catch (Exception exception) when (exception is InvalidOperationException or Win32Exception)
        {
            // It has ended by itself.
        }
    }

    private TimeSpan CpuTime()
    {
        try
        {
            _process?.Refresh();
            return _process?.TotalProcessorTime ?? TimeSpan.Zero;
        }
        catch (Exception exception) when (exception is InvalidOperationException or Win32Exception)
        {
            return _cpuAtReport;
        }
    }
}
