using System.Diagnostics;
using Spectre.Console;

namespace EdgeLlm.Cli.Output;

/// <summary>Shows on standard error how far a long computation is and how long it will take still: a bar on a terminal, elsewhere a line now and then.</summary>
internal sealed class WorkProgress
{
    private static readonly TimeSpan BetweenLines = TimeSpan.FromSeconds(30);

    private readonly long _started = Stopwatch.GetTimestamp();
    private long _lastLine = Stopwatch.GetTimestamp();
    private double _first = -1;

    /// <param name="work">Is given what to tell: what is being done, and the share of the work that is done, 0 to 1.</param>
    public static async Task RunAsync(Func<Action<string, double>, Task> work)
    {
        if (!Terminal.HasPersonOut())
        {
            await work(new WorkProgress().Report).ConfigureAwait(false);
            return;
        }
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(context =>
            {
                ProgressTask task = context.AddTask("reading");
                return work((what, share) =>
                {
                    task.Description = Markup.Escape(what);
                    task.Value = 100 * share;
                });
            }).ConfigureAwait(false);
    }

    private void Report(string what, double share)
    {
        long now = Stopwatch.GetTimestamp();
        if (_first < 0) _first = share;
        if (Stopwatch.GetElapsedTime(_lastLine, now) < BetweenLines || share <= _first) return;
        _lastLine = now;
        TimeSpan left = Stopwatch.GetElapsedTime(_started, now) * ((1 - share) / (share - _first));
        Console.Error.WriteLine(Quantity.Text($"{what}: {100 * share:F0} %, {Quantity.Duration(left)} left"));
    }
}
