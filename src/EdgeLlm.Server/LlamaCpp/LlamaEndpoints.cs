using System.Buffers;
using System.Text;
using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.OpenAi;
using EdgeLlm.Tokenization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.LlamaCpp;

/// <summary>llama-server's own API. A request that names no model means the service's own.</summary>
internal sealed class LlamaEndpoints(AnswerService service)
{
    private static readonly string[] Read = ["GET", "HEAD"];

    /// <summary>The paths of this API.</summary>
    private static readonly string[] Paths =
        ["/health", "/v1/health", "/props", "/tokenize", "/detokenize", "/apply-template", "/completion", "/completions", "/infill"];

    /// <summary>Whether a path is of this API.</summary>
    public static bool IsOurs(PathString path) => path.Value is { } text && Paths.Contains(text, StringComparer.OrdinalIgnoreCase);

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (string path in Paths[..2]) routes.MapMethods(path, Read, (RequestDelegate)HealthAsync).WithoutKey();
        routes.MapMethods("/props", Read, (RequestDelegate)PropsAsync).For(KeyRole.Use);
        routes.MapPost("/tokenize", (RequestDelegate)TokenizeAsync).For(KeyRole.Use);
        routes.MapPost("/detokenize", (RequestDelegate)DetokenizeAsync).For(KeyRole.Use);
        routes.MapPost("/apply-template", (RequestDelegate)ApplyTemplateAsync).For(KeyRole.Use);
        foreach (string path in (string[])["/completion", "/completions"])
            routes.MapPost(path, (RequestDelegate)(context => CompleteAsync(context, fills: false))).For(KeyRole.Use);
        routes.MapPost("/infill", (RequestDelegate)(context => CompleteAsync(context, fills: true))).For(KeyRole.Use);
    }

    private Task HealthAsync(HttpContext context)
    {
        bool isReady = service.Engine.State == EngineState.Ready;
        context.Response.StatusCode = isReady ? 200 : 503;
        if (!isReady)
            return JsonResponse.WriteAsync(context, LlamaError.Of(new ApiError(503, "Loading model")), LlamaJson.Default.LlamaError);
        context.Response.ContentType = "application/json";
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync("{\"status\":\"ok\"}");
    }

    private async Task PropsAsync(HttpContext context)
    {
        using ModelLease lease = await service.Engine.UseAsync(service.Engine.Models.Own, context.RequestAborted).ConfigureAwait(false);
        Tokenizer tokenizer = lease.Model.Tokenizer;
        var usual = new SamplingOptions();
        var parameters = new LlamaParameters(usual.Temperature, usual.TopK, usual.TopP, usual.MinP, usual.RepeatPenalty,
            usual.RepeatLastN, usual.TypicalP);
        var props = new LlamaProps(
            new LlamaSettings(lease.Model.ContextLength, parameters), service.Settings.Parallel, service.Engine.Models.Own.Name,
            lease.Model.Path, lease.Model.ChatTemplateSource ?? "",
            TextOf(tokenizer.BosId), TextOf(tokenizer.EosId), "edgellm-" + typeof(LlamaEndpoints).Assembly.GetName().Version!.ToString(3));
        await JsonResponse.WriteAsync(context, props, LlamaJson.Default.LlamaProps).ConfigureAwait(false);

        string TextOf(int? id) => id is { } token ? tokenizer.Decode([token], renderSpecial: true) : "";
    }

    private async Task TokenizeAsync(HttpContext context)
    {
        TokenizeRequest request = await JsonResponse.ReadAsync(context, LlamaJson.Default.TokenizeRequest).ConfigureAwait(false);
        using ModelLease lease = await service.Engine.UseAsync(ModelOf(request.Model), context.RequestAborted).ConfigureAwait(false);
        Tokenizer tokenizer = lease.Model.Tokenizer;
        int[] tokens = Fields.IsGiven(request.Content)
            ? [.. PromptInput.ListOf(request.Content, "content").SelectMany(one => one.Text is { } text
                ? tokenizer.Encode(text, parseSpecial: request.ParseSpecial != false, addSpecial: request.AddSpecial == true)
                : [.. one.Encode(lease.Model, "content")])]
            : [];
        JsonElement list = request.WithPieces == true
            ? JsonSerializer.SerializeToElement([.. tokens.Select(token => new TokenPiece(token, PieceOf(tokenizer, token)))],
                LlamaJson.Default.TokenPieceArray)
            : JsonSerializer.SerializeToElement(tokens, LlamaJson.Default.Int32Array);
        await JsonResponse.WriteAsync(context, new TokenList(list), LlamaJson.Default.TokenList).ConfigureAwait(false);
    }

    private async Task DetokenizeAsync(HttpContext context)
    {
        DetokenizeRequest request = await JsonResponse.ReadAsync(context, LlamaJson.Default.DetokenizeRequest).ConfigureAwait(false);
        using ModelLease lease = await service.Engine.UseAsync(ModelOf(request.Model), context.RequestAborted).ConfigureAwait(false);
        string text = "";
        if (Fields.IsGiven(request.Tokens))
        {
            if (request.Tokens!.Value.ValueKind != JsonValueKind.Array) throw ApiException.Field("tokens", "has to be a list of tokens");
            if (request.Tokens.Value.GetArrayLength() > 0)
                text =
                    lease.Model.Tokenizer.Decode(
                        [.. PromptInput.ListOf(request.Tokens, "tokens").SelectMany(one => one.Encode(lease.Model, "tokens"))],
                        renderSpecial: true);
        }
        await JsonResponse.WriteAsync(context, new DetokenizedText(text), LlamaJson.Default.DetokenizedText).ConfigureAwait(false);
    }

    private async Task ApplyTemplateAsync(HttpContext context)
    {
        ChatCompletionRequest request =
            await JsonResponse.ReadAsync(context, OpenAiJson.Default.ChatCompletionRequest).ConfigureAwait(false);
        ServedModel served = ModelOf(request.Model);
        Conversation conversation = request.ToRequest(served, service.Settings.WhenFull).Conversation!;
        using ModelLease lease = await service.Engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        List<int> tokens = await Prompts.EncodeAsync(Prompts.ChatOf(lease), conversation, 0, ContextPolicy.Cut, context.RequestAborted)
            .ConfigureAwait(false);
        await JsonResponse.WriteAsync(context, new AppliedTemplate(lease.Model.Tokenizer.Decode([.. tokens], renderSpecial: true)),
            LlamaJson.Default.AppliedTemplate).ConfigureAwait(false);
    }

    private async Task CompleteAsync(HttpContext context, bool fills)
    {
        LlamaCompletionRequest request =
            await JsonResponse.ReadAsync(context, LlamaJson.Default.LlamaCompletionRequest).ConfigureAwait(false);
        GenerationRequest asked = request.ToRequest(ModelOf(request.Model), service.Settings.WhenFull, fills);
        using AnswerRun run = await service.BeginAsync(context, asked).ConfigureAwait(false);
        if (request.Stream == true)
        {
            await StreamAsync(context, run, request).ConfigureAwait(false);
            return;
        }
        WholeAnswer[] answers = await run.ReadToEndAsync().ConfigureAwait(false);
        LlamaCompletion[] completions = [.. answers.Select((answer, i) => Last(run, i, request) with
        {
            Content = answer.Text, Tokens = request.ReturnTokens == true ? [.. run[i].Tokens] : [],
            CompletionProbabilities = ProbabilitiesOf(run, request, answer.Tokens),
        })];
        if (completions.Length == 1)
            await JsonResponse.WriteAsync(context, completions[0], LlamaJson.Default.LlamaCompletion).ConfigureAwait(false);
        else await JsonResponse.WriteAsync(context, completions, LlamaJson.Default.LlamaCompletionArray).ConfigureAwait(false);
    }

    private async Task StreamAsync(HttpContext context, AnswerRun run, LlamaCompletionRequest request)
    {
        using JsonStream stream = await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
        while (!await run.HasBegunAsync(service.Settings.SignInterval).ConfigureAwait(false))
            await stream.WriteCommentAsync().ConfigureAwait(false);
        await foreach (ChoicePiece piece in run.ReadAsync().ConfigureAwait(false))
        {
            if (piece.Text.Length > 0 || piece.Tokens.Count > 0)
                await WriteAsync(new LlamaCompletion(piece.Choice, piece.Text,
                    false)
                {
                    Tokens = [.. piece.Tokens.Select(token => token.Token)],
                    CompletionProbabilities = ProbabilitiesOf(run, request, piece.Tokens)
                }).ConfigureAwait(false);
            if (piece.IsLast) await WriteAsync(Last(run, piece.Choice, request)).ConfigureAwait(false);
        }

        Task WriteAsync(LlamaCompletion one) => stream.WriteAsync(one, LlamaJson.Default.LlamaCompletion);
    }

    private static LlamaCompletion Last(AnswerRun run, int choice, LlamaCompletionRequest request)
    {
        GenerationStatistics statistics = run[choice].Statistics;
        return new LlamaCompletion(choice, "", true)
        {
            Tokens = [],
            Model = run.Served.Name,
            TokensPredicted = statistics.GeneratedTokens,
            TokensEvaluated = statistics.PromptTokens,
            TokensCached = statistics.CachedTokens,
            Truncated = false,
            StopType = statistics.WasCutShort ? "limit" : statistics.StopString is null ? "eos" : "word",
            StoppingWord = statistics.StopString ?? "",
            Timings = Timings.Of(statistics),
        };
    }

    private static TokenProbability[]? ProbabilitiesOf(AnswerRun run, LlamaCompletionRequest request,
        IReadOnlyList<TokenLogProbability> tokens) =>
        request.NProbs > 0 ? TokenProbability.Of(run.Model.Tokenizer, tokens) : null;

    private static JsonElement PieceOf(Tokenizer tokenizer, int token)
    {
        var bytes = new ArrayBufferWriter<byte>();
        tokenizer.Decode(token, bytes, renderSpecial: true);
        return System.Text.Unicode.Utf8.IsValid(bytes.WrittenSpan)
            ? JsonSerializer.SerializeToElement(Encoding.UTF8.GetString(bytes.WrittenSpan), OpenAiJson.Default.String)
            : JsonSerializer.SerializeToElement([.. bytes.WrittenSpan.ToArray().Select(one => (int)one)], LlamaJson.Default.Int32Array);
    }

    private ServedModel ModelOf(string? name) => string.IsNullOrEmpty(name) ? service.Engine.Models.Own : service.Find(name);
}
