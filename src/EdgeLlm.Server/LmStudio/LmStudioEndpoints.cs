using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.LmStudio;

/// <summary>LM Studio's list of models, by which its clients learn contexts.</summary>
internal sealed class LmStudioEndpoints(AnswerService service)
{
    /// <summary>The path of this API.</summary>
    public const string Path = "/api/v0";

    private static readonly string[] Read = ["GET", "HEAD"];

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/api/v0/models", Read, (RequestDelegate)(context =>
            JsonResponse.WriteAsync(context, new LmStudioModels([.. service.Engine.Models.All.Select(Entry)]),
                LmStudioJson.Default.LmStudioModels)));
        routes.MapMethods("/api/v0/models/{**id}", Read, (RequestDelegate)(context =>
            JsonResponse.WriteAsync(context, Entry(service.Find(context.Request.RouteValues["id"] as string)),
                LmStudioJson.Default.LmStudioModel)));
    }

    private LmStudioModel Entry(ServedModel served)
    {
        int? loaded = service.Engine.OpenOf(served)?.ContextLength;
        int trained = served.Metadata.GetValueOrDefault($"{served.Family}.context_length") is { ValueKind: JsonValueKind.Number } value
            && value.TryGetInt32(out int number) ? number : 0;
        return new LmStudioModel(
            served.Name, served.IsEncoder ? "embeddings" : "llm", "edgellm", served.Family, served.Quantization,
            loaded is null ? "not-loaded" : "loaded", Math.Max(trained, loaded ?? served.ContextLength))
        {
            LoadedContextLength = loaded,
        };
    }
}

internal sealed record LmStudioModels(LmStudioModel[] Data)
{
    public string Object => "list";
}

/// <param name="Type">`llm` or `embeddings`.</param>
/// <param name="State">`loaded` or `not-loaded`.</param>
/// <param name="MaxContextLength">Tokens that it was trained on.</param>
internal sealed record LmStudioModel(string Id, string Type, string Publisher, string Arch, string Quantization,
    string State, int MaxContextLength)
{
    public string Object => "model";

    public string CompatibilityType => "gguf";

    /// <summary>Tokens of a context as it is served.</summary>
    public int? LoadedContextLength { get; init; }
}

/// <summary>How the types of LM Studio's API are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LmStudioModels))]
internal sealed partial class LmStudioJson : JsonSerializerContext;
