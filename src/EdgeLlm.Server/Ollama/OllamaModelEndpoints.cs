using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Library;
using EdgeLlm.Tokenization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Ollama;

/// <summary>Ollama's endpoints about models: tags, show, ps, and its version.</summary>
internal sealed class OllamaModelEndpoints(InferenceEngine engine)
{
    /// <summary>When a model that stays loaded expires, as Ollama writes it.</summary>
    private const string Never = "2318-01-01T00:00:00Z";

    private static readonly string[] Read = ["GET", "HEAD"];

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/api/tags", Read, (RequestDelegate)(context =>
            JsonResponse.WriteAsync(context, new OllamaModels([.. engine.Models.All.Select(Entry)]), OllamaJson.Default.OllamaModels)));
        routes.MapPost("/api/show", (RequestDelegate)ShowAsync);
        routes.MapMethods("/api/ps", Read,
            (RequestDelegate)(context => JsonResponse.WriteAsync(context, Running(), OllamaJson.Default.OllamaRunningModels)));
        routes.MapMethods("/api/version", Read, (RequestDelegate)(context =>
            JsonResponse.WriteAsync(context,
                new OllamaVersion(OllamaVersion.Spoken, typeof(OllamaEndpoints).Assembly.GetName().Version!.ToString(3)),
                OllamaJson.Default.OllamaVersion)));
    }

    private async Task ShowAsync(HttpContext context)
    {
        OllamaShowRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaShowRequest).ConfigureAwait(false);
        ServedModel served = OllamaEndpoints.Find(engine, string.IsNullOrEmpty(request.Model) ? request.Name : request.Model);
        LanguageModel? model = engine.OpenOf(served);
        int length = model?.ContextLength ?? served.ContextLength;
        var information = new Dictionary<string, JsonElement>(served.Metadata)
        {
            ["general.architecture"] = Json(served.Family, OllamaJson.Default.String),
            ["general.basename"] = Json(served.Name, OllamaJson.Default.String),
            ["general.parameter_count"] = Json(served.Parameters, OllamaJson.Default.Int64),
            [$"{served.Family}.context_length"] = Json(length, OllamaJson.Default.Int32),
        };
        string template = (model is null || ModelTemplate.IsJinja(served.Template) ? served.ChatTemplate : model.ChatTemplateSource) ?? "";
        string? license = served.License
            ?? (served.Metadata.GetValueOrDefault("general.license") is { ValueKind: JsonValueKind.String } text ? text.GetString() : null);
        string parameters = ParametersOf(served, length);
        await JsonResponse.WriteAsync(context, new OllamaModelInformation(
            license, Modelfile.Of(served, parameters), parameters, template, Details(served), information,
            Capabilities(served, model, template), OllamaAnswer.TimeOf(served.Modified))
        {
            System = served.System,
            Messages = served.Messages.Count > 0 ? [.. served.Messages.Select(turn => new DerivedTurn(turn.Role, turn.Content))] : null,
        },
            OllamaJson.Default.OllamaModelInformation).ConfigureAwait(false);
    }

    /// <summary>A name and its value a line; the context is the one that is served, whatever was asked for.</summary>
    private static string ParametersOf(ServedModel served, int length)
    {
        var lines = new List<string> { string.Create(CultureInfo.InvariantCulture, $"num_ctx {length}") };
        foreach ((string name, JsonElement value) in served.DefaultOptions ?? new Dictionary<string, JsonElement>())
        {
            if (name == "num_ctx") continue;
            IEnumerable<JsonElement> values = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [value];
            lines.AddRange(values.Select(one => $"{name} {one.GetRawText()}"));
        }
        return string.Join('\n', lines);
    }

    /// <summary>
    /// Capabilities of a model, by Ollama's words; whether it fills gaps is known while it is open. Whoever has conversations takes tools,
    /// by the built-in instructions where its template knows none: editors offer only models that say so.
    /// </summary>
    private static string[] Capabilities(ServedModel served, LanguageModel? model, string template)
    {
        if (served.IsEncoder) return ["embedding"];
        var capabilities = new List<string> { "completion" };
        if (model is not null && FillInTheMiddle.Of(model.Tokenizer) is not null) capabilities.Add("insert");
        if (template.Length > 0) capabilities.Add("tools");
        if (Thinking.IsOf(template)) capabilities.Add("thinking");
        return [.. capabilities];
    }

    /// <summary>The models that are loaded; none until the service's own one is.</summary>
    private OllamaRunningModels Running()
    {
        if (engine.State != EngineState.Ready) return new OllamaRunningModels([]);
        Dictionary<string, ServedModel> served = engine.Models.All.DistinctBy(model => model.Path).ToDictionary(model => model.Path);
        return new OllamaRunningModels(
            [.. engine.Open.Where(open => served.ContainsKey(open.Path)).Select(open => Running(open, served[open.Path]))]);
    }

    private OllamaRunningModel Running(OpenModel open, ServedModel served) => new(
        served.TaggedName, served.TaggedName, open.Model.Plan.Total, engine.DigestOf(served), Details(served),
        open.Expires is { } time ? OllamaAnswer.TimeOf(time) : Never, 0,
        open.Model.ContextLength, engine.AnswersOf(open.Model) > 0, engine.Waiting);

    private OllamaModel Entry(ServedModel served) => new(
        served.TaggedName, served.TaggedName, OllamaAnswer.TimeOf(served.Modified), served.Size, engine.DigestOf(served), Details(served));

    private static OllamaDetails Details(ServedModel served) =>
        new("", "gguf", served.Family, [served.Family], SizeOf(served.Parameters), served.Quantization);

    /// <summary>As Ollama writes it: 134.5M, 1.1B.</summary>
    private static string SizeOf(long parameters) => parameters >= 1_000_000_000
        ? (parameters / 1e9).ToString("0.0", CultureInfo.InvariantCulture) + "B"
        : (parameters / 1e6).ToString("0.0#", CultureInfo.InvariantCulture) + "M";

    private static JsonElement Json<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.SerializeToElement(value, type);
}
