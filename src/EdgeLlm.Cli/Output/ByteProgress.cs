using System.Diagnostics;
using Spectre.Console;

namespace EdgeLlm.Cli.Output;

/// <summary>Shows on standard error how far a download or a packing is: a bar on a terminal, elsewhere a line now and then.</summary>
internal sealed class ByteProgress
{
    private static readonly TimeSpan BetweenLines = TimeSpan.FromSeconds(10);

    private readonly string _name;
    private readonly long _total;
    private long _first = -1;
    private long _started;
    private long _lastLine;

    private ByteProgress(string name, long total) => (_name, _total) = (name, total);

    /// <param name="work">Is given what to tell the bytes that are here, and lines to show.</param>
    public static async Task RunAsync(string name, long total, Func<Action<long>, Action<string>, Task> work)
    {
        if (!StandardStreams.HasPersonOut())
        {
            await work(new ByteProgress(name, total).Report, Console.Error.WriteLine).ConfigureAwait(false);
            return;
        }
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new DownloadedColumn(),
                new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(name), maxValue: Math.Max(1, total));
                return work(bytes => task.Value = bytes, text => console.WriteLine(text));
            }).ConfigureAwait(false);
    }

    private void Report(long bytes)
    {
        long now = Stopwatch.GetTimestamp();
        if (_first < 0) (_first, _started, _lastLine) = (bytes, now, now);
        if (Stopwatch.GetElapsedTime(_lastLine, now) < BetweenLines || bytes <= _first) return;
        _lastLine = now;
        double speed = (bytes - _first) / Stopwatch.GetElapsedTime(_started, now).TotalSeconds;
        string left = Quantity.Duration(TimeSpan.FromSeconds((_total - bytes) / speed));
        Console.Error.WriteLine(
            Quantity.Text($"{_name}: {100.0 * bytes / _total:F0} % of {Quantity.Bytes(_total)}, {speed / 1e6:F1} MB/s, {left} left"));
    }
}
