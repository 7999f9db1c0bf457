using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Wyoming;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Assistant.Sound;

/// <summary>Takes more samples of a request.</summary>
/// <returns>Its words so far that are not going to change.</returns>
internal delegate string FollowSpeech(ReadOnlyMemory<float> samples, CancellationToken cancellation);

/// <summary>
/// Our own recognizer, voice, wake words and voice activity, opened as config says. What is not on this machine is left out and told.
/// </summary>
internal sealed class SpeechParts : IDisposable
{
    // Sound of a voice comes in large events, and a recognizer on a Pi takes its time.
    private static readonly WyomingLimits PeerLimits = new() { BlockBytes = 1 << 20 };

    // Whisper's window: longer sound is heard in several.
    private const int SingleWindow = 30 * Speech.Audio.AudioReader.SpeechRate;

    private SpeechRecognizer? _recognizer;
    private SpeechSynthesizer? _synthesizer;

    private SpeechParts()
    {
    }

    /// <summary>Makes text of sound; null: nothing here does.</summary>
    public Recognize? Recognize { get; private set; }

    /// <summary>Speaks; null: nothing here does.</summary>
    public Voice? Voice { get; private set; }

    /// <summary>Begins to follow speech while it is spoken; null: nothing here does.</summary>
    public Func<FollowSpeech>? Follow { get; private set; }

    /// <summary>Wake words; null: none.</summary>
    public WakeWordListener? WakeWords { get; private set; }

    /// <summary>Listener to the wake words of its own, for the assistant's own sound; null: none.</summary>
    public WakeWordListener? OwnWords { get; private set; }

    /// <summary>Opens what config names.</summary>
    /// <param name="problem">Is told what is missing, and how to install it.</param>
    public static SpeechParts Open(AssistantSettings settings, int threads, Action<string> problem)
    {
        var parts = new SpeechParts();
        Try(() => parts.OpenHearing(settings, threads), "hearing");
        if (settings.Voice.Voice != "none") Try(() => parts.OpenVoice(settings), "voice");
        Try(() =>
        {
            if (settings.Hearing.WakeWords.Count == 0) return;
            parts.WakeWords = new WakeWordListener([.. settings.Hearing.WakeWords.Select(DetectorStore.OpenWakeWord)]);
            parts.OwnWords = new WakeWordListener([.. settings.Hearing.WakeWords.Select(DetectorStore.OpenWakeWord)]);
        }, "wakeWords");
        return parts;

        void Try(Action open, string what)
        {
            try
            {
                open();
            }
            catch (Exception exception) when (exception is IOException or ModelException or GgufException or ArgumentException)
            {
                problem($"{what}: {exception.Message}");
            }
        }
    }

    /// <summary>These parts with other wake words; what is opened stays these parts' own.</summary>
    public SpeechParts With(WakeWordListener wakeWords, WakeWordListener? ownWords = null) =>
        new() { Recognize = Recognize, Follow = Follow, Voice = Voice, WakeWords = wakeWords, OwnWords = ownWords };

    /// <summary>Parts of somebody else's.</summary>
    public static SpeechParts Of(Recognize? recognize, Voice? voice) => new() { Recognize = recognize, Voice = voice };

    /// <summary>A detector of voice activity.</summary>
    public static SpeechDetector Detector(AssistantSettings settings) => DetectorStore.OpenLiveSpeech(settings.Hearing.VoiceActivity);

    public void Dispose()
    {
        _recognizer?.Dispose();
        _synthesizer?.Dispose();
    }

    private void OpenHearing(AssistantSettings settings, int threads)
    {
        if (settings.Hearing.Wyoming is { } address)
        {
            Recognize = new WyomingPeer(address, PeerLimits).RecognizeAsync;
            return;
        }
        if (settings.Hearing.Command.Count > 0)
        {
            var command = new CommandRecognizer(settings.Hearing.Command);
            command.Require();
            Recognize = command.RecognizeAsync;
            return;
        }
        string path = PathOf(settings.Hearing.Model);
        SpeechRecognizer recognizer = _recognizer = SpeechRecognizer.Load(path, new SpeechOptions { Threads = threads });
        string[] names = [.. settings.Devices.Where(static device => device.IsOutput).Select(static device => device.Device.Name).Take(20)];
        // What people are likely to say here, in the form in which they say it.
        string prompt = "Turn on the lights. What time is it? Set a timer for 10 minutes. "
            + string.Join(" ", names.Select(static name => $"Turn off the {name}."));
        TranscriptionOptions OptionsFor(string? language, bool isLong) => new()
        {
            Language = recognizer.Languages.Contains(language) ? language : null,
            Prompt = isLong ? null : prompt, // nobody commands for so long, and in later windows it makes the recognizer leave text out
            ShortestWindow = 0,
            Timestamps = isLong ? null : false, // what takes several windows is cut between them where nothing is said
        };
        Recognize = (samples, language, cancellation) =>
            Task.Run(() => recognizer.Transcribe(samples, OptionsFor(language, samples.Length > SingleWindow), cancellation).Text.Trim(),
                cancellation);
        Follow = () =>
        {
            SpeechStream stream = recognizer.StartStream(OptionsFor(settings.Languages[0], isLong: false), isLive: true);
            return (samples, cancellation) =>
            {
                stream.Add(samples.Span, null, cancellation);
                return stream.Agreed;
            };
        };
    }

    private void OpenVoice(AssistantSettings settings)
    {
        if (settings.Voice.Wyoming is { } address)
        {
            Voice = new Voice(WyomingPeer.VoiceRate, new WyomingPeer(address, PeerLimits).SpeakAsync);
            return;
        }
        bool isCommand = settings.Voice.Command.Count > 0;
        SpeechSynthesizer synthesizer = _synthesizer = isCommand
            ? SpeechSynthesizer.Load("command:voice",
                new VoiceOptions
                {
                    Commands =
                    new Dictionary<string, IReadOnlyList<string>> { ["voice"] = CommandPresets.Of(settings.Voice.Command) }
                })
            : SpeechSynthesizer.Load(settings.Voice.Voice);
        var options = new Speech.Synthesis.SpeechOptions { IsMarkdown = true, Speed = settings.Voice.Speed };
        Voice = new Voice(synthesizer.SampleRate, (text, cancellation) => synthesizer.SpeakAsync(text, options, cancellation));
    }

    private static string PathOf(string? model)
    {
        ModelStore store = ModelStore.OfThisMachine();
        if (model is not null) return SpeechRecognizer.IsRecognizer(model) ? model : store.PathOf(model);
        string[] names = [.. store.Models().Where(static one => SpeechRecognizer.IsRecognizer(one.Path)).Select(static one => one.Name)
            .Distinct()];
        return names.Length == 1 ? store.PathOf(names[0]) : throw new FileNotFoundException(names.Length == 0
            ? "no model that hears is on this machine: `edgellm pull openai/whisper-tiny.en` gets one, "
                + "\"hearing\": { \"model\": ... } names another"
            : $"several models hear ({string.Join(", ", names)}): name one in \"hearing\": {{ \"model\": ... }}");
    }
}
