using System.Globalization;
using EdgeLlm.Server.Engine;

namespace EdgeLlm.Server.Systemd;

/// <summary>
/// Tells systemd in time that the service is alive (WatchdogSec of the unit), unless the engine computes and gets no further: then it falls silent,
/// and systemd restarts the service.
/// </summary>
internal sealed class Watchdog : IDisposable
{
    private readonly InferenceEngine _engine;
    private readonly ServiceNotifier _notifier;
    private readonly ServerLog _log;
    private readonly Timer _timer;
    private long _progress = -1;
    private bool _silent;

    /// <param name="interval">How long systemd waits at most; it is told three times in it.</param>
    public Watchdog(TimeSpan interval, InferenceEngine engine, ServiceNotifier notifier, ServerLog log)
    {
        _engine = engine;
        _notifier = notifier;
        _log = log;
        _timer = new Timer(_ => Look(), null, TimeSpan.Zero, interval / 3);
    }

    /// <summary>The watchdog that systemd asks for in WATCHDOG_USEC (and WATCHDOG_PID), or null.</summary>
    public static Watchdog? OfEnvironment(InferenceEngine engine, ServiceNotifier notifier, ServerLog log)
    {
        string? process = Environment.GetEnvironmentVariable("WATCHDOG_PID");
        if (process is not null && process != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)) return null;
        if (!long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out long microseconds) || microseconds <= 0) return null;
        return new Watchdog(TimeSpan.FromMicroseconds(microseconds), engine, notifier, log);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        long progress = _engine.Progress;
        bool stuck = _engine.IsComputing && progress == _progress;
        _progress = progress;
        if (!stuck) _notifier.Alive();
        else if (!_silent) _log.Error("the engine computes and gets no further");
        _silent = stuck;
    }
}
