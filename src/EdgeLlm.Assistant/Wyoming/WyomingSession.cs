using System.Text.Json;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>
/// One peer's conversation: `describe` and `ping` are answered; sound after `transcribe` becomes a `transcript` at `audio-stop`, sound
/// after `detect` a `detection` as soon as a wake word was said; texts are spoken. Events that are not known are passed over, as the
/// protocol wants it.
/// </summary>
internal sealed class WyomingSession(WyomingConnection connection, WyomingServices services, WyomingLimits limits)
{
    private const int SampleRate = AudioReader.SpeechRate;

    private readonly List<float> utterance = [];
    private readonly float[] samples = new float[4096];
    private readonly string own = $"connection {Guid.NewGuid():N}"; // of requests that name no conversation
    private bool detects; // what the sound is for
    private string? language;
    private JsonElement? context; // given back as it came
    private PcmConverter? converter;
    private PcmFormat format;
    private WakeWordListener? listener;
    private WyomingWakeWord[] words = [];
    private bool wasDetected;
    private int heard; // samples of the utterance
    private WyomingListening? listening;

    /// <summary>Answers until the peer closes.</summary>
    /// <exception cref="WyomingException">The peer broke a rule; it is to be told and its connection closed.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var speaking = new WyomingSpeaking(connection, services.Voices, stop);
        try
        {
            await AnswerAsync(speaking, stop.Token).ConfigureAwait(false);
            await speaking.EndAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            await speaking.Ended.ConfigureAwait(false); // a speech that failed cancels before it ends with its fault: wait for that
            throw;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await speaking.Ended.ConfigureAwait(
                ConfigureAwaitOptions.SuppressThrowing); // nothing of a voice is in use when the server ends
        }
    }

    private async Task AnswerAsync(WyomingSpeaking speaking, CancellationToken cancellation)
    {
        while (await connection.ReadAsync(() => speaking.IsBusy, cancellation).ConfigureAwait(false) is { } next)
        {
            if (await speaking.TakeAsync(next).ConfigureAwait(false)) continue;
            switch (next.Type)
            {
                case "describe":
                    await connection.WriteAsync("info", services.WriteInfo, cancellation).ConfigureAwait(false);
                    break;
                case "ping":
                    string? text = next.Text("text");
                    await connection.WriteAsync("pong", json => json.WriteString("text", text), cancellation).ConfigureAwait(false);
                    break;
                case "transcribe":
                    if (services.Recognizer is null) throw new WyomingException("no model that hears was named: edgellm wyoming --model");
                    (detects, language, context) = (false, next.Text("language"), next.Field("context"));
                    break;
                case "transcript" when services.Handler is { } handler:
                    await WyomingHandling.AnswerAsync(connection, handler, next, own, limits, cancellation).ConfigureAwait(false);
                    break;
                case "detect":
                    ChooseWords(next);
                    break;
                case "audio-start":
                    Begin(FormatOf(next), cancellation);
                    break;
                case "audio-chunk":
                    await HearAsync(next, cancellation).ConfigureAwait(false);
                    break;
                case "audio-stop":
                    await EndAsync(cancellation).ConfigureAwait(false);
                    break;
                default: break;
            }
        }
    }

    private void ChooseWords(WyomingEvent detect)
    {
        IReadOnlyList<string> names = detect.Texts("names");
        words = [.. services.WakeWords.Where(word => names.Count == 0 || names.Contains(word.Name))];
        if (words.Length == 0)
            throw new WyomingException(services.WakeWords.Count == 0 ? "no wake word was named: edgellm wyoming --wake"
                : "there is no wake word of these names");
        (detects, context, listener) = (true, detect.Field("context"), null);
    }

    private void Begin(PcmFormat given, CancellationToken cancellation)
    {
        if (services.Recognizer is null && !detects)
            ChooseWords(new WyomingEvent("detect", new Dictionary<string, JsonElement>(), default));
        try
        {
            (converter, format, wasDetected) = (new PcmConverter(given, SampleRate), given, false);
        }
        catch (ArgumentException exception)
        {
            throw new WyomingException(exception.Message);
        }
        utterance.Clear();
        if (!detects)
        {
            heard = 0;
            listening = services.Recognizer?.Stream is { } stream ? new WyomingListening(connection, stream, language, cancellation) : null;
            return;
        }
        if (listener is null) listener = new WakeWordListener([.. words.Select(word => word.Load())]);
        else listener.Reset();
    }

    private async Task HearAsync(WyomingEvent chunk, CancellationToken cancellation)
    {
        PcmFormat given = FormatOf(chunk);
        if (converter is null) Begin(given, cancellation);
        else if (given != format) throw new WyomingException("the sound changes its format before audio-stop");
        converter!.Write(chunk.Payload.Span);
        await TakeAsync(cancellation).ConfigureAwait(false);
    }

    private async Task TakeAsync(CancellationToken cancellation)
    {
        var detections = new List<WakeWordDetection>();
        for (int count; (count = converter!.Read(samples)) > 0;)
        {
            if (detects) listener!.Write(samples.AsSpan(0, count), detections.Add);
            else if ((heard += count) > limits.Utterance.TotalSeconds * SampleRate)
                throw new WyomingException($"an utterance is longer than {limits.Utterance.TotalSeconds:0} s");
            else if (listening is not null) listening.Add(samples.AsSpan(0, count));
            else utterance.AddRange(samples.AsSpan(0, count));
        }
        foreach (WakeWordDetection detection in detections)
        {
            wasDetected = true;
            await connection.WriteAsync("detection", json =>
            {
                json.WriteString("name", words[detection.Word].Name);
                json.WriteNumber("timestamp", detection.Samples * 1000 / SampleRate);
                WriteContext(json, context);
            }, cancellation).ConfigureAwait(false);
        }
    }

    private async Task EndAsync(CancellationToken cancellation)
    {
        if (converter is not null)
        {
            converter.End();
            await TakeAsync(cancellation).ConfigureAwait(false);
            converter = null;
        }
        if (detects)
        {
            if (!wasDetected)
                await connection.WriteAsync("not-detected", json => WriteContext(json, context), cancellation).ConfigureAwait(false);
            return;
        }
        if (services.Recognizer is not { } recognizer) return;
        float[] sound = [.. utterance];
        utterance.Clear();
        string text = listening is not null ? await listening.EndAsync(cancellation).ConfigureAwait(false)
            : sound.Length == 0 ? "" : await recognizer.Recognize(sound, language, cancellation).ConfigureAwait(false);
        listening = null;
        await connection.WriteAsync("transcript", json =>
        {
            json.WriteString("text", text);
            if (language is not null) json.WriteString("language", language);
            WriteContext(json, context);
        }, cancellation).ConfigureAwait(false);
    }

    /// <summary>A peer's context, given back as it came.</summary>
    internal static void WriteContext(Utf8JsonWriter json, JsonElement? context)
    {
        if (context is not { } given) return;
        json.WritePropertyName("context");
        given.WriteTo(json);
    }

    /// <summary>The sound's format that an event names.</summary>
    /// <exception cref="WyomingException">It names none, or one that is not known here.</exception>
    internal static PcmFormat FormatOf(WyomingEvent next)
    {
        int width = next.Number("width") ?? throw new WyomingException($"{next.Type} must have a 'width'");
        SampleEncoding encoding = width switch
        {
            1 => SampleEncoding.Unsigned8,
            2 => SampleEncoding.Signed16,
            3 => SampleEncoding.Signed24,
            4 => SampleEncoding.Signed32,
            _ => throw new WyomingException($"the 'width' of {next.Type} is {width}; 1 to 4 bytes are taken"),
        };
        var format = new PcmFormat(next.Number("rate") ?? 0, next.Number("channels") ?? 0, encoding);
        return format.Problem is { } problem ? throw new WyomingException($"the sound {problem}") : format;
    }
}
