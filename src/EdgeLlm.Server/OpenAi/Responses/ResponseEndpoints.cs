using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi.Responses;

/// <summary>OpenAI's responses: answers that are kept, so that the next request only says what is new.</summary>
internal sealed class ResponseEndpoints(AnswerService service, ServerLog log, TimeProvider time)
{
    private readonly ResponseStore _store = new(time);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/responses", (RequestDelegate)CreateAsync);
        routes.MapGet("/v1/responses/{id}",
            (RequestDelegate)(context => JsonResponse.WriteAsync(context, Find(IdOf(context)).Response, ResponseJson.Default.Response)));
        routes.MapDelete("/v1/responses/{id}", (RequestDelegate)(context =>
        {
            string id = IdOf(context);
            return _store.Remove(id, Caller.Current.Name)
                ? JsonResponse.WriteAsync(context, new DeletedResponse(id), ResponseJson.Default.DeletedResponse) : throw NotFound(id);
        }));
    }

    private async Task CreateAsync(HttpContext context)
    {
        ResponseRequest request = await JsonResponse.ReadAsync(context, ResponseJson.Default.ResponseRequest).ConfigureAwait(false);
        ServedModel served = service.Find(request.Model);
        IReadOnlyList<ChatMessage> earlier = string.IsNullOrEmpty(request.PreviousResponseId) ? []
            : Find(request.PreviousResponseId, "previous_response_id").Turns;
        List<ChatMessage> turns = request.Turns();
        GenerationRequest asked = request.ToRequest(served, earlier, turns, service.Settings.WhenFull);
        using AnswerRun run = await service.BeginAsync(context, asked).ConfigureAwait(false);
        Response response = Begin(request, served, asked.Options);
        if (request.Stream == true) response = await StreamAsync(context, run, request, response).ConfigureAwait(false);
        else
        {
            WholeAnswer answer = (await run.ReadToEndAsync().ConfigureAwait(false))[0];
            response = End(response, run, OutputOf(run, request, answer, TokenProbability.Of(run.Model.Tokenizer, answer.Tokens)));
            await JsonResponse.WriteAsync(context, response, ResponseJson.Default.Response).ConfigureAwait(false);
        }
        if (!response.Store || response.Status is not ("completed" or "incomplete")) return;
        string text = string.Concat(response.Output.Where(item => item.Type == "message").SelectMany(item => item.Content!)
            .Select(part => part.Text));
        _store.Add(new StoredResponse(response.Id, Caller.Current.Name,
            [.. earlier, .. turns, new ChatMessage("assistant", text) { ToolCalls = run.CallsOf(0) }], response));
    }

    private async Task<Response> StreamAsync(HttpContext context, AnswerRun run, ResponseRequest request, Response response)
    {
        using JsonStream stream = await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
        int sequence = 0;
        await WriteAsync(Event("response.created") with { Response = response }).ConfigureAwait(false);
        await WriteAsync(Event("response.in_progress") with { Response = response }).ConfigureAwait(false);
        try
        {
            while (!await run.HasBegunAsync(service.Settings.SignInterval).ConfigureAwait(false))
                await stream.WriteCommentAsync().ConfigureAwait(false);
            var output = new StreamedOutput();
            await foreach (ChoicePiece piece in run.ReadAsync().ConfigureAwait(false))
            {
                TokenProbability[] tokens = request.GivesProbabilities ? TokenProbability.Of(run.Model.Tokenizer, piece.Tokens) : [];
                if (piece.Thought.Length > 0) await AppendAsync(output, isThought: true, piece.Thought, []).ConfigureAwait(false);
                if (piece.Text.Length > 0) await AppendAsync(output, isThought: false, piece.Text, tokens).ConfigureAwait(false);
                foreach (AnswerPart part in piece.Calls) await CallAsync(output, part).ConfigureAwait(false);
            }
            if (output.Open is null && run.CallsOf(0).Count == 0) await AppendAsync(output, isThought: false, "", []).ConfigureAwait(false);
            string status = run[0].Statistics.WasCutShort ? "incomplete" : "completed";
            if (output.Open is not null) await CloseAsync(output, status).ConfigureAwait(false);
            response = End(response, run, [.. output.Done]);
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            ApiError error = ApiError.Of(exception, forOpenAi: true);
            if (error.Status == 500) log.Error($"POST /v1/responses: {exception}");
            response = response with { Status = "failed", Error = new ResponseError(error.Code ?? "server_error", error.Message) };
        }
        await WriteAsync(Event("response." + response.Status) with { Response = response }).ConfigureAwait(false);
        return response;

        async Task AppendAsync(StreamedOutput output, bool isThought, string text, TokenProbability[] tokens)
        {
            if (output.Open is null || output.IsThought != isThought)
            {
                if (output.Open is not null) await CloseAsync(output, "completed").ConfigureAwait(false);
                output.Begin(isThought);
                await WriteAsync(Event("response.output_item.added")
                    with
                { OutputIndex = output.Index, Item = output.Open!.Item("in_progress", isEmpty: true) }).ConfigureAwait(false);
                await WriteAsync(At(output, "response.content_part.added") with { Part = output.Open.Part(isEmpty: true) })
                    .ConfigureAwait(false);
            }
            output.Open!.Append(text, tokens);
            if (text.Length > 0)
                await WriteAsync(At(output, isThought ? "response.reasoning_text.delta" : "response.output_text.delta")
                    with
                { Delta = text, Logprobs = isThought ? null : tokens }).ConfigureAwait(false);
        }

        async Task CallAsync(StreamedOutput output, AnswerPart part)
        {
            bool isCustom = run.FindTool(part.Tool)?.IsCustom == true;
            string name = isCustom ? "custom_tool_call_input" : "function_call_arguments";
            switch (part.Kind)
            {
                case AnswerPartKind.CallBegin:
                    if (output.Open is not null) await CloseAsync(output, "completed").ConfigureAwait(false);
                    output.BeginCall(part.Id!);
                    await WriteAsync(Event("response.output_item.added") with
                    {
                        OutputIndex = output.Index,
                        Item = CallItem(run, new ChatToolCall(part.Id, part.Tool, ""), "in_progress")
                    }).ConfigureAwait(false);
                    break;
                case AnswerPartKind.CallArguments when !isCustom:
                    await WriteAsync(Event($"response.{name}.delta")
                        with
                    { ItemId = output.CallItemId, OutputIndex = output.Index, Delta = part.Text }).ConfigureAwait(false);
                    break;
                case AnswerPartKind.CallEnd:
                    OutputItem item = CallItem(run, run.CallsOf(0)[part.Call], "completed");
                    if (isCustom)
                        await WriteAsync(Event($"response.{name}.delta")
                            with
                        { ItemId = item.Id, OutputIndex = output.Index, Delta = item.Input }).ConfigureAwait(false);
                    await WriteAsync(Event($"response.{name}.done") with
                    {
                        ItemId = item.Id,
                        OutputIndex = output.Index,
                        Name = item.Name,
                        Arguments = item.Arguments,
                        Input = item.Input
                    }).ConfigureAwait(false);
                    await WriteAsync(Event("response.output_item.done") with { OutputIndex = output.Index, Item = item })
                        .ConfigureAwait(false);
                    output.End(item);
                    break;
            }
        }

        async Task CloseAsync(StreamedOutput output, string status)
        {
            StreamedItem open = output.Open!;
            OutputPart part = open.Part(isEmpty: false);
            await WriteAsync(At(output, open.IsThought ? "response.reasoning_text.done" : "response.output_text.done")
                with
            { Text = part.Text, Logprobs = part.Logprobs }).ConfigureAwait(false);
            await WriteAsync(At(output, "response.content_part.done") with { Part = part }).ConfigureAwait(false);
            OutputItem item = open.Item(status, isEmpty: false);
            await WriteAsync(Event("response.output_item.done") with { OutputIndex = output.Index, Item = item }).ConfigureAwait(false);
            output.End(item);
        }

        ResponseEvent At(StreamedOutput output, string type) =>
            Event(type) with { ItemId = output.Open!.Id, OutputIndex = output.Index, ContentIndex = 0 };

        ResponseEvent Event(string type) => new(type, sequence++);

        Task WriteAsync(ResponseEvent one) => stream.WriteAsync(one.Type, one, ResponseJson.Default.ResponseEvent);
    }

    private static OutputItem[] OutputOf(AnswerRun run, ResponseRequest request, WholeAnswer answer, TokenProbability[] tokens)
    {
        var output = new StreamedOutput();
        if (answer.Thought.Length > 0)
        {
            output.Begin(isThought: true);
            output.Open!.Append(answer.Thought, []);
            output.End(output.Open.Item("completed", isEmpty: false));
        }
        if (answer.Text.Length > 0 || answer.Calls.Count == 0)
        {
            output.Begin(isThought: false);
            output.Open!.Append(answer.Text, request.GivesProbabilities ? tokens : []);
            output.End(output.Open.Item(run[0].Statistics.WasCutShort ? "incomplete" : "completed", isEmpty: false));
        }
        return [.. output.Done, .. answer.Calls.Select(call => CallItem(run, call, "completed"))];
    }

    private static OutputItem CallItem(AnswerRun run, ChatToolCall call, string status)
    {
        bool isCustom = run.FindTool(call.Name)?.IsCustom == true;
        string id = StreamedOutput.CallItemIdOf(call.Id ?? "");
        return isCustom
            ? new OutputItem(id, "custom_tool_call")
            {
                Status = status,
                CallId = call.Id,
                Name = call.Name,
                Input = call.Arguments.Length == 0 ? "" : CalledTools.InputOf(call)
            }
            : new OutputItem(id, "function_call") { Status = status, CallId = call.Id, Name = call.Name, Arguments = call.Arguments };
    }

    private Response Begin(ResponseRequest request, ServedModel served, GenerationOptions options) =>
        new("resp_" + Guid.NewGuid().ToString("N"), time.GetUtcNow().ToUnixTimeSeconds(), served.Name)
        {
            Instructions = request.Instructions,
            MaxOutputTokens = request.MaxOutputTokens,
            ParallelToolCalls = request.ParallelToolCalls != false,
            PreviousResponseId = string.IsNullOrEmpty(request.PreviousResponseId) ? null : request.PreviousResponseId,
            Reasoning = Json($$"""{"effort":{{Quoted(request.Reasoning?.Effort)}},"summary":null}"""),
            Store = request.Store != false,
            Temperature = options.Sampling.Temperature,
            Text =
            Json(
                $$"""{"format":{{(Fields.IsGiven(request.Text?.Format) ? request.Text!.Format!.Value.GetRawText() : """{"type":"text"}""")}}}"""),
            ToolChoice = Fields.IsGiven(request.ToolChoice) ? request.ToolChoice!.Value : Json("\"auto\""),
            Tools = Fields.IsGiven(request.Tools) ? request.Tools!.Value : Json("[]"),
            TopLogprobs = request.TopLogprobs ?? 0,
            TopP = options.Sampling.TopP,
            Truncation = string.IsNullOrEmpty(request.Truncation) ? "disabled" : request.Truncation,
            User = request.User,
            Metadata = Fields.Object(request.Metadata, "metadata") ?? Json("{}"),
        };

    private static Response End(Response response, AnswerRun run, OutputItem[] output)
    {
        GenerationStatistics statistics = run[0].Statistics;
        return response with
        {
            Status = statistics.WasCutShort ? "incomplete" : "completed",
            IncompleteDetails = statistics.WasCutShort ? new IncompleteDetails("max_output_tokens") : null,
            Output = output,
            Usage = ResponseUsage.Of(statistics),
            Warnings = run.Warnings,
        };
    }

    private StoredResponse Find(string id, string? field = null) => _store.Find(id, Caller.Current.Name) ?? throw NotFound(id, field);

    private static ApiException NotFound(string id, string? field = null) =>
        new(field is null ? 404 : 400, $"there is no response '{id}', or it is kept no longer",
            field is null ? "not_found" : "previous_response_not_found", field);

    private static string IdOf(HttpContext context) => context.Request.RouteValues["id"] as string ?? "";

    private static JsonElement Json(string text) => JsonSerializer.Deserialize(text, OpenAiJson.Default.JsonElement);

    private static string Quoted(string? text) => text is null ? "null" : JsonSerializer.Serialize(text, OpenAiJson.Default.String);
}
