using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Transcription;

/// <summary>A transcript as JSON, in the fields of OpenAI's verbose_json.</summary>
internal static class TranscriptJson
{
    public static void Write(Transcript transcript) => JsonOutput.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("text", transcript.Text);
        json.WriteString("language", transcript.Language);
        json.WriteNumber("duration", transcript.Duration);
        json.WriteStartArray("segments");
        for (int i = 0; i < transcript.Segments.Count; i++) WriteSegment(json, transcript.Segments[i], i);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void WriteSegment(Utf8JsonWriter json, TranscriptSegment segment, int id)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteNumber("start", Math.Round(segment.Start, 3));
        json.WriteNumber("end", Math.Round(segment.End, 3));
        json.WriteString("text", segment.Text);
        json.WriteArray("tokens", segment.Tokens, json.WriteNumberValue);
        json.WriteNumber("temperature", segment.Temperature);
        json.WriteNumber("avg_logprob", segment.MeanLogProbability);
        json.WriteNumber("compression_ratio", segment.CompressionRatio);
        json.WriteNumber("no_speech_prob", segment.NoSpeechProbability);
        if (segment.Words.Count > 0)
        {
            json.WriteObjects("words", segment.Words, word =>
            {
                json.WriteString("word", word.Text);
                json.WriteNumber("start", Math.Round(word.Start, 3));
                json.WriteNumber("end", Math.Round(word.End, 3));
                json.WriteNumber("probability", word.Probability);
            });
        }
        json.WriteEndObject();
    }
}
