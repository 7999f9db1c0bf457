using System.Collections.Concurrent;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Devices.Fakes;
using EdgeLlm.Devices.Sensors;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Tests;

namespace EdgeLlm.Assistant.Tests.Voice;

/// <summary>Our own recognizer and voice, and a model that talks, opened once for the tests of a class.</summary>
public sealed class VoiceModels : IDisposable
{
    private OwnModel? _model;
    private SpeechParts? _speech;

    /// <summary>The test house's settings with models of `../shared`, or the end of the test as skipped.</summary>
    internal static AssistantSettings Settings
    {
        get
        {
            AssistantSettings settings = AssistantSettingsReader.Parse(TestHouse.Config);
            return settings with
            {
                Languages = ["en"],
                Model = SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
                Hearing = settings.Hearing with
                {
                    Model = SharedFolder.Require("models", "whisper-tiny.en"),
                    VoiceActivity = SharedFolder.Require("models", "speech", "silero_vad_v6.onnx")
                },
                Voice = settings.Voice with { Voice = SharedFolder.Require("models", "voice-heart") },
                Times = settings.Times with { FollowUp = TimeSpan.Zero },
            };
        }
    }

    internal SpeechParts Speech =>
        _speech ??= SpeechParts.Open(Settings, 2, static problem => throw new InvalidOperationException(problem));

    internal OwnModel Model => _model ??= OwnModel.Open(Settings, 2, static problem => throw new InvalidOperationException(problem))!;

    /// <summary>A listener of its own for each house.</summary>
    internal static WakeWordListener WakeWords(params string[] names) =>
        new([.. names.Select(static name => DetectorStore.OpenWakeWord(SharedFolder.Require("models", "speech", name + ".json")))]);

    public void Dispose()
    {
        _speech?.Dispose();
        _model?.Dispose();
    }
}

/// <summary>The test house with ears and a mouth, in compressed time.</summary>
internal sealed class VoiceHouse : IDisposable
{
    private readonly VoiceModels _models;
    private readonly RecordingSink _sink;
    private readonly SpokenSource _source;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<AssistantEvent> _events = new();
    private readonly Task _running;
    private float[][]? _interruption;
    private int _heard; // samples of the sink that were looked at

    public VoiceHouse(VoiceModels models, bool usesModel = false, bool hasWakeWord = false)
    {
        _models = models;
        _sink = new RecordingSink(Time);
        _source = new SpokenSource(Time, () => Host?.Loop) { Sink = _sink };
        Host = new AssistantHost(VoiceModels.Settings, new HostOptions
        {
            Hardware = Hardware,
            Time = Time,
            Generate = usesModel ? models.Model.GenerateAsync : null,
            Prepare = usesModel ? models.Model.PrepareAsync : null,
            Problem = problem => Problems.Add(problem),
            Source = _source,
            Sink = _sink,
            Speech = hasWakeWord ? models.Speech.With(VoiceModels.WakeWords("okay_nabu", "hey_jarvis", "alexa"),
                VoiceModels.WakeWords("okay_nabu", "hey_jarvis", "alexa")) : models.Speech,
            IsAlwaysListening = !hasWakeWord,
            SimulateSensor = static sensor => new Sensor(sensor,
                static () => [new Measurement("temperature", 21.5, "°C"), new Measurement("humidity", 45, "%"),
                    new Measurement("pressure", 1013, "hPa")]),
        })
        { Happened = OnEvent };
        _running = Host.RunAsync(_stop.Token);
    }

    public ManualTime Time { get; } = new();

    public FakeHardware Hardware { get; } = new();

    public AssistantHost Host { get; }

    public List<string> Problems { get; } = [];

    public AssistantState State => Host.Loop.State;

    /// <summary>Says something and waits until the assistant has said what it has to.</summary>
    /// <returns>What it heard, its answer's text, and its voice at 16 kHz.</returns>
    public async Task<(string Heard, string Answer, float[] Sound)> AskAsync(params float[][] sounds)
    {
        _events.Clear();
        _source.Say([Person.Pause(.2), .. sounds]);
        await UntilAsync(() => _source.IsSilent && _events.SkipWhile(static one => one.Kind != AssistantEventKind.Answered)
            .Any(static one => one is { Kind: AssistantEventKind.State, Text: "idle" }));
        return Taken();
    }

    /// <summary>Begins to say something.</summary>
    public void Say(params float[][] sounds) => _source.Say([Person.Pause(.2), .. sounds]);

    /// <summary>
    /// Says something once the assistant begins to speak: at that moment of the compressed time, however late this machine runs the test.
    /// </summary>
    public void Interrupt(params float[][] sounds) => _interruption = sounds;

    /// <summary>Waits until something is so.</summary>
    public async Task UntilAsync(Func<bool> isSo)
    {
        for (int i = 0; !isSo(); i++)
        {
            Assert.True(i < 90_000,
                $"it waits in state {State} after {_source.Pieces * 20} ms; problems: {string.Join("; ", Problems)}; "
                    + $"{string.Join("; ", _events.Select(static one => $"{one.Kind} {one.Text}"))}");
            await Task.Delay(2, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>What was heard last, its answer, and what sounded since the last call.</summary>
    public (string Heard, string Answer, float[] Sound) Taken()
    {
        float[] all = _sink.Samples, sound = all[Math.Min(_heard, all.Length)..];
        _heard = all.Length;
        AssistantEvent[] events = [.. _events];
        return (events.LastOrDefault(static one => one.Kind == AssistantEventKind.Heard)?.Text ?? "",
            events.LastOrDefault(static one => one.Kind == AssistantEventKind.Answered)?.Text ?? "",
            Resample(sound, _sink.Rate));
    }

    /// <summary>What is understood of a sound: by whisper.cpp where it is there, else by our own recognizer.</summary>
    public async Task<string> TranscribeAsync(float[] sound) => await Person.HearAsync(sound)
        ?? await _models.Speech.Recognize!(sound, "en", TestContext.Current.CancellationToken);

    public void Dispose()
    {
        _stop.Cancel();
        _running.Wait(TestContext.Current.CancellationToken);
        Host.Dispose();
        _stop.Dispose();
    }

    private void OnEvent(AssistantEvent happened)
    {
        _events.Enqueue(happened);
        if (happened is { Kind: AssistantEventKind.State, Text: "speaking" } && Interlocked.Exchange(ref _interruption, null) is { } sounds)
            _source.Say(sounds);
    }

    private static float[] Resample(float[] sound, int rate)
    {
        var resampler = new EdgeLlm.Speech.Audio.Resampler(rate, SampleRate);
        resampler.Write(sound);
        resampler.End();
        float[] result = new float[resampler.OutputLength(sound.Length)];
        return result[..resampler.Read(result)];
    }

    private const int SampleRate = EdgeLlm.Speech.Audio.AudioReader.SpeechRate;
}
