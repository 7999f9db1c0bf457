using EdgeLlm.Models;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Server.Engine;

/// <summary>The service's model that hears: opened with the first recording, one recording at a time, the others wait in order.</summary>
internal sealed class Hearing(ServerOptions options, ServerLog log) : IDisposable
{
    /// <summary>OpenAI's names for it, which many clients have written into them.</summary>
    private static readonly string[] UsualNames = ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"];

    private readonly SemaphoreSlim _turn = new(1);
    private SpeechRecognizer? _recognizer;
    private int _waiting;

    /// <summary>Whether the service has one.</summary>
    public bool IsThere => options.SpeechModel is not null;

    /// <summary>Name by which clients call it.</summary>
    public string Name => options.SpeechModel is { } model ? ModelStore.NameOf(model) : "";

    /// <exception cref="ApiException">The service has no model that hears, or not this one.</exception>
    public void Require(string? name)
    {
        if (!IsThere || !Caller.Current.MayUse(Name))
            throw new ApiException(404, "this service has no model that hears (setting speechModel)", "model_not_found", "model");
        if (string.IsNullOrEmpty(name)) throw ApiException.Field("model", $"is missing; this service has '{Name}'");
        if (!name.Equals(Name, StringComparison.OrdinalIgnoreCase) && !UsualNames.Contains(name))
            throw new ApiException(404, $"the model '{name}' does not hear here; this service has '{Name}'", "model_not_found", "model");
    }

    /// <summary>Works with the model when its turn comes.</summary>
    /// <exception cref="ApiException">Too many wait, or the model can't be opened.</exception>
    public async Task<T> RunAsync<T>(Func<SpeechRecognizer, T> work, CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref _waiting) > options.Queue + 1)
        {
            Interlocked.Decrement(ref _waiting);
            throw new ApiException(429, "too many recordings wait: try again later", "queue_full");
        }
        try
        {
            await _turn.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                return await Task.Run(() => work(_recognizer ??= Open()), cancellation).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    /// <summary>The text of a recording.</summary>
    /// <param name="field">The request's field that has the recording, for messages.</param>
    /// <param name="take">Receives each segment as soon as it is there; null: nobody.</param>
    /// <exception cref="ApiException">The recording is longer than the service takes or ends damaged, or the model can't do what is
    /// wanted.</exception>
    public Transcript Transcribe(SpeechRecognizer recognizer, AudioReader audio, string field, TranscriptionOptions wanted,
        Action<TranscriptSegment>? take, CancellationToken cancellation)
    {
        if (wanted.Translate && !recognizer.CanTranslate)
            throw new ApiException(400, $"the model '{Name}' knows one language alone and does not translate", "unsupported_value");
        long most = (long)options.AudioSeconds * AudioReader.SpeechRate;
        if (audio.Length > most) throw TooLong();
        try
        {
            return recognizer.Transcribe(samples =>
            {
                int count = audio.Read(samples);
                return audio.Position <= most ? count : throw TooLong();
            }, wanted, take, null, cancellation);
        }
        catch (IOException exception)
        {
            throw ApiException.Field(field, $"can't be read to its end: {exception.Message}");
        }

        ApiException TooLong() =>
            ApiException.Field(field,
                $"has more than {options.AudioSeconds} seconds of sound, which the service takes (setting audioSeconds)");
    }

    public void Dispose() => _recognizer?.Dispose();

    private SpeechRecognizer Open()
    {
        try
        {
            string path = ModelStore.OfThisMachine().PathOf(options.SpeechModel);
            SpeechRecognizer recognizer = SpeechRecognizer.Load(path, new SpeechOptions { Threads = options.Threads });
            log.Info($"hears with {recognizer.Name} ({path})");
            return recognizer;
        }
        catch (Exception exception) when (exception is ModelException or IOException or UnauthorizedAccessException)
        {
            log.Error($"the model that hears can't be opened: {exception.Message}");
            throw new ApiException(503, "the model that hears can't be opened; the service's log says why", "not_ready");
        }
    }
}
