using System.Text;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's API: chat completions and models.</summary>
internal sealed class OpenAiEndpoints(InferenceEngine engine, ServerOptions settings, ServerLog log)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/chat/completions", (RequestDelegate)CompleteAsync);
        routes.MapGet("/v1/models", (RequestDelegate)(context => JsonResponse.WriteAsync(context, new ModelList([.. engine.Models.All.Select(Entry)]), OpenAiJson.Default.ModelList)));
        routes.MapGet("/v1/models/{**id}", (RequestDelegate)(context => // names may have slashes
        {
            ServedModel served = Find(context.Request.RouteValues["id"] as string);
            return JsonResponse.WriteAsync(context, Entry(served), OpenAiJson.Default.ModelEntry);
        }));
    }

    private async Task CompleteAsync(HttpContext context)
    {
        ChatCompletionRequest request = await JsonResponse.ReadAsync(context, OpenAiJson.Default.ChatCompletionRequest).ConfigureAwait(false);
        ServedModel served = Find(request.Model);
        if (request.Messages is not { Count: > 0 } messages) throw ApiException.Field("messages", "has to be a list with at least one message");
        ContextPolicy whenFull = request.WhenFull(settings.WhenFull);
        using ModelLease lease = await engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        (LanguageModel Model, ChatFormat Format) current = Prompts.ChatOf(lease);
        GenerationOptions options = request.ToOptions(current.Model.Info.VocabularySize);
        List<ChatMessage> turns = [.. messages.Select((message, i) => (message ?? throw ApiException.Field($"messages[{i}]", "is null")).ToTurn($"messages[{i}]"))];
        engine.RequireRoom();
        List<int> prompt = await Prompts.EncodeAsync(current, turns, options.MaxTokens, whenFull, context.RequestAborted).ConfigureAwait(false);
        options = await Prompts.ReuseAsync(options, current, turns, prompt, context).ConfigureAwait(false);
        Answer answer = engine.Submit(
            lease, new AnswerRequest(prompt) { Options = Prompts.Limit(options, current.Model, prompt.Count), Client = AccessRules.ClientOf(context), Priority = request.Priority }, context.RequestAborted);
        var head = new Head("chatcmpl-" + Guid.NewGuid().ToString("N"), DateTimeOffset.UtcNow.ToUnixTimeSeconds(), served.Name, engine.FingerprintOf(current.Model));
        if (request.Stream == true) await StreamAsync(context, answer, head, request.StreamOptions?.IncludeUsage == true).ConfigureAwait(false);
        else await AnswerAsync(context, answer, head).ConfigureAwait(false);
        log.Answer(context, answer);
    }

    private static async Task AnswerAsync(HttpContext context, Answer answer, Head head)
    {
        var text = new StringBuilder();
        await foreach (string piece in answer.ReadAsync().ConfigureAwait(false)) text.Append(piece);
        var choice = new Choice(0, new ResponseMessage("assistant", text.ToString()), FinishReasonOf(answer));
        var completion = new ChatCompletion(head.Id, head.Created, head.Model, head.Fingerprint, [choice], Usage.Of(answer.Statistics)) { Timings = Timings.Of(answer.Statistics) };
        await JsonResponse.WriteAsync(context, completion, OpenAiJson.Default.ChatCompletion).ConfigureAwait(false);
    }

    private async Task StreamAsync(HttpContext context, Answer answer, Head head, bool includeUsage)
    {
        using JsonStream stream = await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
        while (!await answer.HasBegunAsync(settings.SignInterval).ConfigureAwait(false)) await stream.WriteCommentAsync().ConfigureAwait(false);
        bool first = true;
        await foreach (string piece in answer.ReadAsync().ConfigureAwait(false))
        {
            await WriteAsync(new ChunkChoice(0, new Delta(first ? "assistant" : null, piece))).ConfigureAwait(false);
            first = false;
        }
        if (first) await WriteAsync(new ChunkChoice(0, new Delta("assistant", ""))).ConfigureAwait(false);
        await WriteAsync(new ChunkChoice(0, new Delta()) { FinishReason = FinishReasonOf(answer) }).ConfigureAwait(false);
        if (includeUsage) await stream.WriteAsync(Chunk() with { Usage = Usage.Of(answer.Statistics), Timings = Timings.Of(answer.Statistics) }, OpenAiJson.Default.ChatCompletionChunk).ConfigureAwait(false);
        await stream.WriteDoneAsync().ConfigureAwait(false);

        Task WriteAsync(ChunkChoice choice) => stream.WriteAsync(Chunk(choice), OpenAiJson.Default.ChatCompletionChunk);

        ChatCompletionChunk Chunk(params ChunkChoice[] choices) => new(head.Id, head.Created, head.Model, head.Fingerprint, choices);
    }

    private ServedModel Find(string? name)
    {
        if (string.IsNullOrEmpty(name)) throw ApiException.Field("model", $"is missing; this service has '{engine.Models.Own.Name}'");
        return engine.Find(name) ?? throw new ApiException(404, $"the model '{name}' is not here; this service has {engine.ModelNames}", "model_not_found", "model");
    }

    private static ModelEntry Entry(ServedModel served) => new(served.Name, served.Modified.ToUnixTimeSeconds());

    private static string FinishReasonOf(Answer answer) => answer.Statistics.WasCutShort ? "length" : "stop";

    /// <summary>What all chunks of an answer have in common.</summary>
    private sealed record Head(string Id, long Created, string Model, string? Fingerprint);
}
