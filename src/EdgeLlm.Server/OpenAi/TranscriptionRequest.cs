using System.Globalization;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using EdgeLlm.Speech.Recognition;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace EdgeLlm.Server.OpenAi;

/// <summary>
/// A recording and what is wanted of it, out of a form (multipart/form-data). The recording goes into a file without a name while it comes.
/// </summary>
internal sealed class TranscriptionRequest : IDisposable
{
    private const int MostFieldBytes = 64 << 10, MostParts = 64, MostHeaderBytes = 8 << 10;
    private const long FormBytes = 1 << 20; // fields and the form's own lines beside the recording

    private readonly Dictionary<string, List<string>> _fields = [];

    private TranscriptionRequest()
    {
    }

    /// <summary>The recording, from its beginning on.</summary>
    public FileStream Audio { get; private set; } = null!;

    /// <summary>The recording's path as long as it is open, for other programs.</summary>
    public string AudioPath => Audio.Name;

    public string? Model => Text("model");

    /// <summary>json, text, srt, vtt or verbose_json.</summary>
    public string Format => Text("response_format") ?? "json";

    public bool IsStream => Text("stream") is "true" or "True" or "1";

    public bool WantsWords => List("timestamp_granularities").Contains("word");

    public bool WantsLogProbabilities => List("include").Contains("logprobs");

    /// <summary>Reads the form.</summary>
    /// <exception cref="ApiException">It is none, is malformed, has no recording or more bytes than the service takes.</exception>
    public static async Task<TranscriptionRequest> ReadAsync(HttpContext context, ServerOptions options)
    {
        string? boundary = MediaTypeHeaderValue.TryParse(context.Request.ContentType, out MediaTypeHeaderValue? type)
            && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
            ? HeaderUtilities.RemoveQuotes(type.Boundary).Value : null;
        if (string.IsNullOrEmpty(boundary) || boundary.Length > 70)
            throw new ApiException(400, "has to be a form (multipart/form-data) with the recording in the field 'file'");
        long limit = options.BodyLimitAudio + FormBytes;
        if (context.Request.ContentLength > limit) throw TooLarge();
        IHttpMaxRequestBodySizeFeature size = context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>();
        if (!size.IsReadOnly) size.MaxRequestBodySize = limit;
        var request = new TranscriptionRequest();
        try
        {
            var reader =
                new MultipartReader(boundary, context.Request.Body) { HeadersCountLimit = 16, HeadersLengthLimit = MostHeaderBytes };
            for (int parts = 0; await reader.ReadNextSectionAsync(context.RequestAborted).ConfigureAwait(false) is { } section; parts++)
            {
                if (parts == MostParts) throw new ApiException(400, $"the form has more than {MostParts} parts");
                await request.TakeAsync(section, options, context.RequestAborted).ConfigureAwait(false);
            }
            if (request.Audio is null) throw ApiException.Field("file", "is missing: the recording");
            request.Audio.Position = 0;
            return request;
        }
        catch (Exception exception)
        {
            request.Dispose();
            if (exception is InvalidDataException or (IOException and not BadHttpRequestException)
                && !context.RequestAborted.IsCancellationRequested)
                throw new ApiException(400, "the form is malformed or ends too early");
            if (exception is BadHttpRequestException { StatusCode: 413 }) throw TooLarge();
            throw;
        }

        ApiException TooLarge() =>
            new(413, $"the recording has more than {options.BodyLimitAudio} bytes, which the service takes (setting bodyLimitAudio)",
                "request_too_large");
    }

    /// <summary>Options of the transcription, checked.</summary>
    /// <exception cref="ApiException">A field has a value that it can't have.</exception>
    public TranscriptionOptions ToOptions(bool translates)
    {
        if (Format is not ("json" or "text" or "srt" or "vtt" or "verbose_json"))
            throw ApiException.Field("response_format", $"is '{Format}'; it has to be json, text, srt, vtt or verbose_json");
        foreach (string granularity in List("timestamp_granularities"))
        {
            if (granularity is not ("word" or "segment"))
                throw ApiException.Field("timestamp_granularities", $"has '{granularity}'; it takes word and segment");
        }
        if (WantsWords && Format != "verbose_json")
            throw ApiException.Field("timestamp_granularities", "needs the response_format verbose_json");
        if (WantsLogProbabilities && Format != "json") throw ApiException.Field("include", "needs the response_format json");
        if (IsStream && Format != "json") throw ApiException.Field("stream", "needs the response_format json");
        double temperature = 0;
        if (Text("temperature") is { Length: > 0 } given
            && !(double.TryParse(given, NumberStyles.Float, CultureInfo.InvariantCulture, out temperature) && temperature is >= 0 and <= 1))
            throw ApiException.Field("temperature", $"is '{given}'; it has to be 0 to 1");
        string? language = Text("language");
        return new TranscriptionOptions
        {
            Language = string.IsNullOrEmpty(language) ? null : LanguageNames.CodeOf(language)
                ?? throw ApiException.Field("language", $"is '{language}', which is not a language's code (such as en)"),
            Translate = translates,
            Prompt = Text("prompt"),
            Hotwords = List("hotwords"),
            Temperature = temperature,
            Timestamps = Format is "srt" or "vtt" or "verbose_json" ? true : null,
            WordTimestamps = WantsWords,
        };
    }

    public void Dispose() => Audio?.Dispose();

    private string? Text(string name) => _fields.TryGetValue(name, out List<string>? values) ? values[^1] : null;

    private List<string> List(string name) => [.. _fields.GetValueOrDefault(name + "[]", []), .. _fields.GetValueOrDefault(name, [])];

    private async Task TakeAsync(MultipartSection section, ServerOptions options, CancellationToken cancellation)
    {
        if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out ContentDispositionHeaderValue? disposition))
            throw new ApiException(400, "the form has a part without a name");
        string name = HeaderUtilities.RemoveQuotes(disposition.Name).Value ?? "";
        if (name == "file")
        {
            if (Audio is not null) throw ApiException.Field("file", "is there twice");
            Audio = CreateUnnamed(options);
            await CopyAsync(section.Body, Audio, options.BodyLimitAudio,
                $"file has more than {options.BodyLimitAudio} bytes, which the service takes (setting bodyLimitAudio)",
                cancellation).ConfigureAwait(false);
            return;
        }
        using var value = new MemoryStream();
        await CopyAsync(section.Body, value, MostFieldBytes, $"the field {name} has more than {MostFieldBytes} bytes", cancellation)
            .ConfigureAwait(false);
        if (!_fields.TryGetValue(name, out List<string>? values)) _fields.Add(name, values = []);
        values.Add(System.Text.Encoding.UTF8.GetString(value.GetBuffer(), 0, (int)value.Length));
    }

    private static async Task CopyAsync(Stream from, Stream to, long most, string problem, CancellationToken cancellation)
    {
        byte[] buffer = new byte[16 << 10];
        long total = 0;
        for (int count; (count = await from.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
        {
            if ((total += count) > most) throw new ApiException(413, problem, "request_too_large");
            await to.WriteAsync(buffer.AsMemory(0, count), cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>A file that goes when it is closed.</summary>
    private static FileStream CreateUnnamed(ServerOptions options)
    {
        string folder = options.StateDirectory ?? Path.GetTempPath();
        var file = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.Read,
            Options = FileOptions.DeleteOnClose,
        };
        if (!OperatingSystem.IsWindows()) file.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(Path.Combine(folder, "edgellm-" + Path.GetRandomFileName()), file);
    }
}
