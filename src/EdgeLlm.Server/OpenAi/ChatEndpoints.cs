using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's chat completions.</summary>
internal sealed class ChatEndpoints(AnswerService service)
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost("/v1/chat/completions", (RequestDelegate)CompleteAsync);

    private async Task CompleteAsync(HttpContext context)
    {
        ChatCompletionRequest request =
            await JsonResponse.ReadAsync(context, OpenAiJson.Default.ChatCompletionRequest).ConfigureAwait(false);
        GenerationRequest asked = request.ToRequest(service.Find(request.Model), service.Settings.WhenFull);
        using AnswerRun run = await service.BeginAsync(context, asked).ConfigureAwait(false);
        var head = new Head("chatcmpl-" + Guid.NewGuid().ToString("N"), DateTimeOffset.UtcNow.ToUnixTimeSeconds(), run.Served.Name,
            run.Fingerprint, request.Logprobs == true, asked.Tools.AreFunctions);
        if (request.Stream == true) await StreamAsync(context, run, head, request).ConfigureAwait(false);
        else await AnswerAsync(context, run, head).ConfigureAwait(false);
    }

    private static async Task AnswerAsync(HttpContext context, AnswerRun run, Head head)
    {
        WholeAnswer[] answers = await run.ReadToEndAsync().ConfigureAwait(false);
        Choice[] choices =
        [
            .. answers.Select((answer, i) =>
                new Choice(i, CalledTools.MessageOf(run, answer, head.HasFunctions), FinishReasonOf(run, i, head))
            {
                Logprobs = ChatProbabilities.Of(run.Model.Tokenizer, answer.Tokens, head.GivesProbabilities),
            }),
        ];
        var completion = new ChatCompletion(head.Id, head.Created, head.Model, head.Fingerprint, choices, Usage.Of(run.Statistics))
        {
            Timings = Timings.Of(run.Statistics),
            Warnings = run.Warnings,
        };
        await JsonResponse.WriteAsync(context, completion, OpenAiJson.Default.ChatCompletion).ConfigureAwait(false);
    }

    private async Task StreamAsync(HttpContext context, AnswerRun run, Head head, ChatCompletionRequest request)
    {
        using JsonStream stream = await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
        if (request.ReturnProgress == true) await StreamProgressAsync(stream, run, Chunk()).ConfigureAwait(false);
        while (!await run.HasBegunAsync(service.Settings.SignInterval).ConfigureAwait(false))
            await stream.WriteCommentAsync().ConfigureAwait(false);
        var begun = new bool[run.Count];
        int ended = 0;
        await foreach (ChoicePiece piece in run.ReadAsync().ConfigureAwait(false))
        {
            int i = piece.Choice;
            if (piece.Text.Length > 0 || piece.Thought.Length > 0 || piece.Tokens.Count > 0
                || (piece.IsLast && !begun[i] && piece.Calls.Count == 0))
            {
                var delta = new Delta(begun[i] ? null : "assistant", piece.Text.Length > 0 || piece.Thought.Length == 0 ? piece.Text : null)
                {
                    ReasoningContent = piece.Thought.Length > 0 ? piece.Thought : null,
                };
                await WriteAsync(new ChunkChoice(i, delta)
                {
                    Logprobs =
                    ChatProbabilities.Of(run.Model.Tokenizer, piece.Tokens, head.GivesProbabilities)
                }).ConfigureAwait(false);
                begun[i] = true;
            }
            foreach (Delta delta in CalledTools.DeltasOf(run, piece, head.HasFunctions))
            {
                await WriteAsync(new ChunkChoice(i, begun[i] ? delta : delta with { Role = "assistant" })).ConfigureAwait(false);
                begun[i] = true;
            }
            if (!piece.IsLast) continue;
            ChatCompletionChunk last = Chunk(new ChunkChoice(i, new Delta()) { FinishReason = FinishReasonOf(run, i, head) });
            await stream.WriteAsync(++ended == run.Count ? last with { Timings = Timings.Of(run.Statistics), Warnings = run.Warnings }
                : last, OpenAiJson.Default.ChatCompletionChunk).ConfigureAwait(false);
        }
        if (request.IncludesUsage)
            await stream.WriteAsync(Chunk() with { Usage = Usage.Of(run.Statistics), Timings = Timings.Of(run.Statistics) },
                OpenAiJson.Default.ChatCompletionChunk).ConfigureAwait(false);
        await stream.WriteDoneAsync().ConfigureAwait(false);

        Task WriteAsync(ChunkChoice choice) => stream.WriteAsync(Chunk(choice), OpenAiJson.Default.ChatCompletionChunk);

        ChatCompletionChunk Chunk(params ChunkChoice[] choices) => new(head.Id, head.Created, head.Model, head.Fingerprint, choices);
    }

    /// <summary>Tells how far the prompt is computed, each time that it is further, until the first text comes.</summary>
    private async Task StreamProgressAsync(JsonStream stream, AnswerRun run, ChatCompletionChunk chunk)
    {
        int told = -1;
        TimeSpan silent = TimeSpan.Zero, sign = service.Settings.SignInterval;
        for (bool hasBegun = false; !hasBegun;)
        {
            hasBegun = await run.HasBegunAsync(ProgressInterval).ConfigureAwait(false);
            PromptProgress progress = PromptProgress.Of(run);
            silent = progress.Processed != told ? TimeSpan.Zero : silent + ProgressInterval;
            if (progress.Processed != told)
            {
                await stream.WriteAsync(chunk with { PromptProgress = progress, Choices = [new ChunkChoice(0, new Delta())] },
                    OpenAiJson.Default.ChatCompletionChunk).ConfigureAwait(false);
                told = progress.Processed;
            }
            else if (silent >= sign)
            {
                await stream.WriteCommentAsync().ConfigureAwait(false);
                silent = TimeSpan.Zero;
            }
        }
    }

    private static string FinishReasonOf(AnswerRun run, int choice, Head head) =>
        run[choice].Statistics.WasCutShort ? "length" : run.CallsOf(choice).Count == 0 ? "stop" : head.HasFunctions
            ? "function_call" : "tool_calls";

    /// <summary>Fields common to all chunks of an answer.</summary>
    private sealed record Head(string Id, long Created, string Model, string? Fingerprint, bool GivesProbabilities, bool HasFunctions);
}
