using System.Text.Json.Serialization;
using EdgeLlm.Server.Engine;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Http;

/// <summary>
/// `GET /lora-adapters`, as llama-server has it: the adapters of the service's model, or of the one that `?model=` names where that is
/// open.
/// </summary>
internal static class AdapterEndpoints
{
    public static void Map(IEndpointRouteBuilder routes, InferenceEngine engine) =>
        routes.MapGet("/lora-adapters", (RequestDelegate)(context =>
    {
        string? name = context.Request.Query["model"];
        name = string.IsNullOrEmpty(name) ? engine.Models.Own.Name : name;
        ServedModel served = engine.Find(name)
            ?? throw new ApiException(404, $"the model '{name}' is not here; this service has {engine.ModelNames}",
                "model_not_found", "model");
        ModelAdapters? offered = engine.OpenOf(served) is { } model ? model.Companion(() => new ModelAdapters()) : null;
        LoraAdapter[] adapters = [.. (offered?.Adapters ?? []).Select((adapter, i) => new LoraAdapter(
            i, adapter.Name, Path.GetFileName(adapter.Use.Adapter.Path.TrimEnd('/')),
            offered!.Of(served.Name).Adapters.FirstOrDefault(use => use.Adapter == adapter.Use.Adapter).Scale))];
        return JsonResponse.WriteAsync(context, adapters, AdapterJson.Default.LoraAdapterArray);
    }));
}

/// <param name="Path">The file's or folder's name.</param>
/// <param name="Scale">How strongly it acts where a request does not say; 0: not at all.</param>
internal sealed record LoraAdapter(int Id, string Name, string Path, float Scale);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(LoraAdapter[]))]
internal sealed partial class AdapterJson : JsonSerializerContext;
