using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>A whole answer as JSON, and a whole request from it.</summary>
internal static class JsonResponse
{
    public static async Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(value, type);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.Body.WriteAsync(json, context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>The request's body, whatever it says that its type is (curl says it is a form).</summary>
    /// <exception cref="ApiException">It is missing, no valid JSON, or a field has the wrong type.</exception>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
    {
        ReadOnlyMemory<byte> body = await RequestBody.ReadAsync(context).ConfigureAwait(false);
        Connections.Begin(context);
        if (body.Span.StartsWith(Encoding.UTF8.Preamble)) body = body[Encoding.UTF8.Preamble.Length..];
        RequestAdapters.Note(context, body.Span);
        try
        {
            return JsonSerializer.Deserialize(body.Span, type)
                ?? throw new ApiException(400, "the request is null; it has to be a JSON object");
        }
        catch (JsonException exception) when (body.Length == 0)
        {
            throw new ApiException(400, "missing request body: " + exception.Message.Split(" Path:")[0]);
        }
        catch (JsonException exception)
        {
            // Of the reader inside it is an error of syntax; without one, a value that does not fit its field.
            if (exception.InnerException is not JsonException && exception.Path is { Length: > 2 } path)
                throw ApiException.Field(path[2..], "has a value of the wrong type");
            throw new ApiException(400, "the request is not valid JSON: " + exception.Message.Split(" Path:")[0]);
        }
    }
}
