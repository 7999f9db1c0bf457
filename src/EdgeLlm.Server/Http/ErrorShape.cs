using System.Text.Json.Serialization.Metadata;
using EdgeLlm.Server.Anthropic;
using EdgeLlm.Server.LlamaCpp;
using EdgeLlm.Server.LmStudio;
using EdgeLlm.Server.Ollama;
using EdgeLlm.Server.OpenAi;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>How an API writes its errors.</summary>
internal abstract class ErrorShape
{
    private static readonly ErrorShape OpenAi =
        new Shape<ErrorResponse>(ErrorResponse.Of, OpenAiJson.Default.ErrorResponse, isBusy429: true);
    private static readonly ErrorShape Anthropic =
        new Shape<AnthropicError>(AnthropicError.Of, AnthropicJson.Default.AnthropicError, isBusy429: true, eventName: "error");
    private static readonly ErrorShape LlamaCpp = new Shape<LlamaError>(LlamaError.Of, LlamaJson.Default.LlamaError, isBusy429: false);
    private static readonly ErrorShape Ollama = new Shape<OllamaError>(error => new OllamaError(error.Message) { Param = error.Parameter },
        OllamaJson.Default.OllamaError, isBusy429: false);

    /// <summary>Whether a queue that is full is a 429, where others say 503.</summary>
    public abstract bool IsBusy429 { get; }

    /// <summary>The shape of the API that was called.</summary>
    public static ErrorShape Of(HttpContext context)
    {
        PathString path = context.Request.Path;
        if (path.StartsWithSegments(MessagesEndpoints.Path)
            || (path.StartsWithSegments("/v1") && context.Request.Headers.ContainsKey("anthropic-version")))
            return Anthropic;
        if (LlamaEndpoints.IsOurs(path)) return LlamaCpp;
        return path.StartsWithSegments("/v1") || path.StartsWithSegments("/v2") || path.StartsWithSegments("/rerank")
            || path.StartsWithSegments(LmStudioEndpoints.Path) || IsOpenAisWithoutBase(path) ? OpenAi : Ollama;
    }

    /// <summary>Whether a path is one of OpenAI's API without what its clients' base URL ends with.</summary>
    public static bool IsOpenAisWithoutBase(string? path) => path is "/chat/completions" or "/models" or "/responses" or "/embeddings";

    /// <summary>Writes the error as the whole answer.</summary>
    public abstract Task WriteAsync(HttpContext context, ApiError error);

    /// <summary>Writes it as the last value of a stream.</summary>
    public abstract Task WriteLastAsync(JsonStream stream, ApiError error);

    private sealed class Shape<T>(Func<ApiError, T> make, JsonTypeInfo<T> type, bool isBusy429, string? eventName = null) : ErrorShape
    {
        public override bool IsBusy429 => isBusy429;

        public override Task WriteAsync(HttpContext context, ApiError error) => JsonResponse.WriteAsync(context, make(error), type);

        public override Task WriteLastAsync(JsonStream stream, ApiError error) =>
            eventName is null ? stream.WriteAsync(make(error), type) : stream.WriteAsync(eventName, make(error), type);
    }
}
