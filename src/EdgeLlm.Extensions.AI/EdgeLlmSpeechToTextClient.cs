using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;
using Microsoft.Extensions.AI;
using TranscriptionOptions = EdgeLlm.Speech.Recognition.TranscriptionOptions;

namespace EdgeLlm.Extensions.AI;

/// <summary>
/// An <see cref="ISpeechToTextClient"/> over a model in this process. Sound comes as a WAV or FLAC stream of any rate;
/// <see cref="SpeechToTextOptions.TextLanguage"/> `en` with another <see cref="SpeechToTextOptions.SpeechLanguage"/> translates, where the
/// model does.
/// </summary>
[Experimental("MEAI001")]
public sealed class EdgeLlmSpeechToTextClient : ISpeechToTextClient
{
    private readonly SpeechRecognizer _recognizer;
    private readonly SpeechToTextClientMetadata _metadata;

    /// <param name="recognizer">The model, which the client does not dispose of.</param>
    public EdgeLlmSpeechToTextClient(SpeechRecognizer recognizer)
    {
        ArgumentNullException.ThrowIfNull(recognizer);
        _recognizer = recognizer;
        _metadata = new SpeechToTextClientMetadata("edgellm", defaultModelId: recognizer.Name);
    }

    /// <summary>All that is said.</summary>
    /// <exception cref="IOException">The stream can't be read, or is not sound in a form that is read.</exception>
    /// <exception cref="ArgumentException">Another model is named, or the model can't do what is asked for.</exception>
    public async Task<SpeechToTextResponse> GetTextAsync(Stream audioSpeechStream, SpeechToTextOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(audioSpeechStream);
        TranscriptionOptions wanted = OptionsOf(options);
        Transcript transcript =
            await Task.Run(() => Transcribe(audioSpeechStream, wanted, null, cancellationToken), cancellationToken).ConfigureAwait(false);
        return new SpeechToTextResponse(transcript.Text)
        {
            ModelId = _recognizer.Name,
            StartTime = TimeSpan.Zero,
            EndTime = TimeSpan.FromSeconds(transcript.Duration),
            RawRepresentation = transcript,
        };
    }

    /// <summary>Transcribes segment by segment.</summary>
    /// <exception cref="IOException">The stream can't be read, or is not sound in a form that is read.</exception>
    /// <exception cref="ArgumentException">Another model is named, or the model can't do what is asked for.</exception>
    public async IAsyncEnumerable<SpeechToTextResponseUpdate> GetStreamingTextAsync(
        Stream audioSpeechStream, SpeechToTextOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(audioSpeechStream);
        TranscriptionOptions wanted = OptionsOf(options);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var segments = Channel.CreateUnbounded<TranscriptSegment>();
        Task<Transcript> work = Task.Run(() =>
        {
            try
            {
                return Transcribe(audioSpeechStream, wanted, segment => segments.Writer.TryWrite(segment), end.Token);
            }
            finally
            {
                segments.Writer.Complete();
            }
        }, CancellationToken.None);
        try
        {
            await foreach (TranscriptSegment segment in segments.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return new SpeechToTextResponseUpdate(segment.Text)
                {
                    Kind = SpeechToTextResponseUpdateKind.TextUpdated,
                    ModelId = _recognizer.Name,
                    StartTime = TimeSpan.FromSeconds(segment.Start),
                    EndTime = TimeSpan.FromSeconds(segment.End),
                    RawRepresentation = segment,
                };
            }
            await work.ConfigureAwait(false); // its exception, where it has one
        }
        finally
        {
            await end.CancelAsync().ConfigureAwait(false);
            await ((Task)work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the stream is the caller's again only then
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        ClientServices.Find(serviceType, serviceKey, this, _metadata, _recognizer);

    /// <summary>Nothing: the model is the caller's.</summary>
    public void Dispose()
    {
    }

    private Transcript Transcribe(Stream stream, TranscriptionOptions options, Action<TranscriptSegment>? take,
        CancellationToken cancellation)
    {
        using AudioReader audio = AudioReader.Open(stream, "the audio stream");
        return _recognizer.Transcribe(audio.Read, options, take, null, cancellation);
    }

    private TranscriptionOptions OptionsOf(SpeechToTextOptions? options)
    {
        Unsupported.RefuseOtherModel(options?.ModelId, _recognizer.Name);
        string? spoken = Code(options?.SpeechLanguage), written = Code(options?.TextLanguage);
        bool translates = written is not null
            && written != (spoken ?? (_recognizer.Languages.Count == 1 ? _recognizer.Languages[0] : null));
        if (translates && (written != "en" || !_recognizer.CanTranslate))
            throw new ArgumentException(
                $"{_recognizer.Name} {(_recognizer.CanTranslate ? "translates into English only" : "does not translate")}; TextLanguage "
                    + $"is '{options!.TextLanguage}'");
        return new TranscriptionOptions { Language = spoken, Translate = translates };
    }

    /// <summary>The language of a tag such as `en-US`.</summary>
    private static string? Code(string? tag) => string.IsNullOrEmpty(tag) ? null : tag.Split('-')[0].ToLowerInvariant();
}
