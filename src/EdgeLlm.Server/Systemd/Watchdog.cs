using System.Globalization;
using EdgeLlm.Server.Engine;

namespace EdgeLlm.Server.Systemd;

/// <summary>
/// Tells systemd in time that the service is alive (WatchdogSec of the unit), unless the engine computes without progress: then it falls
/// silent, and systemd restarts the service.
/// </summary>
internal sealed class Watchdog : IDisposable
{
    private readonly Func<bool> _isComputing;
    private readonly Func<long> _getProgress;
    private readonly ServiceNotifier _notifier;
    private readonly ServerLog _log;
    private readonly string _problem;
    private readonly Timer _timer;
    private long _progress = -1;
    private bool _silent;

    /// <param name="interval">How long systemd waits at most; it is told three times in it.</param>
    /// <param name="isComputing">Whether the engine has something to do.</param>
    /// <param name="progress">A number that grows while it computes.</param>
    public Watchdog(TimeSpan interval, Func<bool> isComputing, Func<long> progress, ServiceNotifier notifier, ServerLog log,
        string problem = "the engine computes and gets no further")
    {
        _problem = problem;
        _isComputing = isComputing;
        _getProgress = progress;
        _notifier = notifier;
        _log = log;
        _timer = new Timer(_ => Look(), null, TimeSpan.Zero, interval / 3);
    }

    /// <summary>The watchdog that systemd asks for in WATCHDOG_USEC (and WATCHDOG_PID), or null.</summary>
    public static Watchdog? OfEnvironment(InferenceEngine engine, ServiceNotifier notifier, ServerLog log) =>
        OfEnvironment(() => engine.IsComputing, () => engine.Progress, "the engine computes and gets no further", notifier, log);

    /// <inheritdoc cref="OfEnvironment(InferenceEngine, ServiceNotifier, ServerLog)"/>
    /// <param name="problem">What the log says when it falls silent.</param>
    public static Watchdog? OfEnvironment(Func<bool> isComputing, Func<long> progress, string problem,
        ServiceNotifier notifier, ServerLog log)
    {
        string? process = Environment.GetEnvironmentVariable("WATCHDOG_PID");
        if (process is not null && process != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)) return null;
        if (!long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out long microseconds)
            || microseconds <= 0)
            return null;
        return new Watchdog(TimeSpan.FromMicroseconds(microseconds), isComputing, progress, notifier, log, problem);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        long progress = _getProgress();
        bool stuck = _isComputing() && progress == _progress;
        _progress = progress;
        if (!stuck) _notifier.Alive();
        else if (!_silent) _log.Error(_problem);
        _silent = stuck;
    }
}
