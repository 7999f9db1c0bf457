using System.CommandLine;
using EdgeLlm.Assistant;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Cli.Assistant;
using EdgeLlm.Cli.Speak;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Fakes;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm assistant`: voice or text, and real devices.</summary>
internal sealed class AssistantCommand
{
    private const int MostSeconds = 600;

    private readonly Option<string?> _config = new("--config")
    {
        Description = $"The assistant's settings, JSON with comments (default: {AssistantSettings.DefaultFile})",
        HelpName = "FILE",
    };
    private readonly Option<bool> _check =
        new("--check") { Description = "Say what is missing and the line that gets it, and what belongs into config.txt" };
    private readonly Option<bool> _safe =
        new("--safe") { Description = "Put all outputs into their safe states, and end: for ExecStopPost" };
    private readonly Option<bool> _simulate = new("--simulate")
    {
        Description =
            "Without devices, a microphone or a speaker: lights, display and button in the terminal; what you type is what you say",
    };
    private readonly Option<string?> _wav = new("--wav")
    {
        Description = "Hear this recording instead of a microphone, without a wake word unless config names one; devices are simulated",
        HelpName = "FILE",
    };
    private readonly Option<string?> _out =
        new("--out") { Description = "With --wav: write what is spoken to this WAV or FLAC file", HelpName = "FILE" };
    private readonly Option<string?> _model = new("--model", "-m")
    {
        Description = "The model that answers what no intent does: a file, a name, or `none` (default: config's, else the program's own)",
        HelpName = "MODEL",
    };

    private readonly Option<bool> _selfTest =
        new("--self-test") { Description = "Try what each kind of device sends and reads, on simulated pins and buses", Hidden = true };
    private readonly Option<string?> _lines = new("--lines")
    {
        Description = "With --simulate: a file that keeps the levels of the lines, as a kernel does",
        HelpName = "FILE",
        Hidden = true,
    };

    public static Command Create()
    {
        var assistant = new AssistantCommand();
        var command = new Command("assistant",
            "A voice assistant: button or wake word, intents, tools on lights, relays and sensors, spoken answers.")
        {
            assistant._config, assistant._check, assistant._safe, assistant._simulate, assistant._wav, assistant._out, assistant._model,
            assistant._selfTest, assistant._lines, SharedOptions.Threads,
        };
        command.SetAction(assistant.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        if (result.GetValue(_selfTest)) return TestDevices();
        bool simulates = result.GetValue(_simulate);
        if (result.GetValue(_out) is { } target)
        {
            if (result.GetValue(_wav) is null) throw new UsageException("--out is for --wav");
            SoundOutput.RequireFormat(target);
        }
        AssistantSettings settings = result.GetValue(_safe) ? ReadSafeSettings(result.GetValue(_config), simulates)
            : ReadSettings(result.GetValue(_config), simulates);
        if (result.GetValue(_model) is { } model) settings = settings with { Model = model };
        if (result.GetValue(_check)) return AssistantCheck.Run(settings, Console.Out);
        using Hardware hardware = simulates ? new FakeHardware(result.GetValue(_lines)) : new Hardware();
        if (result.GetValue(_safe)) return SafeOutputs.Run(settings, hardware, Tell);
        int threads = result.GetValue(SharedOptions.Threads) ?? 0;
        if (result.GetValue(_wav) is { } wav)
            return await HearFileAsync(settings, wav, result.GetValue(_out), threads, cancellation).ConfigureAwait(false);
        return await RunAsync(settings, hardware, threads, cancellation).ConfigureAwait(false);
    }

    /// <summary>Config of a file, of the default file, or of the simulated house.</summary>
    internal static AssistantSettings ReadSettings(string? file, bool simulates)
    {
        if (file is null && simulates && !File.Exists(AssistantSettings.DefaultFile)) return SimulatedHouse.Settings;
        if (file is null && !File.Exists(AssistantSettings.DefaultFile))
            throw new UsageException(
                $"there is no {AssistantSettings.DefaultFile}: name a file with --config (firmware-config/assistant has examples), or "
                    + "try `edgellm assistant --simulate`");
        return AssistantSettingsReader.Read(file ?? AssistantSettings.DefaultFile);
    }

    /// <summary>Config; where it has become unreadable since the assistant started, that with which it started.</summary>
    private static AssistantSettings ReadSafeSettings(string? file, bool simulates)
    {
        try
        {
            return ReadSettings(file, simulates);
        }
        catch (Exception exception) when (exception is IOException or UsageException && File.Exists(AssistantRun.StartedWith))
        {
            Tell($"{exception.Message}; outputs are made safe by {AssistantRun.StartedWith}, with which the assistant was started");
            return AssistantSettingsReader.Read(AssistantRun.StartedWith!);
        }
    }

    private static async Task<int> HearFileAsync(AssistantSettings settings, string wav, string? target, int threads,
        CancellationToken cancellation)
    {
        using AudioReader reader = AudioReader.Open(wav);
        float[] samples = reader.ReadToEnd(MostSeconds * AudioReader.SpeechRate)
            ?? throw new UsageException($"{Printable.Line(wav)} has more than {MostSeconds} s of sound");
        var sink = new RecordingSink(TimeProvider.System);
        AssistantHost? host = null;
        using var hardware = new FakeHardware();
        using OwnModel? model = OwnModel.Open(settings, threads, Tell);
        using OwnEncoder? encoder = OwnEncoder.Open(settings, threads, Tell);
        host = new AssistantHost(settings, new HostOptions
        {
            Hardware = hardware,
            SimulateSensor = SimulatedHouse.Sensor,
            Source = new RecordedSource(samples, TimeProvider.System, () => host!.Loop.IsIdle),
            Sink = sink,
            IsAlwaysListening = settings.Hearing.WakeWords.Count == 0,
            Threads = threads,
            Generate = model is null ? null : model.GenerateAsync,
            Embed = encoder is null ? null : encoder.Embed,
            Prepare = model is null ? null : model.PrepareAsync,
            Problem = Tell,
        });
        using (host)
        {
            host.Happened = happened => AssistantText.Write(happened, Console.Out);
            await host.RunAsync(cancellation).ConfigureAwait(false);
        }
        if (target is null) return ExitCode.Success;
        using var output = new SoundOutput(target, sink.Rate);
        await output.WriteAsync(sink.Samples, cancellation).ConfigureAwait(false);
        await output.FinishAsync(cancellation).ConfigureAwait(false);
        return ExitCode.Success;
    }

    private static async Task<int> RunAsync(AssistantSettings settings, Hardware hardware, int threads, CancellationToken cancellation)
    {
        await using var run = new AssistantRun(settings, hardware, threads, Tell);
        if (hardware is FakeHardware)
            return await new SimulatedTerminal(run, Console.In, Console.Out).RunAsync(cancellation).ConfigureAwait(false);
        run.Happened = happened => AssistantText.Write(happened, Console.Out);
        await run.RunAsync(cancellation).ConfigureAwait(false);
        return ExitCode.Success;
    }

    /// <summary>Checks the bytes that each kind of device sends and reads, on simulated pins and buses.</summary>
    private static int TestDevices()
    {
        IReadOnlyList<SelfTestResult> results = SelfTest.Run();
        foreach (SelfTestResult result in results)
            Console.WriteLine(
                $"{(result.Problem is null ? "ok  " : "FAIL")} {result.Name}{(result.Problem is null ? "" : $": {Printable.Line(result.Problem, 300)}")}");
        int failed = results.Count(static result => result.Problem is not null);
        Console.WriteLine($"{results.Count - failed} of {results.Count} devices send and read what their data sheets say");
        return failed == 0 ? ExitCode.Success : ExitCode.Failure;
    }

    private static void Tell(string problem) => Console.Error.WriteLine($"edgellm: {Printable.Line(problem, 400)}");
}
