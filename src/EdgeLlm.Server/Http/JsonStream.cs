using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>
/// An answer as a stream of JSON values: server-sent events (`data: {...}` and an empty line) or a value a line. Each is sent at once.
/// </summary>
internal sealed class JsonStream : IDisposable
{
    private const string Events = "text/event-stream";

    private readonly HttpContext _context;
    private readonly PipeWriter _output;
    private readonly bool _events;
    private readonly Utf8JsonWriter _json;

    private JsonStream(HttpContext context)
    {
        _context = context;
        _output = context.Response.BodyWriter;
        _events = context.Response.ContentType == Events;
        // Web pages get these values through a JSON parser, never as HTML.
        _json = new Utf8JsonWriter(_output,
            new JsonWriterOptions
            {
                Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
                SkipValidation = true
            });
    }

    /// <summary>Server-sent events; the head is sent at once.</summary>
    public static Task<JsonStream> OfEventsAsync(HttpContext context) => BeginAsync(context, Events);

    /// <summary>A value a line; the head is sent at once.</summary>
    public static Task<JsonStream> OfLinesAsync(HttpContext context) => BeginAsync(context, "application/x-ndjson");

    /// <summary>The stream that an answer is already.</summary>
    public static JsonStream Continue(HttpContext context) => new(context);

    public async Task WriteAsync<T>(T value, JsonTypeInfo<T> type)
    {
        if (_events) _output.Write("data: "u8);
        _json.Reset();
        JsonSerializer.Serialize(_json, value, type);
        _output.Write(_events ? "\n\n"u8 : "\n"u8);
        await _output.FlushAsync(_context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>An event with a name.</summary>
    public async Task WriteAsync<T>(string name, T value, JsonTypeInfo<T> type)
    {
        _output.Write("event: "u8);
        _output.Write(System.Text.Encoding.ASCII.GetBytes(name));
        _output.Write("\n"u8);
        await WriteAsync(value, type).ConfigureAwait(false);
    }

    /// <summary>A comment, which readers of server-sent events skip: a sign of life.</summary>
    public async Task WriteCommentAsync()
    {
        _output.Write(": \n\n"u8);
        await _output.FlushAsync(_context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>The event by which OpenAI's clients know that nothing is missing.</summary>
    public async Task WriteDoneAsync()
    {
        _output.Write("data: [DONE]\n\n"u8);
        await _output.FlushAsync(_context.RequestAborted).ConfigureAwait(false);
    }

    public void Dispose() => _json.Dispose();

    private static async Task<JsonStream> BeginAsync(HttpContext context, string contentType)
    {
        context.Response.ContentType = contentType;
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx would hold the stream back
        await context.Response.StartAsync(context.RequestAborted).ConfigureAwait(false);
        var stream = new JsonStream(context);
        await stream._output.FlushAsync(context.RequestAborted).ConfigureAwait(false);
        return stream;
    }
}
