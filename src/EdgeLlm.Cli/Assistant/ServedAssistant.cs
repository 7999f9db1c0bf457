using EdgeLlm.Assistant.Settings;
using EdgeLlm.Cli.Commands;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Fakes;

namespace EdgeLlm.Cli.Assistant;

/// <summary>
/// The assistant in the process of `edgellm serve --assistant`. The service reaches it as it reaches that of the package: over a UNIX
/// socket, here in a folder of its own.
/// </summary>
internal sealed class ServedAssistant : IAsyncDisposable
{
    /// <summary>Where the package's assistant listens.</summary>
    public const string UsualSocket = "/run/edgellm-assistant/socket";

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-assistant-").FullName; // this user's alone
    private readonly CancellationTokenSource _stop = new();
    private readonly Hardware _hardware;
    private readonly AssistantRun _run;
    private readonly Task _running;

    private ServedAssistant(AssistantSettings settings, Hardware hardware, int threads)
    {
        _hardware = hardware;
        Socket = Path.Combine(_folder, "socket");
        _run = new AssistantRun(settings, hardware, threads, Tell, Socket)
        {
            Happened = static happened => AssistantText.Write(happened, Console.Error),
        };
        _running = _run.Host.RunAsync(_stop.Token);
        _running.ContinueWith(static task => Tell($"the assistant has ended: {task.Exception!.InnerException!.Message}"),
            CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    /// <summary>Path of its socket.</summary>
    public string Socket { get; }

    /// <summary>Starts the assistant of the default config.</summary>
    /// <param name="simulates">Whether its devices are simulated.</param>
    public static ServedAssistant Start(bool simulates, int threads)
    {
        AssistantSettings settings = AssistantCommand.ReadSettings(null, simulates);
        return new ServedAssistant(settings, simulates ? new FakeHardware() : new Hardware(), threads);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _run.DisposeAsync().ConfigureAwait(false);
        _hardware.Dispose();
        Directory.Delete(_folder, recursive: true);
        _stop.Dispose();
    }

    private static void Tell(string problem) => Console.Error.WriteLine($"edgellm: {Printable.Line(problem, 400)}");
}
