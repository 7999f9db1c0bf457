using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace EdgeLlm.Cli.Output;

/// <summary>
/// Shows on standard error how far a long computation is and how long it will take still: a bar on a terminal, elsewhere a line now and
/// then.
/// </summary>
internal sealed class WorkProgress
{
    // 0: a line for each step, for tests that have to know where the work is.
    private static readonly TimeSpan BetweenLines = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("EDGELLM_PROGRESS_SECONDS"), CultureInfo.InvariantCulture, out int seconds)
            ? Math.Max(0, seconds) : 30);

    private readonly Lock _lock = new(); // the bar is drawn while the work goes on
    private long _lastLine = Stopwatch.GetTimestamp();
    private double _first = -1;
    private double _share;
    private long _started;
    private long _latest;

    /// <summary>
    /// How long the rest takes, if it continues as it did from the first report to the latest; null where there was but one.
    /// </summary>
    private TimeSpan? Left
    {
        get
        {
            lock (_lock)
            {
                if (!(_share > _first) || _first < 0) return null;
                TimeSpan left = Stopwatch.GetElapsedTime(_started, _latest) * ((1 - _share) / (_share - _first))
                    - Stopwatch.GetElapsedTime(_latest);
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    /// <param name="work">Is given what to tell: what is being done, and the share of the work that is done, 0 to 1.</param>
    public static async Task RunAsync(Func<Action<string, double>, Task> work)
    {
        var progress = new WorkProgress();
        if (!StandardStreams.HasPersonOut())
        {
            await work(progress.ShowLine).ConfigureAwait(false);
            return;
        }
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TimeLeftColumn(progress))
            .StartAsync(context =>
            {
                ProgressTask task = context.AddTask("reading");
                return work((what, share) =>
                {
                    progress.Report(share);
                    task.Description = Markup.Escape(what);
                    task.Value = 100 * share;
                });
            }).ConfigureAwait(false);
    }

    private void Report(double share)
    {
        lock (_lock)
        {
            _latest = Stopwatch.GetTimestamp();
            if (_first < 0) (_first, _started) = (share, _latest);
            _share = share;
        }
    }

    private void ShowLine(string what, double share)
    {
        Report(share);
        TimeSpan? left = Left;
        if (Stopwatch.GetElapsedTime(_lastLine) < BetweenLines || left is null && BetweenLines > TimeSpan.Zero) return;
        _lastLine = Stopwatch.GetTimestamp();
        Console.Error.WriteLine(
            Quantity.Text($"{what}: {100 * share:F0} %{(left is { } known ? $", {Quantity.Duration(known)} left" : "")}"));
    }

    /// <summary>
    /// The time left by all of the work so far. (Spectre's own column goes by the last half minute, in which a large model's layer may not
    /// even end.)
    /// </summary>
    private sealed class TimeLeftColumn(WorkProgress progress) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(progress.Left is { } left ? $"{Quantity.Duration(left)} left" : "", new Style(Color.Blue));

        public override int? GetColumnWidth(RenderOptions options) => "100 min left".Length;
    }
}
