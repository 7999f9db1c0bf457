using System.Text.Json;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Anthropic;

/// <summary>Anthropic's messages, and the count of their tokens.</summary>
internal sealed class MessagesEndpoints(AnswerService service)
{
    public const string Path = "/v1/messages";

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Path, (RequestDelegate)AnswerAsync);
        routes.MapPost(Path + "/count_tokens", (RequestDelegate)CountAsync);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        MessagesRequest request = await JsonResponse.ReadAsync(context, AnthropicJson.Default.MessagesRequest).ConfigureAwait(false);
        GenerationRequest asked = request.ToRequest(service.Find(request.Model), service.Settings.WhenFull);
        using AnswerRun run = await service.BeginAsync(context, asked).ConfigureAwait(false);
        string id = "msg_" + Guid.NewGuid().ToString("N");
        if (request.Stream == true)
        {
            await StreamAsync(context, run, id).ConfigureAwait(false);
            return;
        }
        WholeAnswer answer = (await run.ReadToEndAsync().ConfigureAwait(false))[0];
        ContentBlock[] calls = [.. answer.Calls.Where(call => IsWhole(call.Arguments))
            .Select(call => ContentBlock.OfCall(call.Id, call.Name, call.Arguments))];
        ContentBlock[] content =
        [
            .. answer.Thought.Length > 0 ? [ContentBlock.OfThought(answer.Thought)] : Array.Empty<ContentBlock>(),
            .. answer.Text.Length > 0 || (answer.Thought.Length == 0 && calls.Length == 0) ? [ContentBlock.OfText(answer.Text)]
                : Array.Empty<ContentBlock>(),
            .. calls,
        ];
        GenerationStatistics statistics = run[0].Statistics;
        var message = new Message(id, run.Served.Name, content, MessageUsage.Of(statistics))
        {
            StopReason = ReasonOf(run),
            StopSequence = statistics.StopString,
        };
        await JsonResponse.WriteAsync(context, message, AnthropicJson.Default.Message).ConfigureAwait(false);
    }

    private async Task StreamAsync(HttpContext context, AnswerRun run, string id)
    {
        using JsonStream stream = await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
        await WriteAsync(new MessageEvent("message_start")
        {
            Message =
            new Message(id, run.Served.Name, [], new MessageUsage(run[0].Request.Prompt.Count, 1, 0))
        }).ConfigureAwait(false);
        await WriteAsync(new MessageEvent("ping")).ConfigureAwait(false);
        while (!await run.HasBegunAsync(service.Settings.SignInterval).ConfigureAwait(false))
            await WriteAsync(new MessageEvent("ping")).ConfigureAwait(false);
        int index = -1;
        string? open = null; // the type of the block that is being written
        await foreach (ChoicePiece piece in run.ReadAsync().ConfigureAwait(false))
        {
            if (piece.Thought.Length > 0)
                await DeltaAsync("thinking", ContentBlock.OfThought(""),
                    new BlockDelta { Type = "thinking_delta", Thinking = piece.Thought }).ConfigureAwait(false);
            if (piece.Text.Length > 0)
                await DeltaAsync("text", ContentBlock.OfText(""), new BlockDelta { Type = "text_delta", Text = piece.Text })
                    .ConfigureAwait(false);
            foreach (AnswerPart part in piece.Calls.Where(part => part.Kind != AnswerPartKind.CallEnd))
            {
                BlockDelta? delta = part.Kind == AnswerPartKind.CallArguments
                    ? new BlockDelta { Type = "input_json_delta", PartialJson = part.Text } : null;
                await DeltaAsync($"tool_use {part.Call}", ContentBlock.OfCall(part.Id, part.Tool, "{}"), delta).ConfigureAwait(false);
            }
        }
        if (open is null) await DeltaAsync("text", ContentBlock.OfText(""), null).ConfigureAwait(false);
        await WriteAsync(new MessageEvent("content_block_stop") { Index = index }).ConfigureAwait(false);
        GenerationStatistics statistics = run[0].Statistics;
        await WriteAsync(
            new MessageEvent("message_delta")
            {
                Delta = new BlockDelta { StopReason = ReasonOf(run), StopSequence = statistics.StopString },
                Usage = MessageUsage.Of(statistics)
            }).ConfigureAwait(false);
        await WriteAsync(new MessageEvent("message_stop")).ConfigureAwait(false);

        async Task DeltaAsync(string type, ContentBlock start, BlockDelta? delta)
        {
            if (open != type)
            {
                if (open is not null) await WriteAsync(new MessageEvent("content_block_stop") { Index = index }).ConfigureAwait(false);
                await WriteAsync(new MessageEvent("content_block_start") { Index = ++index, ContentBlock = start }).ConfigureAwait(false);
                open = type;
            }
            if (delta is not null)
                await WriteAsync(new MessageEvent("content_block_delta") { Index = index, Delta = delta }).ConfigureAwait(false);
        }

        Task WriteAsync(MessageEvent one) => stream.WriteAsync(one.Type, one, AnthropicJson.Default.MessageEvent);
    }

    private async Task CountAsync(HttpContext context)
    {
        MessagesRequest request = await JsonResponse.ReadAsync(context, AnthropicJson.Default.MessagesRequest).ConfigureAwait(false);
        int count = await service.CountTokensAsync(context, service.Find(request.Model), request.ToConversation(), request.ToTools())
            .ConfigureAwait(false);
        await JsonResponse.WriteAsync(context, new TokenCount(count), AnthropicJson.Default.TokenCount).ConfigureAwait(false);
    }

    private static string ReasonOf(AnswerRun run)
    {
        GenerationStatistics statistics = run[0].Statistics;
        return statistics.WasCutShort ? "max_tokens" : run.CallsOf(0).Count > 0 ? "tool_use" : statistics.StopString is null
            ? "end_turn" : "stop_sequence";
    }

    /// <summary>Whether arguments are an object, and not cut off.</summary>
    private static bool IsWhole(string arguments)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(arguments);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
