using System.Text.Json;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>Body of `/v1/audio/speech`.</summary>
internal sealed record SpeechRequest
{
    /// <summary>Most characters of an input, as OpenAI has it.</summary>
    public const int MostCharacters = 4096;

    private const double LeastSpeed = 0.25, GreatestSpeed = 4;

    public string? Model { get; init; }

    public string? Input { get; init; }

    /// <summary>A name, or an object with an `id`.</summary>
    public JsonElement? Voice { get; init; }

    public string? ResponseFormat { get; init; }

    public double? Speed { get; init; }

    public string? Instructions { get; init; }

    public string? StreamFormat { get; init; }

    /// <summary>The voice's name; null: none was given.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    public string? VoiceName => Voice switch
    {
        null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => null,
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Object } named when named.TryGetProperty("id", out JsonElement id)
            && id.ValueKind == JsonValueKind.String => id.GetString(),
        _ => throw ApiException.Field("voice", "has to be a text, or an object with an id"),
    };

    /// <summary>Whether the sound is sent as server-sent events.</summary>
    public bool IsEvents => StreamFormat == "sse";

    /// <exception cref="ApiException">A field is wrong.</exception>
    public void Check()
    {
        if (string.IsNullOrWhiteSpace(Input)) throw ApiException.Field("input", "has to be a text that is not empty");
        if (Input.Length > MostCharacters)
            throw ApiException.Field("input", $"has {Input.Length} characters; at most {MostCharacters} are taken");
        if (!string.IsNullOrEmpty(Instructions))
            throw ApiException.Unsupported("instructions", "this voice takes no instructions; leave them out");
        if (StreamFormat is not (null or "audio" or "sse")) throw ApiException.Field("stream_format", "has to be audio or sse");
        if (Speed is { } speed && !(speed is >= LeastSpeed and <= GreatestSpeed))
            throw ApiException.Field("speed", $"has to be from {LeastSpeed} to {GreatestSpeed}");
    }
}

/// <summary>An event of a stream of sound.</summary>
/// <param name="Type">`speech.audio.delta` or `speech.audio.done`.</param>
internal sealed record SpeechEvent(string Type)
{
    /// <summary>Bytes of the sound's file, in base 64.</summary>
    public byte[]? Audio { get; init; }

    /// <summary>Of the last event: characters read and steps of 25 ms spoken, where OpenAI counts tokens.</summary>
    public SpeechUsage? Usage { get; init; }
}

internal sealed record SpeechUsage(int InputTokens, int OutputTokens, int TotalTokens);
