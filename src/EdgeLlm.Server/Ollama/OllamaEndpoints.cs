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

namespace EdgeLlm.Server.Ollama;

/// <summary>Ollama's API: chat and generate; <see cref="OllamaModelEndpoints"/> tells of models.</summary>
internal sealed class OllamaEndpoints(InferenceEngine engine, ServerOptions settings, ServerLog log)
{
    private static readonly TimeSpan FirstSign = TimeSpan.FromMilliseconds(500);

    private int _longestContextAskedFor;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/chat", (RequestDelegate)ChatAsync);
        routes.MapPost("/api/generate", (RequestDelegate)GenerateAsync);
    }

    private async Task ChatAsync(HttpContext context)
    {
        OllamaChatRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaChatRequest).ConfigureAwait(false);
        ServedModel served = Find(engine, request.Model);
        GenerationOptions options = request.ToOptions(served.Name);
        if (Fields.IsSet(request.Tools)) throw new ApiException(400, $"\"{request.Model}\" does not support tools");
        if (request.Messages is not { Count: > 0 } messages)
        {
            await LoadAsync(context, served, request, Piece).ConfigureAwait(false);
            return;
        }
        List<ChatMessage> turns = [.. messages.Select((message, i) => (message ?? throw ApiException.Field($"messages[{i}]", "is null")).ToTurn($"messages[{i}]"))];
        engine.RequireRoom();
        using ModelLease lease = await UseAsync(served, request, context.RequestAborted).ConfigureAwait(false);
        (LanguageModel Model, ChatFormat Format) current = Prompts.ChatOf(lease);
        NoteContextLength(context, request, current.Model);
        ContextPolicy whenFull = request.WhenFull(settings.WhenFull);
        List<int> prompt = await Prompts.EncodeAsync(current, turns, options.MaxTokens, whenFull, context.RequestAborted).ConfigureAwait(false);
        options = await Prompts.ReuseAsync(options, current, turns, prompt, context).ConfigureAwait(false);
        options = options with { WhenContextIsFull = whenFull, Shift = request.Shift == true && whenFull == ContextPolicy.DropOldestTurns };
        await AnswerAsync(context, lease, request, new AnswerRequest(prompt) { Options = options, Shorten = options.Shift ? Prompts.Shortening(current, turns) : null }, Piece, withContext: false).ConfigureAwait(false);

        OllamaAnswer Piece(string text) => new(request.Model!, OllamaAnswer.Now(), false) { Message = new OllamaAnswerMessage("assistant", text) };
    }

    private async Task GenerateAsync(HttpContext context)
    {
        OllamaGenerateRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaGenerateRequest).ConfigureAwait(false);
        ServedModel served = Find(engine, request.Model);
        GenerationOptions options = request.ToOptions(served.Name);
        if (!string.IsNullOrEmpty(request.Suffix)) throw new ApiException(400, $"\"{request.Model}\" does not support insert");
        if (!string.IsNullOrEmpty(request.Template)) throw ApiException.Unsupported("template", "only the model's own chat template is used; raw: true uses none");
        if (Fields.IsSet(request.Images)) throw ApiException.Unsupported("images", "this model reads text only");
        if (string.IsNullOrEmpty(request.Prompt))
        {
            await LoadAsync(context, served, request, Piece).ConfigureAwait(false);
            return;
        }
        engine.RequireRoom();
        using ModelLease lease = await UseAsync(served, request, context.RequestAborted).ConfigureAwait(false);
        (LanguageModel Model, ChatFormat Format) current = Prompts.ChatOf(lease);
        NoteContextLength(context, request, current.Model);
        List<int> prompt = await PromptAsync(request, current, context.RequestAborted).ConfigureAwait(false);
        bool beginsWithSystem = request.Raw != true && request.Context is not { Length: > 0 } && !string.IsNullOrEmpty(request.System);
        options = await Prompts.ReuseAsync(options, current, beginsWithSystem ? [new ChatMessage("system", request.System!)] : null, prompt, context).ConfigureAwait(false);
        // One question has no turns to drop: where it may not be cut, it is refused.
        ContextPolicy whenFull = request.WhenFull(settings.WhenFull) == ContextPolicy.Error ? ContextPolicy.Error : ContextPolicy.Cut;
        Prompts.RequireRoomFor(options.MaxTokens, prompt.Count, current.Model.ContextLength, whenFull);
        await AnswerAsync(context, lease, request, new AnswerRequest(prompt) { Options = options with { WhenContextIsFull = whenFull } }, Piece, withContext: request.Raw != true).ConfigureAwait(false);

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
        if (before.Count == 0) return await Prompts.EncodeAsync(current, turns, 0, ContextPolicy.Cut, cancellation).ConfigureAwait(false);
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

    private async Task AnswerAsync(HttpContext context, ModelLease lease, OllamaRequest request, AnswerRequest asked, Func<string, OllamaAnswer> piece, bool withContext)
    {
        asked = asked with { Options = Prompts.Limit(asked.Options, lease.Model, asked.Prompt.Count), Client = AccessRules.ClientOf(context) };
        Answer answer = engine.Submit(lease, asked, context.RequestAborted);
        if (request.Streams)
        {
            using JsonStream stream = await JsonStream.OfLinesAsync(context).ConfigureAwait(false);
            // The first sign comes soon: whoever has to wait wants to know.
            for (TimeSpan wait = FirstSign; !await answer.HasBegunAsync(wait < settings.SignInterval ? wait : settings.SignInterval).ConfigureAwait(false); wait = settings.SignInterval)
                await stream.WriteAsync(piece("") with { QueuePosition = engine.CountBefore(answer) }, OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
            await foreach (string text in answer.ReadAsync().ConfigureAwait(false)) await stream.WriteAsync(piece(text), OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
            await stream.WriteAsync(piece("").EndOf(answer, Tokens()), OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
        }
        else
        {
            var all = new StringBuilder();
            await foreach (string text in answer.ReadAsync().ConfigureAwait(false)) all.Append(text);
            await JsonResponse.WriteAsync(context, piece(all.ToString()).EndOf(answer, Tokens()), OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
        }
        log.Answer(context, answer);

        IReadOnlyList<int>? Tokens() => withContext ? [.. answer.Request.Prompt, .. answer.Tokens] : null;
    }

    /// <summary>A request with nothing to answer asks for the model to be loaded or let go.</summary>
    private async Task LoadAsync(HttpContext context, ServedModel served, OllamaRequest request, Func<string, OllamaAnswer> piece)
    {
        if (request.Unloads) engine.Close(served);
        else (await UseAsync(served, request, context.RequestAborted).ConfigureAwait(false)).Dispose();
        OllamaAnswer answer = piece("") with { Done = true, DoneReason = request.Unloads ? "unload" : "load" };
        if (!request.Streams)
        {
            await JsonResponse.WriteAsync(context, answer, OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
            return;
        }
        using JsonStream stream = await JsonStream.OfLinesAsync(context).ConfigureAwait(false);
        await stream.WriteAsync(answer, OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
    }

    /// <summary>The model of a name.</summary>
    /// <exception cref="ApiException">There is none, or its file can't be read.</exception>
    internal static ServedModel Find(InferenceEngine engine, string? name)
    {
        if (string.IsNullOrEmpty(name)) throw new ApiException(400, "model is required");
        if (engine.Find(name) is { } served) return served;
        string names = engine.ModelNames;
        throw new ApiException(404, $"model '{name}' not found; {(names.Contains(',', StringComparison.Ordinal) ? $"the models here are {names}" : $"the model here is {names}")}");
    }

    /// <summary>The model in use, which stays loaded for as long as the request says.</summary>
    private async Task<ModelLease> UseAsync(ServedModel served, OllamaRequest request, CancellationToken cancellation)
    {
        TimeSpan? keep = request.KeepsFor;
        ModelLease lease = await engine.UseAsync(served, cancellation).ConfigureAwait(false);
        if (keep is { } time && served != engine.Models.Own) lease.KeepFor(time);
        return lease;
    }
}
