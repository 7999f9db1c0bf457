using System.Text.Json.Serialization;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's answer in the format json.</summary>
internal sealed record Transcription(string Text)
{
    /// <summary>Of each token, where they were asked for.</summary>
    public IReadOnlyList<SpokenTokenProbability>? Logprobs { get; init; }

    public SpokenUsage? Usage { get; init; }
}

/// <summary>A token and the natural logarithm of its probability.</summary>
internal sealed record SpokenTokenProbability(string Token, float Logprob, IReadOnlyList<byte> Bytes);

/// <summary>Usage of a transcription: seconds of sound.</summary>
internal sealed record SpokenUsage(double Seconds)
{
    public string Type => "duration";
}

/// <summary>OpenAI's answer in the format verbose_json.</summary>
internal sealed record VerboseTranscription(string Task, string Language, double Duration, string Text)
{
    public IReadOnlyList<SpokenSegment> Segments { get; init; } = [];

    public IReadOnlyList<SpokenWord>? Words { get; init; }

    public SpokenUsage? Usage { get; init; }
}

/// <summary>A segment of <see cref="VerboseTranscription"/>.</summary>
/// <param name="Seek">Start of its window, in steps of 10 ms.</param>
internal sealed record SpokenSegment(int Id, long Seek, double Start, double End, string Text, IReadOnlyList<int> Tokens,
    double Temperature, double AvgLogprob, double CompressionRatio, double NoSpeechProb)
{
    public static SpokenSegment Of(TranscriptSegment segment, int id) => new(
        id, segment.WindowStart / 160, Math.Round(segment.Start, 3), Math.Round(segment.End, 3), " " + segment.Text, segment.Tokens,
        segment.Temperature, segment.MeanLogProbability, segment.CompressionRatio, segment.NoSpeechProbability);
}

/// <summary>A word of <see cref="VerboseTranscription"/>.</summary>
internal sealed record SpokenWord(string Word, double Start, double End);

/// <summary>An event of a stream: `transcript.text.delta` and, last, `transcript.text.done`.</summary>
internal sealed record TranscriptEvent(string Type)
{
    public string? Delta { get; init; }

    public string? Text { get; init; }

    public IReadOnlyList<SpokenTokenProbability>? Logprobs { get; init; }

    public SpokenUsage? Usage { get; init; }
}

/// <summary>How these are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Transcription))]
[JsonSerializable(typeof(VerboseTranscription))]
[JsonSerializable(typeof(TranscriptEvent))]
internal sealed partial class TranscriptionJson : JsonSerializerContext;
