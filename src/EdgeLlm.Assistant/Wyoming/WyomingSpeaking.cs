using System.Text.Json;
using System.Threading.Channels;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>
/// Texts of one peer that are spoken while its other events are read: `synthesize`, and `synthesize-start`, `-chunk`, `-stop` for a text
/// that is still being written. One text is spoken after the other.
/// </summary>
/// <param name="stop">Ends the speech; it is ended by a speech that fails.</param>
internal sealed class WyomingSpeaking(WyomingConnection connection, IReadOnlyList<WyomingVoice> voices, CancellationTokenSource stop)
{
    // Pieces of text that may wait: then the peer does.
    private const int PiecesAhead = 16;

    // 0.5 s: an event of 24 kB.
    private const int PieceSamples = 12_000;

    private Task spoken = Task.CompletedTask;
    private Channel<string>? text; // of the stream that is open

    /// <summary>Whether something is being spoken, or waits to be.</summary>
    public bool IsBusy => text is null && !spoken.IsCompleted;

    /// <summary>Takes an event about speaking.</summary>
    /// <returns>False where it is about something else.</returns>
    /// <exception cref="WyomingException">It asks for what is not there.</exception>
    public async Task<bool> TakeAsync(WyomingEvent next)
    {
        switch (next.Type)
        {
            case "synthesize":
                if (text is null) Say(next); // within a stream it is the same text once more, for servers without streams
                return true;
            case "synthesize-start":
                if (text is not null) throw new WyomingException("synthesize-start came twice without synthesize-stop");
                Start(next);
                return true;
            case "synthesize-chunk":
                if (text is null) throw new WyomingException("synthesize-chunk came before synthesize-start");
                await text.Writer.WriteAsync(TextOf(next), stop.Token).ConfigureAwait(false);
                return true;
            case "synthesize-stop":
                text?.Writer.Complete();
                text = null;
                return true;
            default: return false;
        }
    }

    /// <summary>Waits until all is spoken; what is still open ends unspoken.</summary>
    public async Task EndAsync()
    {
        if (text is not null) await stop.CancelAsync().ConfigureAwait(false);
        await spoken.ConfigureAwait(false);
    }

    /// <summary>Ends with the last speech, and with its fault.</summary>
    public Task Ended => spoken;

    private void Say(WyomingEvent synthesize)
    {
        WyomingVoice voice = VoiceOf(synthesize);
        string said = TextOf(synthesize);
        bool isMarkup = synthesize.Text("text_format") switch
        {
            null or "text" => false,
            "ssml" => true,
            _ => throw new WyomingException("the text_format of synthesize must be 'text' or 'ssml'"),
        };
        JsonElement? context = synthesize.Field("context");
        Follow(() => SpeakAsync(voice, voice.Say(said, isMarkup, stop.Token), context));
    }

    private void Start(WyomingEvent start)
    {
        WyomingVoice voice = VoiceOf(start);
        JsonElement? context = start.Field("context");
        text = Channel.CreateBounded<string>(PiecesAhead);
        ChannelReader<string> pieces = text.Reader;
        Follow(async () =>
        {
            await SpeakAsync(voice, voice.SayStream(pieces.ReadAllAsync(stop.Token), stop.Token), context).ConfigureAwait(false);
            await connection.WriteAsync("synthesize-stopped", json => WyomingSession.WriteContext(json, context), stop.Token)
                .ConfigureAwait(false);
        });
    }

    /// <summary>Speaks after what was there before.</summary>
    private void Follow(Func<Task> speak)
    {
        Task before = spoken;
        spoken = Task.Run(async () =>
        {
            await before.ConfigureAwait(false);
            try
            {
                await speak().ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                await stop.CancelAsync().ConfigureAwait(false); // the session ends with it
                if (exception is PhonemeException or Files.FileException) throw new WyomingException(exception.Message);
                throw;
            }
        });
    }

    private async Task SpeakAsync(WyomingVoice voice, IAsyncEnumerable<ReadOnlyMemory<float>> sound, JsonElement? context)
    {
        await connection.WriteAsync("audio-start", json => WriteFormat(json, 0), stop.Token).ConfigureAwait(false);
        long samples = 0;
        byte[] bytes = new byte[2 * PieceSamples];
        await foreach (ReadOnlyMemory<float> some in sound.ConfigureAwait(false))
        {
            for (int start = 0; start < some.Length; start += PieceSamples)
            {
                ReadOnlyMemory<float> piece = some.Slice(start, Math.Min(PieceSamples, some.Length - start));
                SamplesOf16Bits.Write(piece.Span, bytes);
                await connection.WriteAsync("audio-chunk", json => WriteFormat(json, samples), stop.Token,
                    bytes.AsMemory(0, 2 * piece.Length)).ConfigureAwait(false);
                samples += piece.Length;
            }
        }
        await connection.WriteAsync("audio-stop", json =>
        {
            json.WriteNumber("timestamp", samples * 1000 / voice.SampleRate);
            WyomingSession.WriteContext(json, context);
        }, stop.Token).ConfigureAwait(false);

        void WriteFormat(Utf8JsonWriter json, long position)
        {
            json.WriteNumber("rate", voice.SampleRate);
            json.WriteNumber("width", 2);
            json.WriteNumber("channels", 1);
            json.WriteNumber("timestamp", position * 1000 / voice.SampleRate);
            if (position == 0) WyomingSession.WriteContext(json, context);
        }
    }

    private static string TextOf(WyomingEvent next) => next.Text("text") ?? throw new WyomingException($"{next.Type} must have a 'text'");

    /// <summary>The voice of a name, else of a language, else the first.</summary>
    private WyomingVoice VoiceOf(WyomingEvent next)
    {
        if (voices.Count == 0) throw new WyomingException("there is no voice on this machine: edgellm wyoming --voice");
        if (next.Field("voice") is not { } wanted) return voices[0];
        if (wanted.ValueKind != JsonValueKind.Object) throw new WyomingException($"the field 'voice' of {next.Type} must be an object");
        string? name = Part("name"), language = Part("language")?.Split('-', '_')[0].ToLowerInvariant();
        if (name is not null)
            return voices.FirstOrDefault(voice => voice.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                ?? throw new WyomingException($"there is no voice '{Printable.Line(name, 100)}'");
        if (language is null) return voices[0];
        return voices.FirstOrDefault(voice =>
            voice.Languages.Any(known => known.Split('-', '_')[0].Equals(language, StringComparison.OrdinalIgnoreCase)))
            ?? voices.FirstOrDefault(voice => voice.Languages.Count == 0)
            ?? throw new WyomingException($"no voice here speaks '{Printable.Line(language, 20)}'");

        string? Part(string field) =>
            wanted.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
