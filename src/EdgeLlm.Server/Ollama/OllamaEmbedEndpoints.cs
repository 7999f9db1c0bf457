using System.Diagnostics;
using System.Text.Json;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Ollama;

/// <summary>Ollama's vectors of texts: embed, and the older embeddings of one text.</summary>
internal sealed class OllamaEmbedEndpoints(AnswerService service)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/embed", (RequestDelegate)EmbedAsync);
        routes.MapPost("/api/embeddings", (RequestDelegate)EmbedOneAsync);
    }

    private async Task EmbedAsync(HttpContext context)
    {
        OllamaEmbedRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaEmbedRequest).ConfigureAwait(false);
        ServedModel served = OllamaEndpoints.Find(service.Engine, request.Model);
        _ = new OllamaOptions(request.Options);
        TimeSpan? keep = Duration.Of(request.KeepAlive);
        long start = Stopwatch.GetTimestamp();
        using ModelLease lease = await service.Engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        if (keep is { } time && !service.Engine.IsOwn(served) && service.Engine.MayClose(served)) lease.KeepFor(time);
        long opened = Stopwatch.GetTimestamp();
        float[][] vectors = [];
        int tokens = 0;
        bool isEmpty = request.Input is null or { ValueKind: JsonValueKind.Null } or { ValueKind: JsonValueKind.Array }
            && (request.Input?.GetArrayLength() ?? 0) == 0;
        if (!isEmpty)
            (vectors, tokens) = await Vectors.OfAsync(service.Engine, lease, request.Input, "input", request.Truncate != false,
                request.Dimensions is 0 ? null : request.Dimensions, context.RequestAborted).ConfigureAwait(false);
        var answer = new OllamaEmbeddings(request.Model!, vectors, Nanoseconds(Stopwatch.GetElapsedTime(start)),
            Nanoseconds(Stopwatch.GetElapsedTime(start, opened)), tokens);
        await JsonResponse.WriteAsync(context, answer, OllamaJson.Default.OllamaEmbeddings).ConfigureAwait(false);
    }

    private async Task EmbedOneAsync(HttpContext context)
    {
        OllamaEmbedRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaEmbedRequest).ConfigureAwait(false);
        ServedModel served = OllamaEndpoints.Find(service.Engine, request.Model);
        _ = new OllamaOptions(request.Options);
        using ModelLease lease = await service.Engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        float[] vector = [];
        if (Fields.IsSet(request.Prompt))
        {
            if (request.Prompt!.Value.ValueKind != JsonValueKind.String) throw ApiException.Field("prompt", "has to be a text");
            (float[][] vectors, _) = await Vectors.OfAsync(service.Engine, lease, request.Prompt, "prompt", cuts: true, null,
                context.RequestAborted).ConfigureAwait(false);
            vector = vectors[0];
        }
        await JsonResponse.WriteAsync(context, new OllamaEmbedding(vector), OllamaJson.Default.OllamaEmbedding).ConfigureAwait(false);
    }

    private static long Nanoseconds(TimeSpan time) => Math.Max(1, time.Ticks * 100);
}

/// <summary>The body of `POST /api/embed`, and of `/api/embeddings`, whose text is in `prompt`.</summary>
internal sealed record OllamaEmbedRequest
{
    public string? Model { get; init; }

    /// <summary>A text or a list of texts.</summary>
    public JsonElement? Input { get; init; }

    public JsonElement? Prompt { get; init; }

    /// <summary>Whether a text that is too long is cut (true where it says nothing) or refused.</summary>
    public bool? Truncate { get; init; }

    public int? Dimensions { get; init; }

    public JsonElement? KeepAlive { get; init; }

    public Dictionary<string, JsonElement>? Options { get; init; }
}

internal sealed record OllamaEmbeddings(string Model, float[][] Embeddings, long TotalDuration, long LoadDuration, int PromptEvalCount);

internal sealed record OllamaEmbedding(float[] Embedding);
