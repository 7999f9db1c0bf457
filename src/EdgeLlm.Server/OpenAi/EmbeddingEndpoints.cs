using System.Runtime.InteropServices;
using System.Text.Json;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's embeddings, and reranking as Jina's and Cohere's APIs have it.</summary>
internal sealed class EmbeddingEndpoints(AnswerService service)
{
    private static readonly string[] RerankPaths = ["/v1/rerank", "/v2/rerank", "/v1/reranking", "/rerank", "/reranking"];

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/embeddings", (RequestDelegate)EmbedAsync);
        foreach (string path in RerankPaths) routes.MapPost(path, (RequestDelegate)RerankAsync);
    }

    private async Task EmbedAsync(HttpContext context)
    {
        EmbeddingRequest request = await JsonResponse.ReadAsync(context, OpenAiJson.Default.EmbeddingRequest).ConfigureAwait(false);
        ServedModel served = service.Find(request.Model);
        bool isBase64 = request.EncodingFormat switch
        {
            null or "" or "float" => false,
            "base64" => true,
            _ => throw ApiException.Field("encoding_format", $"is '{request.EncodingFormat}'; it has to be float or base64"),
        };
        using ModelLease lease = await service.Engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        (float[][] vectors, int tokens) = await Vectors.OfAsync(service.Engine, lease, request.Input, "input", cuts: false,
            request.Dimensions, context.RequestAborted).ConfigureAwait(false);
        EmbeddingEntry[] entries = [.. vectors.Select((vector, i) => new EmbeddingEntry(i, isBase64
            ? JsonSerializer.SerializeToElement(Convert.ToBase64String(MemoryMarshal.AsBytes(vector.AsSpan())), OpenAiJson.Default.String)
            : JsonSerializer.SerializeToElement(vector, OpenAiJson.Default.SingleArray)))];
        await JsonResponse.WriteAsync(context, new EmbeddingList(served.Name, entries, new EmbeddingUsage(tokens, tokens)),
            OpenAiJson.Default.EmbeddingList).ConfigureAwait(false);
    }

    private async Task RerankAsync(HttpContext context)
    {
        RerankRequest request = await JsonResponse.ReadAsync(context, OpenAiJson.Default.RerankRequest).ConfigureAwait(false);
        ServedModel served = service.Find(request.Model);
        string query = request.Query ?? throw ApiException.Field("query", "is missing");
        string[] documents = Documents(request.Documents);
        if (request.TopN < 0) throw ApiException.Field("top_n", $"is {request.TopN}; it has to be 1 or more");
        using ModelLease lease = await service.Engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        TextEncoder encoder = Vectors.EncoderOf(lease);
        if (encoder.Labels != 1)
            throw new ApiException(400, $"the model '{served.Name}' has no classifier with one label: reranking takes a cross-encoder",
                "unsupported_model", "model");
        var ranked = new List<RankedText>();
        int tokens = 0;
        for (int i = 0; i < documents.Length; i++)
        {
            int index = i;
            RankedText one = await Vectors.ComputeAsync(service.Engine, "documents",
                () => encoder.Rerank(query, [documents[index]], context.RequestAborted)[0], context.RequestAborted).ConfigureAwait(false);
            ranked.Add(one with { Index = index });
            tokens += encoder.Tokenizer.Encode(query, addSpecial: true).Length + encoder.Tokenizer.Encode(documents[index]).Length + 1;
        }
        int most = request.TopN is > 0 and var top ? Math.Min(top, ranked.Count) : ranked.Count;
        RerankResult[] results = [.. ranked.OrderByDescending(one => one.Score).Take(most)
            .Select(one => new RerankResult(one.Index, one.Relevance) { Document = request.ReturnDocuments == true
                ? new RerankDocument(one.Text) : null })];
        var answer = new RerankAnswer("rerank-" + Guid.NewGuid().ToString("N"), served.Name, results, new EmbeddingUsage(tokens, tokens),
            new RerankMeta(new BilledUnits(1)));
        await JsonResponse.WriteAsync(context, answer, OpenAiJson.Default.RerankAnswer).ConfigureAwait(false);
    }

    /// <summary>Texts, or objects with one in `text`.</summary>
    private static string[] Documents(JsonElement? field)
    {
        if (field is not { ValueKind: JsonValueKind.Array } list || list.GetArrayLength() == 0)
            throw ApiException.Field("documents", "has to be a list with at least one text");
        if (list.GetArrayLength() > Vectors.MostTexts)
            throw ApiException.Field("documents", $"has {list.GetArrayLength()} texts; at most {Vectors.MostTexts} are taken");
        return [.. list.EnumerateArray().Select((item, i) => item.ValueKind switch
        {
            JsonValueKind.String => item.GetString()!,
            JsonValueKind.Object when item.TryGetProperty("text", out JsonElement text)
                && text.ValueKind == JsonValueKind.String => text.GetString()!,
            _ => throw ApiException.Field($"documents[{i}]", "has to be a text, or an object with one in text"),
        })];
    }
}

/// <summary>The body of `POST /v1/embeddings`.</summary>
internal sealed record EmbeddingRequest
{
    public string? Model { get; init; }

    /// <summary>A text, tokens, or a list of either.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>`float` or `base64`, little-endian floats of 32 bits.</summary>
    public string? EncodingFormat { get; init; }

    /// <summary>Numbers of a vector: the first ones, scaled to length 1 again.</summary>
    public int? Dimensions { get; init; }
}

internal sealed record EmbeddingList(string Model, EmbeddingEntry[] Data, EmbeddingUsage Usage)
{
    public string Object => "list";
}

internal sealed record EmbeddingEntry(int Index, JsonElement Embedding)
{
    public string Object => "embedding";
}

internal sealed record EmbeddingUsage(int PromptTokens, int TotalTokens);

/// <summary>The body of a request to rerank.</summary>
internal sealed record RerankRequest(string? Model, string? Query, JsonElement? Documents, int? TopN, bool? ReturnDocuments);

/// <summary>Documents by relevance, best first, with the fields of Jina's answer (object, usage) and of Cohere's (id, meta).</summary>
internal sealed record RerankAnswer(string Id, string Model, RerankResult[] Results, EmbeddingUsage Usage, RerankMeta Meta)
{
    public string Object => "list";
}

/// <param name="RelevanceScore">0 to 1.</param>
internal sealed record RerankResult(int Index, double RelevanceScore)
{
    public RerankDocument? Document { get; init; }
}

internal sealed record RerankDocument(string Text);

internal sealed record RerankMeta(BilledUnits BilledUnits);

internal sealed record BilledUnits(int SearchUnits);
