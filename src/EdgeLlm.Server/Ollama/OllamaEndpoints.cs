using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.OpenAi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Ollama;

/// <summary>Ollama's API: chat and generate; <see cref="OllamaModelEndpoints"/> tells of models.</summary>
internal sealed class OllamaEndpoints(AnswerService service, ServerLog log)
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
        ServedModel served = Find(service.Engine, request.Model);
        if (request.Messages is not { Count: > 0 })
        {
            await LoadAsync(context, served, request, Piece).ConfigureAwait(false);
            return;
        }
        await AnswerAsync(context, request, request.ToRequest(served, service.Settings.WhenFull), Piece, withContext: false)
            .ConfigureAwait(false);

        OllamaAnswer Piece(string text, string thought) =>
            new(request.Model!, OllamaAnswer.Now(), false)
            {
                Message =
                new OllamaAnswerMessage("assistant", text) { Thinking = thought.Length > 0 ? thought : null }
            };
    }

    private async Task GenerateAsync(HttpContext context)
    {
        OllamaGenerateRequest request =
            await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaGenerateRequest).ConfigureAwait(false);
        ServedModel served = Find(service.Engine, request.Model);
        if (request.IsEmpty)
        {
            await LoadAsync(context, served, request, Piece).ConfigureAwait(false);
            return;
        }
        await AnswerAsync(context, request, request.ToRequest(served, service.Settings.WhenFull), Piece, withContext: request.Raw != true)
            .ConfigureAwait(false);

        OllamaAnswer Piece(string text, string thought) =>
            new(request.Model!, OllamaAnswer.Now(), false) { Response = text, Thinking = thought.Length > 0 ? thought : null };
    }

    /// <summary>
    /// Logs that a client counts on a longer context than there is, once for each length that is longer than those before. Not refused:
    /// Ollama cuts num_ctx down as well, and clients such as Home Assistant always send one (8192).
    /// </summary>
    private void NoteContextLength(HttpContext context, int asked, int served)
    {
        if (asked <= served || asked <= Volatile.Read(ref _longestContextAskedFor)) return;
        Volatile.Write(ref _longestContextAskedFor, asked);
        log.Warning(
            $"{AccessRules.ClientOf(context)} asks for a context of {asked} tokens (num_ctx) and gets the {served} that are served; the "
                + "setting context (--context) makes it longer");
    }

    private async Task AnswerAsync(HttpContext context, OllamaRequest request, GenerationRequest asked,
        Func<string, string, OllamaAnswer> piece, bool withContext)
    {
        using AnswerRun run = await service.BeginAsync(context, asked).ConfigureAwait(false);
        NoteContextLength(context, request.OptionsFor(run.Served).ContextLength, run.Model.ContextLength);
        if (request.Streams)
        {
            using JsonStream stream = await JsonStream.OfLinesAsync(context).ConfigureAwait(false);
            // The first sign comes soon: whoever has to wait wants to know.
            TimeSpan usual = service.Settings.SignInterval, first = FirstSign < usual ? FirstSign : usual;
            bool tellsProgress = request.ReturnProgress == true;
            for (TimeSpan wait = first; !await run.HasBegunAsync(wait).ConfigureAwait(false); wait = tellsProgress ? first : usual)
                await WriteAsync(piece("", "") with
                {
                    QueuePosition = run.CountBefore,
                    PromptProgress = tellsProgress ? PromptProgress.Of(run) : null
                }).ConfigureAwait(false);
            await foreach (ChoicePiece part in run.ReadAsync().ConfigureAwait(false))
            {
                if (part.Text.Length > 0 || part.Thought.Length > 0 || part.Tokens.Count > 0)
                    await WriteAsync(piece(part.Text, part.Thought) with { Logprobs = Probabilities(part.Tokens) }).ConfigureAwait(false);
                foreach (int number in part.Calls.Where(call => call.Kind == AnswerPartKind.CallEnd).Select(call => call.Call))
                {
                    if (OllamaCall.Of([run.CallsOf(0)[number]], number) is { } calls)
                        await WriteAsync(WithCalls(piece("", ""), calls)).ConfigureAwait(false);
                }
            }
            await WriteAsync(piece("", "").EndOf(run[0], Tokens())).ConfigureAwait(false);

            Task WriteAsync(OllamaAnswer answer) => stream.WriteAsync(answer, OllamaJson.Default.OllamaAnswer);
        }
        else
        {
            WholeAnswer whole = (await run.ReadToEndAsync().ConfigureAwait(false))[0];
            OllamaAnswer answer = WithCalls(piece(whole.Text, whole.Thought), OllamaCall.Of(whole.Calls, 0)).EndOf(run[0], Tokens()) with
            {
                Logprobs = Probabilities(whole.Tokens),
            };
            await JsonResponse.WriteAsync(context, answer, OllamaJson.Default.OllamaAnswer).ConfigureAwait(false);
        }

        static OllamaAnswer WithCalls(OllamaAnswer answer, OllamaCall[]? calls) =>
            calls is null ? answer : answer with { Message = answer.Message! with { ToolCalls = calls } };

        IReadOnlyList<int>? Tokens() => withContext ? [.. run[0].Request.Prompt, .. run[0].Tokens] : null;

        TokenProbability[]? Probabilities(IReadOnlyList<TokenLogProbability> tokens) =>
            request.Logprobs == true && tokens.Count > 0 ? TokenProbability.Of(run.Model.Tokenizer, tokens) : null;
    }

    /// <summary>A request with nothing to answer asks for the model to be loaded or let go.</summary>
    private async Task LoadAsync(HttpContext context, ServedModel served, OllamaRequest request, Func<string, string, OllamaAnswer> piece)
    {
        TimeSpan? keep = request.KeepsFor;
        if (request.Unloads)
        {
            service.Engine.Close(served);
        }
        else
        {
            using ModelLease lease = await service.Engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
            if (keep is { } time && !service.Engine.IsOwn(served) && service.Engine.MayClose(served)) lease.KeepFor(time);
        }
        OllamaAnswer answer = piece("", "") with { Done = true, DoneReason = request.Unloads ? "unload" : "load" };
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
        if (string.IsNullOrEmpty(name)) throw new ApiException(400, "model is required", parameter: "model");
        if (engine.Find(name) is { } served) return served;
        string names = engine.ModelNames;
        throw new ApiException(404,
            $"model '{name}' not found; {(names.Contains(',', StringComparison.Ordinal) ? $"the models here are {names}" : $"the model here is {names}")}",
            parameter: "model");
    }
}
