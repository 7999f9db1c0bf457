using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Server.OpenAi;

/// <summary>The voices of the service, each opened when it is first asked for, and the queue before them.</summary>
internal sealed class ServedVoices(ServerOptions settings) : IDisposable
{
    /// <summary>OpenAI's voices, which mean the default one where the settings do not map them.</summary>
    private static readonly string[] UsualNames =
        ["alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse", "default"];

    private static readonly string[] UsualModels = ["tts-1", "gpt-4o-mini-tts", "gpt-audio", "kokoro", "tts", "default"];

    private readonly Lock _gate = new();
    private readonly Dictionary<string, SpeechSynthesizer> _opened = [];
    private readonly IReadOnlyDictionary<string, string> _mapped = settings.VoiceNames.Select(pair => pair.Split('=', 2))
        .ToDictionary(pair => pair[0], pair => pair[1], StringComparer.OrdinalIgnoreCase);

    private int _waiting;

    /// <summary>The voice of a request.</summary>
    /// <exception cref="ApiException">There is none of the name, or none at all.</exception>
    public SpeechSynthesizer Voice(string? model, string? name)
    {
        (string Name, string Path)[] installed = [.. VoiceStore.Voices()];
        List<string> names = [.. installed.Select(voice => voice.Name), .. _mapped.Keys];
        if (settings.Voice is not null) names.Add(NameOf(settings.Voice));
        names.AddRange(settings.VoiceCommands.Keys.Select(static command => CommandVoice.Prefix + command));
        if (model is not null && !UsualModels.Any(usual => model.StartsWith(usual, StringComparison.OrdinalIgnoreCase))
            && !names.Contains(model, StringComparer.OrdinalIgnoreCase))
            throw new ApiException(400, $"the model '{Printable.Line(model, 100)}' does not speak here; tts-1 means this service's voice",
                "model_not_found", "model");
        if (name is null or "") return Open(settings.Voice);
        if (_mapped.TryGetValue(name, out string? mapped)) return Open(mapped);
        if (settings.Voice is not null && name.Equals(NameOf(settings.Voice), StringComparison.OrdinalIgnoreCase))
            return Open(settings.Voice);
        foreach ((string voice, string path) in installed)
        {
            if (voice.Equals(name, StringComparison.OrdinalIgnoreCase)) return Open(path);
        }
        if (name.StartsWith(CommandVoice.Prefix, StringComparison.Ordinal)
            && settings.VoiceCommands.ContainsKey(name[CommandVoice.Prefix.Length..]))
            return Open(name);
        if (UsualNames.Contains(name, StringComparer.OrdinalIgnoreCase)) return Open(settings.Voice);
        string list = string.Join(", ", names.Concat(UsualNames).Select(voice => Printable.Line(voice)));
        throw ApiException.Field("voice", $"is '{Printable.Line(name, 100)}', and there is none of that name; there are {list}");
    }

    /// <summary>A place in the queue, given back when it is disposed of.</summary>
    /// <exception cref="ApiException">The queue is full.</exception>
    public IDisposable Enter()
    {
        if (Interlocked.Increment(ref _waiting) <= settings.Queue + 1) return new Place(this);
        Interlocked.Decrement(ref _waiting);
        throw new ApiException(429, $"{settings.Queue} requests wait for the voice already; try again later", "queue_full");
    }

    public void Dispose()
    {
        foreach (SpeechSynthesizer voice in _opened.Values) voice.Dispose();
    }

    private SpeechSynthesizer Open(string? voice)
    {
        lock (_gate)
        {
            if (_opened.TryGetValue(voice ?? "", out SpeechSynthesizer? open)) return open;
            try
            {
                return _opened[voice ?? ""] = SpeechSynthesizer.Load(voice, new VoiceOptions { Commands = settings.VoiceCommands });
            }
            catch (Exception exception) when (voice is null && exception is FileNotFoundException)
            {
                throw new ApiException(400,
                    "this service has no voice: `edgellm quantize VOICE-FOLDER heart.gguf` makes one, and the setting voice names it",
                    "no_voice", "voice");
            }
            catch (Exception exception)
                when (exception is IOException or UnauthorizedAccessException or ModelException or Gguf.GgufException)
            {
                throw new ApiException(500, $"the voice can't be opened: {exception.Message}", "voice_damaged", "voice");
            }
        }
    }

    private static string NameOf(string voice) =>
        voice.StartsWith(CommandVoice.Prefix, StringComparison.Ordinal) ? voice
            : Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(voice));

    private sealed class Place(ServedVoices voices) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0) Interlocked.Decrement(ref voices._waiting);
        }
    }
}
