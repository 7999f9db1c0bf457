using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's completions: texts that are continued, filled in, or measured.</summary>
internal sealed class CompletionEndpoints(AnswerService service)
{
    /// <summary>Most probabilities of prompts' tokens in an answer: some 100 bytes each, while it is written.</summary>
    private const int MostProbabilities = 200_000;

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost("/v1/completions", (RequestDelegate)CompleteAsync);

    private async Task CompleteAsync(HttpContext context)
    {
        CompletionRequest request = await JsonResponse.ReadAsync(context, OpenAiJson.Default.CompletionRequest).ConfigureAwait(false);
        ServedModel served = service.Find(request.Model);
        GenerationRequest asked = request.ToRequest(served, service.Settings.WhenFull);
        Echo[] echoes = await EchoesAsync(context, request, served).ConfigureAwait(false);
        if (request.IsEmpty)
        {
            await WriteEchoesAsync(context, served, echoes).ConfigureAwait(false);
            return;
        }
        using AnswerRun run = await service.BeginAsync(context, asked).ConfigureAwait(false);
        Completion head = HeadOf(run.Served, run.Fingerprint);
        if (request.Stream == true) await StreamAsync(context, run, request, head, echoes).ConfigureAwait(false);
        else await AnswerAsync(context, run, request, head, echoes).ConfigureAwait(false);
    }

    private static Completion HeadOf(ServedModel served, string? fingerprint) =>
        new("cmpl-" + Guid.NewGuid().ToString("N"), DateTimeOffset.UtcNow.ToUnixTimeSeconds(), served.Name, fingerprint, []);

    private static async Task AnswerAsync(HttpContext context, AnswerRun run, CompletionRequest request, Completion head, Echo[] echoes)
    {
        WholeAnswer[] answers = await run.ReadToEndAsync().ConfigureAwait(false);
        int prompts = echoes.Length, all = answers.Length / prompts;
        var choices = new List<CompletionChoice>();
        for (int prompt = 0; prompt < prompts; prompt++)
        {
            IEnumerable<int> best = Enumerable.Range(prompt * all, all)
                .OrderByDescending(i => all > request.Given ? Mean(answers[i]) : 0).Take(request.Given);
            foreach (int i in best)
            {
                choices.Add(new CompletionChoice(choices.Count, echoes[prompt].Text + answers[i].Text)
                {
                    Logprobs = request.Logprobs is null ? null : echoes[prompt].With(run, answers[i].Tokens),
                    FinishReason = FinishReasonOf(run, i),
                });
            }
        }
        Completion completion =
            head with { Choices = [.. choices], Usage = Usage.Of(run.Statistics), Timings = Timings.Of(run.Statistics) };
        await JsonResponse.WriteAsync(context, completion, OpenAiJson.Default.Completion).ConfigureAwait(false);

        static double Mean(WholeAnswer answer) =>
            answer.Tokens.Count == 0 ? double.NegativeInfinity : answer.Tokens.Average(token => (double)token.LogProbability);
    }

    private async Task StreamAsync(HttpContext context, AnswerRun run, CompletionRequest request, Completion head, Echo[] echoes)
    {
        using JsonStream stream = await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
        while (!await run.HasBegunAsync(service.Settings.SignInterval).ConfigureAwait(false))
            await stream.WriteCommentAsync().ConfigureAwait(false);
        int[] offsets = new int[run.Count];
        int ended = 0;
        for (int i = 0; i < run.Count; i++)
        {
            Echo echo = echoes[i / request.Given];
            if (echo.Text.Length == 0) continue;
            await WriteAsync(new CompletionChoice(i, echo.Text) { Logprobs = request.Logprobs is null ? null : echo.With(run, []) })
                .ConfigureAwait(false);
            offsets[i] = echo.Text.Length;
        }
        await foreach (ChoicePiece piece in run.ReadAsync().ConfigureAwait(false))
        {
            int i = piece.Choice;
            if (piece.Text.Length > 0 || piece.Tokens.Count > 0)
                await WriteAsync(new CompletionChoice(i, piece.Text)
                {
                    Logprobs = request.Logprobs is null ? null
                    : CompletionProbabilities.Of(run.Model.Tokenizer, piece.Tokens, offsets[i])
                }).ConfigureAwait(false);
            offsets[i] += piece.Text.Length;
            if (!piece.IsLast) continue;
            Completion last = head with { Choices = [new CompletionChoice(i, "") { FinishReason = FinishReasonOf(run, i) }] };
            await stream.WriteAsync(++ended == run.Count ? last with { Timings = Timings.Of(run.Statistics) } : last,
                OpenAiJson.Default.Completion).ConfigureAwait(false);
        }
        if (request.IncludesUsage)
            await stream.WriteAsync(head with { Usage = Usage.Of(run.Statistics) }, OpenAiJson.Default.Completion).ConfigureAwait(false);
        await stream.WriteDoneAsync().ConfigureAwait(false);

        Task WriteAsync(CompletionChoice choice) => stream.WriteAsync(head with { Choices = [choice] }, OpenAiJson.Default.Completion);
    }

    /// <summary>
    /// The prompts as they come before the answers: their texts, and where it is asked for the probabilities of their tokens.
    /// </summary>
    private async Task<Echo[]> EchoesAsync(HttpContext context, CompletionRequest request, ServedModel served)
    {
        int count = PromptInput.ListOf(request.Prompt, "prompt").Length;
        if (request.Echo != true && !request.IsEmpty) return [.. Enumerable.Repeat(Echo.None, count)];
        service.Engine.RequireRoom();
        using ModelLease lease = await service.Engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        Prompts.ChatOf(lease);
        IReadOnlyList<List<int>> prompts = request.Encode(lease.Model);
        long told = request is { Echo: true, Logprobs: { } named } ? prompts.Sum(prompt => prompt.Count * (1L + named)) : 0;
        if (told > MostProbabilities)
            throw ApiException.Field("logprobs",
                $"are {told} with those of the prompts' tokens; at most {MostProbabilities} are told at once");
        var echoes = new List<Echo>();
        foreach (List<int> prompt in prompts)
        {
            if (prompt.Count == 0)
                throw new ApiException(400, "the prompt has no tokens: there is nothing to continue", parameter: "prompt");
            if (prompt.Count > lease.Model.ContextLength) throw new ContextFullException(prompt.Count, lease.Model.ContextLength);
            bool hasBos = prompt[0] == lease.Model.Tokenizer.BosId;
            string text = request.Echo == true ? lease.Model.Tokenizer.Decode([.. hasBos ? prompt.Skip(1) : prompt]) : "";
            IReadOnlyList<TokenLogProbability>? tokens = request is { Echo: true, Logprobs: { } likeliest }
                ? await service.Engine.MeasureAsync(lease, prompt, likeliest, context.RequestAborted).ConfigureAwait(false) : null;
            int? first = hasBos ? null : prompt[0];
            echoes.Add(new Echo(text, first, tokens ?? [])
            {
                PromptTokens = prompt.Count,
                Probabilities = tokens is null || !request.IsEmpty ? null
                    : CompletionProbabilities.Of(lease.Model.Tokenizer, tokens, 0, first),
            });
        }
        return [.. echoes];
    }

    /// <summary>With `max_tokens` 0 only the prompts are given.</summary>
    private async Task WriteEchoesAsync(HttpContext context, ServedModel served, Echo[] echoes)
    {
        int tokens = echoes.Sum(echo => echo.PromptTokens);
        Completion completion = HeadOf(served, null) with
        {
            Choices =
                [.. echoes.Select((echo, i) =>
                    new CompletionChoice(i, echo.Text) { FinishReason = "length", Logprobs = echo.Probabilities })],
            Usage = new Usage(tokens, 0, tokens, new PromptTokensDetails(0)),
        };
        await JsonResponse.WriteAsync(context, completion, OpenAiJson.Default.Completion).ConfigureAwait(false);
    }

    private static string FinishReasonOf(AnswerRun run, int choice) => run[choice].Statistics.WasCutShort ? "length" : "stop";

    /// <summary>A prompt as it comes before its answers.</summary>
    /// <param name="Text">Its text; empty where it is not asked for.</param>
    /// <param name="First">Its first token, whose probability nothing tells; null where that is the token that begins every text.</param>
    /// <param name="Tokens">Probabilities of the others, where they are asked for.</param>
    private sealed record Echo(string Text, int? First, IReadOnlyList<TokenLogProbability> Tokens)
    {
        public static Echo None { get; } = new("", null, []);

        public int PromptTokens { get; init; }

        /// <summary>Probabilities of the prompt alone; null where an answer follows, or they are not asked for.</summary>
        public CompletionProbabilities? Probabilities { get; init; }

        /// <summary>Probabilities of the prompt and of an answer to it.</summary>
        public CompletionProbabilities With(AnswerRun run, IReadOnlyList<TokenLogProbability> answer) =>
            CompletionProbabilities.Of(run.Model.Tokenizer, [.. Tokens, .. answer], Tokens.Count > 0 ? 0 : Text.Length,
                Tokens.Count > 0 ? First : null);
    }
}
