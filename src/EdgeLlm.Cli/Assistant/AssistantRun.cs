using EdgeLlm.Assistant;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Kiosk;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Fakes;
using EdgeLlm.Server;
using EdgeLlm.Server.Systemd;

namespace EdgeLlm.Cli.Assistant;

/// <summary>
/// An assistant with its models, its socket and its service manager, for `edgellm assistant` and `edgellm serve --assistant`.
/// </summary>
internal sealed class AssistantRun : IAsyncDisposable
{
    private static readonly string? Runtime = Environment.GetEnvironmentVariable("RUNTIME_DIRECTORY") is { Length: > 0 } folders
        ? folders.Split(':')[0] : null;

    private readonly OwnModel? _model;
    private readonly OwnEncoder? _encoder;
    private readonly AssistantSocket? _socket;

    /// <param name="hardware">Pins and buses; the caller disposes of them, after this.</param>
    /// <param name="socket">Path of the socket; null: config's, else in the service's runtime directory, else none.</param>
    public AssistantRun(AssistantSettings settings, Hardware hardware, int threads, Action<string> tell, string? socket = null)
    {
        bool simulates = hardware is FakeHardware;
        // The outputs first: the model may take long to open, and fail.
        foreach (AssistantDevice device in settings.Devices.Where(static device => device.IsOutput))
            SafeOutputs.MakeSafe(hardware, device.Device, tell);
        try
        {
            _model = OwnModel.Open(settings, threads, tell);
            _encoder = OwnEncoder.Open(settings, threads, tell);
            Host = new AssistantHost(settings, new HostOptions
            {
                Hardware = hardware,
                SimulateSensor = simulates ? SimulatedHouse.Sensor : null,
                Source = simulates || settings.Audio.Input is ["none"] ? null
                    : new ProgramSource(ProgramSource.CommandOf(settings.Audio.Input)),
                Sink = simulates || settings.Audio.Output is ["none"] ? null
                    : new ProgramSink(ProgramSink.CommandOf(settings.Audio.Output)),
                Threads = threads,
                Generate = _model is null ? null : _model.GenerateAsync,
                Prepare = _model is null ? null : _model.PrepareAsync,
                Embed = _encoder is null ? null : _encoder.Embed,
                Problem = tell,
            });
            if (StartedWith is { } copy && File.Exists(settings.File)) File.Copy(settings.File, copy, overwrite: true);
            if ((socket ?? settings.Socket ?? (Runtime is null ? null : Path.Combine(Runtime, "socket"))) is { } path)
                _socket = new AssistantSocket(Host, path);
            Host.Happened = Tell;
        }
        catch
        {
            Host?.Dispose();
            _model?.Dispose();
            _encoder?.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The service's copy of the config that it was started with, by which `--safe` works if the file has become unreadable; null: this is
    /// not a service.
    /// </summary>
    public static string? StartedWith => Runtime is null ? null : Path.Combine(Runtime, "assistant.json");

    public AssistantHost Host { get; }

    /// <summary>Is told what happens, beside the socket's clients.</summary>
    public Action<AssistantEvent>? Happened { get; set; }

    /// <summary>Runs until it is cancelled; tells systemd that it is ready, and alive as long as the loop answers (WatchdogSec).</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var log = ServerLog.Standard();
        using var notifier = new ServiceNotifier(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"), log);
        Task running = Host.RunAsync(cancellation);
        using Watchdog? watchdog = Watchdog.OfEnvironment(static () => true, Beat, "the assistant's loop gets no further", notifier, log);
        notifier.Ready($"{Host.Settings.Devices.Count} devices");
        await running.ConfigureAwait(false);
        notifier.Stopping();
    }

    public async ValueTask DisposeAsync()
    {
        if (_socket is not null) await _socket.DisposeAsync().ConfigureAwait(false);
        Host.Dispose();
        _model?.Dispose();
        _encoder?.Dispose();
    }

    /// <summary>A number that has gone on since the last time if the loop handled the signal that was sent then.</summary>
    private long Beat()
    {
        long handled = Host.Loop.Handled;
        Host.Loop.Signal(AssistantSignal.Beat);
        return handled;
    }

    private void Tell(AssistantEvent happened)
    {
        Happened?.Invoke(happened);
        _socket?.Tell(happened);
    }
}
