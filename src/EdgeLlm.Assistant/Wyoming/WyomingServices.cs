using System.Text.Json;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>Recognizes an utterance.</summary>
/// <param name="samples">Mono at 16 kHz.</param>
/// <param name="language">A code such as `en`; null: whatever the model takes.</param>
internal delegate Task<string> Recognize(float[] samples, string? language, CancellationToken cancellation);

/// <summary>A model that hears, for Home Assistant.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Languages">Codes of its languages.</param>
/// <param name="Recognize">Recognizes an utterance; may be called from several threads.</param>
internal sealed record WyomingRecognizer(string Name, IReadOnlyList<string> Languages, Recognize Recognize);

/// <summary>A wake word, for Home Assistant.</summary>
/// <param name="Name">What `detect` and `detection` call it.</param>
/// <param name="Load">Makes a model of a connection's own.</param>
/// <param name="Settings">What its JSON says.</param>
internal sealed record WyomingWakeWord(string Name, WakeWordSettings Settings, Func<WakeWordModel> Load);

/// <summary>What the server offers: recognition, wake words, or both.</summary>
internal sealed record WyomingServices(string Version, WyomingRecognizer? Recognizer, IReadOnlyList<WyomingWakeWord> WakeWords)
{
    private const string Program = "edgellm", Website = "https://github.com/edgellm/edgellm";

    /// <summary>The fields of `info`. The Python library takes no event in which a required one is missing, so all are written.</summary>
    public void WriteInfo(Utf8JsonWriter json)
    {
        json.WriteStartArray("asr");
        if (Recognizer is { } recognizer)
        {
            json.WriteStartObject();
            WriteArtifact(json, Program, "EdgeLlm hears", Program, Website);
            json.WriteStartArray("models");
            json.WriteStartObject();
            WriteArtifact(json, recognizer.Name, recognizer.Name, Program, Website);
            WriteList(json, "languages", recognizer.Languages);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteBoolean("supports_transcript_streaming", false);
            json.WriteBoolean("requires_external_vad", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("wake");
        if (WakeWords.Count > 0)
        {
            json.WriteStartObject();
            WriteArtifact(json, Program, "EdgeLlm wakes", Program, Website);
            json.WriteStartArray("models");
            foreach (WyomingWakeWord word in WakeWords)
            {
                json.WriteStartObject();
                WriteArtifact(json, word.Name, word.Settings.Word, word.Settings.Author, word.Settings.Website);
                WriteList(json, "languages", word.Settings.Languages);
                json.WriteString("phrase", word.Settings.Word);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        foreach (string other in (string[])["tts", "handle", "intent", "mic", "snd"])
        {
            json.WriteStartArray(other);
            json.WriteEndArray();
        }
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

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }
}
