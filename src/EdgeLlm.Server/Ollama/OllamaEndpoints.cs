using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Ollama;

/// <summary>Ollama's API: chat, generate, tags, show, ps, version.</summary>
internal sealed class OllamaEndpoints(InferenceEngine engine, ServedModel served, ServerOptions settings, ServerLog log)
{
    private static readonly TimeSpan FirstSign = TimeSpan.FromMilliseconds(500);

    /// <summary>When a model that stays loaded expires, as Ollama writes it.</summary>
    private const string Never = "2318-01-01T00:00:00Z";

    private static readonly string[] Read = ["GET", "HEAD"];

    private int _longestContextAskedFor;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/chat", (RequestDelegate)ChatAsync);
        routes.MapPost("/api/generate", (RequestDelegate)GenerateAsync);
        routes.MapMethods("/api/tags", Read, (RequestDelegate)(context => JsonResponse.WriteAsync(context, new OllamaModels([Entry()]), OllamaJson.Default.OllamaModels)));
        routes.MapPost("/api/show", (RequestDelegate)ShowAsync);
        routes.MapMethods("/api/ps", Read, (RequestDelegate)(context => JsonResponse.WriteAsync(context, Running(), OllamaJson.Default.OllamaRunningModels)));
        routes.MapMethods("/api/version", Read, (RequestDelegate)(context =>
            JsonResponse.WriteAsync(context, new OllamaVersion(typeof(OllamaEndpoints).Assembly.GetName().Version!.ToString(3)), OllamaJson.Default.OllamaVersion)));
    }

    private async Task ChatAsync(HttpContext context)
    {
        OllamaChatRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaChatRequest).ConfigureAwait(false);
        RequireModel(request.Model);
        GenerationOptions options = request.ToOptions(served.Name);
        if (Fields.IsSet(request.Tools)) throw new ApiException(400, $"\"{request.Model}\" does not support tools");
        (LanguageModel Model, ChatFormat Format) current = engine.Current;
        if (request.Messages is not { Count: > 0 } messages)
        {
            await SayThatItIsLoadedAsync(context, request, Piece).ConfigureAwait(false);
            return;
        }
        List<ChatMessage> turns = [.. messages.Select((message, i) => (message ?? throw ApiException.Field($"messages[{i}]", "is null")).ToTurn($"messages[{i}]"))];
        engine.RequireRoom();
        NoteContextLength(context, request, current.Model);
        bool mayDrop = request.Truncate != false;
        List<int> prompt = await Prompts.EncodeAsync(current, turns, options.MaxTokens, mayDrop, context.RequestAborted).ConfigureAwait(false);
        options = await Prompts.ReuseAsync(options, current, turns, prompt, context).ConfigureAwait(false);
        await AnswerAsync(context, request, prompt, options, Piece, withContext: false).ConfigureAwait(false);

        OllamaAnswer Piece(string text) => new(request.Model!, OllamaAnswer.Now(), false) { Message = new OllamaAnswerMessage("assistant", text) };
    }

    private async Task GenerateAsync(HttpContext context)
    {
        OllamaGenerateRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaGenerateRequest).ConfigureAwait(false);
        RequireModel(request.Model);
        GenerationOptions options = request.ToOptions(served.Name);
        if (!string.IsNullOrEmpty(request.Suffix)) throw new ApiException(400, $"\"{request.Model}\" does not support insert");
        if (!string.IsNullOrEmpty(request.Template)) throw ApiException.Unsupported("template", "only the model's own chat template is used; raw: true uses none");
        if (Fields.IsSet(request.Images)) throw ApiException.Unsupported("images", "this model reads text only");
        (LanguageModel Model, ChatFormat Format) current = engine.Current;
        if (string.IsNullOrEmpty(request.Prompt))
        {
            await SayThatItIsLoadedAsync(context, request, Piece).ConfigureAwait(false);
            return;
        }
        engine.RequireRoom();
        NoteContextLength(context, request, current.Model);
        List<int> prompt = await PromptAsync(request, current, context.RequestAborted).ConfigureAwait(false);
        bool beginsWithSystem = request.Raw != true && request.Context is not { Length: > 0 } && !string.IsNullOrEmpty(request.System);
        options = await Prompts.ReuseAsync(options, current, beginsWithSystem ? [new ChatMessage("system", request.System!)] : null, prompt, context).ConfigureAwait(false);
        await AnswerAsync(context, request, prompt, options, Piece, withContext: request.Raw != true).ConfigureAwait(false);

        OllamaAnswer Piece(string text) => new(request.Model!, OllamaAnswer.Now(), false) { Response = text };
    }

    /// <summary>
    /// Logs that a client counts on a longer context than there is, once for each length that is longer than those before. Not refused: Ollama cuts
    /// num_ctx down as well, and clients such as Home Assistant always send one (8192).
    /// </summary>
    private void NoteContextLength(HttpContext context, OllamaRequest request, LanguageModel model)
    {
        int asked = request.ContextLength;
        if (asked <= model.ContextLength || asked <= Volatile.Read(ref _longestContextAskedFor)) return;
        Volatile.Write(ref _longestContextAskedFor, asked);
        log.Warning($"{AccessRules.ClientOf(context)} asks for a context of {asked} tokens (num_ctx) and gets the {model.ContextLength} that are served; the setting context (--context) makes it longer");
    }

    private static async Task<List<int>> PromptAsync(
        OllamaGenerateRequest request, (LanguageModel Model, ChatFormat Format) current, CancellationToken cancellation)
    {
        List<int> before = [.. request.Context ?? []];
        if (before.Any(token => (uint)token >= (uint)current.Model.Info.VocabularySize)) throw ApiException.Field("context", "has a token that this model does not have");
        // As in Ollama, a model without a template continues the prompt; a system prompt would be lost, so that is refused.
        bool continues = request.Raw == true || (!current.Format.HasTemplate && string.IsNullOrEmpty(request.System));
        if (continues) return [.. before, .. Prompts.EncodeRaw(current.Model.Tokenizer, request.Prompt!, isFirst: before.Count == 0)];
        var turns = new List<ChatMessage>();
        if (!string.IsNullOrEmpty(request.System)) turns.Add(new ChatMessage("system", request.System));
        turns.Add(new ChatMessage("user", request.Prompt!));
        if (before.Count == 0) return await Prompts.EncodeAsync(current, turns, 0, dropOldest: false, cancellation).ConfigureAwait(false);
        try
        {
            return await Prompts.EncodeAfterAsync(current, before, turns, cancellation).ConfigureAwait(false);
        }
        catch (ChatTemplateException) when (turns.Count > 1)
        {
            // Many templates take a system turn as the first one only.
            turns = [new ChatMessage("user", $"{request.System}\n\n{request.Prompt}")];
            return await Prompts.EncodeAfterAsync(current, before, turns, cancellation).ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(HttpContext context, OllamaRequest request, List<int> prompt, GenerationOptions options, Func<string, OllamaAnswer> piece, bool withContext)
    {
        AnswerJob job = engine.Submit(AccessRules.ClientOf(context), prompt, Prompts.Limit(options, engine.Current.Model, prompt.Count), context.RequestAborted);
        if (request.Streams)
        {
            using JsonStream stream = await JsonStream.OfLinesAsync(context).ConfigureAwait(false);
            // The first sign comes soon: whoever has to wait wants to know.
            for (TimeSpan wait = FirstSign; !await job.HasBegunAsync(wait < settings.SignInterval ? wait : settings.SignInterval).ConfigureAwait(false); wait = settings.SignInterval)
                await stream.WriteAsync(piece("") with { QueuePosition = engine.CountBefore(job) }, OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
            await foreach (string text in job.ReadAsync().ConfigureAwait(false)) await stream.WriteAsync(piece(text), OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
            await stream.WriteAsync(piece("").EndOf(job, Tokens()), OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
        }
        else
        {
            var all = new StringBuilder();
            await foreach (string text in job.ReadAsync().ConfigureAwait(false)) all.Append(text);
            await JsonResponse.WriteAsync(context, piece(all.ToString()).EndOf(job, Tokens()), OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
        }
        log.Answer(context, job);

        IReadOnlyList<int>? Tokens() => withContext ? [.. job.Prompt, .. job.Tokens] : null;
    }

    /// <summary>A request with nothing to answer asks for the model to be loaded (it is) or let go (it is mapped: the system drops its pages when it needs them).</summary>
    private static async Task SayThatItIsLoadedAsync(HttpContext context, OllamaRequest request, Func<string, OllamaAnswer> piece)
    {
        OllamaAnswer answer = piece("") with { Done = true, DoneReason = request.Unloads ? "unload" : "load" };
        if (!request.Streams)
        {
            await JsonResponse.WriteAsync(context, answer, OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
            return;
        }
        using JsonStream stream = await JsonStream.OfLinesAsync(context).ConfigureAwait(false);
        await stream.WriteAsync(answer, OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
    }

    private async Task ShowAsync(HttpContext context)
    {
        OllamaShowRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaShowRequest).ConfigureAwait(false);
        RequireModel(string.IsNullOrEmpty(request.Model) ? request.Name : request.Model);
        LanguageModel model = engine.Current.Model;
        var information = new Dictionary<string, JsonElement>(served.Metadata)
        {
            ["general.architecture"] = Json(served.Family, OllamaJson.Default.String),
            ["general.basename"] = Json(served.Name, OllamaJson.Default.String),
            ["general.parameter_count"] = Json(served.Parameters, OllamaJson.Default.Int64),
            [$"{served.Family}.context_length"] = Json(model.ContextLength, OllamaJson.Default.Int32),
        };
        string template = model.ChatTemplateSource ?? "";
        string? license = served.Metadata.GetValueOrDefault("general.license") is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
        string parameters = string.Create(CultureInfo.InvariantCulture, $"num_ctx {model.ContextLength}");
        await JsonResponse.WriteAsync(context, new OllamaModelInformation(
            license, $"FROM {served.Name}\nPARAMETER {parameters}\n", parameters, template, Details(), information, ["completion"], OllamaAnswer.TimeOf(served.Modified)),
            OllamaJson.Default.OllamaModelInformation).ConfigureAwait(false);
    }

    private static JsonElement Json<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.SerializeToElement(value, type);

    /// <summary>The model, once it is loaded; until then nothing runs.</summary>
    private OllamaRunningModels Running()
    {
        if (engine.State != EngineState.Ready) return new OllamaRunningModels([]);
        LanguageModel model = engine.Current.Model;
        return new OllamaRunningModels([new OllamaRunningModel(served.TaggedName, served.TaggedName, model.Plan.Total, engine.Digest, Details(), Never, 0, model.ContextLength, engine.IsComputing, engine.Waiting)]);
    }

    private void RequireModel(string? name)
    {
        if (string.IsNullOrEmpty(name)) throw new ApiException(400, "model is required");
        if (!served.IsCalled(name)) throw new ApiException(404, $"model '{name}' not found; the model here is '{served.Name}'");
    }

    private OllamaModel Entry() => new(
        served.TaggedName, served.TaggedName, OllamaAnswer.TimeOf(served.Modified), served.Size, engine.Digest,
        Details());

    private OllamaDetails Details() => new("", "gguf", served.Family, [served.Family], SizeOf(served.Parameters), served.Quantization);

    /// <summary>As Ollama writes it: 134.5M, 1.1B.</summary>
    private static string SizeOf(long parameters) => parameters >= 1_000_000_000
        ? (parameters / 1e9).ToString("0.0", CultureInfo.InvariantCulture) + "B"
        : (parameters / 1e6).ToString("0.0#", CultureInfo.InvariantCulture) + "M";
}
