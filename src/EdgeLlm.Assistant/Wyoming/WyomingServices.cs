using System.Text.Json;
using System.Threading.Channels;
using EdgeLlm.Files;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>Recognizes an utterance.</summary>
/// <param name="samples">Mono at 16 kHz.</param>
/// <param name="language">A code such as `en`; null: whatever the model takes.</param>
internal delegate Task<string> Recognize(float[] samples, string? language, CancellationToken cancellation);

/// <summary>Recognizes an utterance while it is spoken.</summary>
/// <param name="sound">Pieces of it, mono at 16 kHz.</param>
/// <param name="language">A code such as `en`; null: whatever the model takes.</param>
/// <param name="agreed">Receives text that is not going to change, each time what is new.</param>
/// <returns>The whole text.</returns>
internal delegate Task<string> RecognizeStream(ChannelReader<float[]> sound, string? language, Func<string, Task> agreed,
    CancellationToken cancellation);

/// <summary>A model that hears, for Home Assistant.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Languages">Codes of its languages.</param>
/// <param name="Recognize">Recognizes an utterance; may be called from several threads.</param>
/// <param name="Stream">Recognizes while it is spoken; null: only whole utterances.</param>
internal sealed record WyomingRecognizer(string Name, IReadOnlyList<string> Languages, Recognize Recognize, RecognizeStream? Stream = null);

/// <summary>A voice, for Home Assistant.</summary>
/// <param name="Name">The voice's name.</param>
/// <param name="Languages">Codes of its languages; none: not known.</param>
/// <param name="SampleRate">Samples a second.</param>
/// <param name="Say">Speaks a text, which may be SSML where the second argument says so.</param>
/// <param name="SayStream">Speaks a text that is still being written.</param>
internal sealed record WyomingVoice(
    string Name,
    IReadOnlyList<string> Languages,
    int SampleRate,
    Func<string, bool, CancellationToken, IAsyncEnumerable<ReadOnlyMemory<float>>> Say,
    Func<IAsyncEnumerable<string>, CancellationToken, IAsyncEnumerable<ReadOnlyMemory<float>>> SayStream);

/// <summary>A wake word, for Home Assistant.</summary>
/// <param name="Name">What `detect` and `detection` call it.</param>
/// <param name="Load">Makes a model of a connection's own.</param>
/// <param name="Settings">What its JSON says.</param>
internal sealed record WyomingWakeWord(string Name, WakeWordSettings Settings, Func<WakeWordModel> Load);

/// <summary>Offers of the server: recognition, wake words, voices, or some of them.</summary>
internal sealed record WyomingServices(string Version, WyomingRecognizer? Recognizer, IReadOnlyList<WyomingWakeWord> WakeWords,
    IReadOnlyList<WyomingVoice> Voices)
{
    /// <summary>The conversation agent; null: none.</summary>
    public WyomingHandler? Handler { get; init; }

    private const string Program = "edgellm", Website = "https://github.com/edgellm/edgellm";

    /// <summary>The fields of `info`. The Python library takes no event in which a required one is missing, so all are written.</summary>
    public void WriteInfo(Utf8JsonWriter json)
    {
        WriteService<WyomingRecognizer>(json, "asr", "EdgeLlm hears", "models", Recognizer is null ? [] : [Recognizer], recognizer =>
        {
            WriteArtifact(json, recognizer.Name, recognizer.Name, Program, Website);
            json.WriteArray("languages", recognizer.Languages, json.WriteStringValue);
        }, () =>
        {
            json.WriteBoolean("supports_transcript_streaming", Recognizer!.Stream is not null);
            json.WriteBoolean("requires_external_vad", true);
        });
        WriteService(json, "wake", "EdgeLlm wakes", "models", WakeWords, word =>
        {
            WriteArtifact(json, word.Name, word.Settings.Word, word.Settings.Author, word.Settings.Website);
            json.WriteArray("languages", word.Settings.Languages, json.WriteStringValue);
            json.WriteString("phrase", word.Settings.Word);
        });
        WriteService(json, "tts", "EdgeLlm speaks", "voices", Voices, voice =>
        {
            WriteArtifact(json, voice.Name, voice.Name, Program, Website);
            json.WriteArray("languages", voice.Languages, json.WriteStringValue);
            json.WriteNull("speakers");
        }, () => json.WriteBoolean("supports_synthesize_streaming", true));
        WriteService<WyomingHandler>(json, "handle", "EdgeLlm answers", "models", Handler is null ? [] : [Handler], handler =>
        {
            WriteArtifact(json, handler.Name, handler.Name, Program, Website);
            json.WriteArray("languages", handler.Languages, json.WriteStringValue);
        }, () =>
        {
            json.WriteBoolean("supports_handled_streaming", true);
            json.WriteBoolean("supports_home_control", Handler!.ControlsHome);
        });
        foreach (string other in (string[])["intent", "mic", "snd"])
        {
            json.WriteStartArray(other);
            json.WriteEndArray();
        }
    }

    /// <summary>The array of one kind of service: empty, or one service with what it offers.</summary>
    /// <param name="list">Name of the array of offers.</param>
    /// <param name="write">Writes the members of an offer.</param>
    /// <param name="rest">Writes the service's own members after its offers.</param>
    private void WriteService<T>(Utf8JsonWriter json, string kind, string description, string list, IReadOnlyList<T> offers,
        Action<T> write, Action? rest = null)
    {
        json.WriteStartArray(kind);
        if (offers.Count > 0)
        {
            json.WriteStartObject();
            WriteArtifact(json, Program, description, Program, Website);
            json.WriteObjects(list, offers, write);
            rest?.Invoke();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private void WriteArtifact(Utf8JsonWriter json, string name, string description, string author, string website)
    {
        json.WriteString("name", name);
        json.WriteString("description", description);
        json.WriteStartObject("attribution");
        json.WriteString("name", author);
        json.WriteString("url", website);
        json.WriteEndObject();
        json.WriteBoolean("installed", true);
        json.WriteString("version", Version);
    }
}
