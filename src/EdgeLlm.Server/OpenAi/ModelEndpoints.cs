using System.Text.Json;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Anthropic;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's list of models, with what vLLM and llama.cpp's server add of their contexts.</summary>
internal sealed class ModelEndpoints(AnswerService service)
{
    private static readonly string[] Read = ["GET", "HEAD"];

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1/models", Read, (RequestDelegate)(context => context.Request.Headers.ContainsKey("anthropic-version")
            ? JsonResponse.WriteAsync(context, AnthropicModels.Of(service.Engine.Models.All), AnthropicJson.Default.AnthropicModels)
            : JsonResponse.WriteAsync(context, new ModelList([.. service.Engine.Models.All.Select(Entry)]), OpenAiJson.Default.ModelList)));
        routes.MapMethods("/v1/models/{**id}", Read, (RequestDelegate)(context => // names may have slashes
            JsonResponse.WriteAsync(context, Entry(service.Find(context.Request.RouteValues["id"] as string)),
                OpenAiJson.Default.ModelEntry)));
    }

    private ModelEntry Entry(ServedModel served)
    {
        int length = service.Engine.ContextOf(served);
        return new ModelEntry(served.Name, served.Modified.ToUnixTimeSeconds())
        {
            ContextLength = length > 0 ? length : null,
            MaxModelLen = length > 0 ? length : null,
            Meta = new ModelMeta(length, Number(served, "context_length"), Number(served, "embedding_length"),
                served.Parameters, served.Size),
        };
    }

    private static int? Number(ServedModel served, string key) =>
        served.Metadata.GetValueOrDefault($"{served.Family}.{key}") is { ValueKind: JsonValueKind.Number } value
            && value.TryGetInt32(out int number) ? number : null;
}
