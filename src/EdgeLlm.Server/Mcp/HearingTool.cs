using System.Text.Json;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Server.Mcp;

/// <summary>The service's model that hears as a tool: the text of a recording.</summary>
internal sealed class HearingTool(Hearing hearing)
{
    public ServiceTool Transcribe => new("transcribe", "Gives the text of what is said in a recording.", """
        {"type":"object","required":["audio"],"properties":{"audio":{"type":"string","contentEncoding":"base64","description":"A WAV or FLAC file in base64"},
        "language":{"type":"string","description":"The language that is spoken, as a code such as en; without it, it is found out"},
        "prompt":{"type":"string","description":"Words that are expected"}}}
        """, TranscribeAsync);

    private async Task<string> TranscribeAsync(IReadOnlyDictionary<string, JsonElement> arguments, CancellationToken cancellation)
    {
        foreach (string name in arguments.Keys)
        {
            if (name is not ("audio" or "language" or "prompt"))
                throw ApiException.Field(Printable.Line(name, 60), "is not an argument of this tool");
        }
        hearing.Require(hearing.Name);
        if (!arguments.TryGetValue("audio", out JsonElement audio) || audio.ValueKind != JsonValueKind.String)
            throw ApiException.Field("audio", "must be a WAV or FLAC file in base64");
        if (!audio.TryGetBytesFromBase64(out byte[]? bytes)) throw ApiException.Field("audio", "is not base64");
        string? language = Text(arguments, "language");
        var options = new TranscriptionOptions
        {
            Language = string.IsNullOrEmpty(language) ? null
                : LanguageNames.CodeOf(language) ?? throw ApiException.Field("language", "is not a language's code (such as en)"),
            Prompt = Text(arguments, "prompt"),
        };
        return await hearing.RunAsync(recognizer =>
        {
            using AudioReader reader = Open(bytes);
            return hearing.Transcribe(recognizer, reader, "audio", options, null, cancellation).Text;
        }, cancellation).ConfigureAwait(false);
    }

    private static AudioReader Open(byte[] bytes)
    {
        try
        {
            return AudioReader.Open(new MemoryStream(bytes), "audio");
        }
        catch (IOException exception)
        {
            throw new ApiException(400, exception.Message, "unsupported_format", "audio");
        }
    }

    private static string? Text(IReadOnlyDictionary<string, JsonElement> arguments, string name)
    {
        if (!arguments.TryGetValue(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return null;
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : throw ApiException.Field(name, "must be a text");
        }
        catch (InvalidOperationException)
        {
            throw ApiException.Field(name, "has half a character (a lone surrogate)");
        }
    }
}
