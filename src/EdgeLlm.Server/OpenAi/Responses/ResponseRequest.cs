using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi.Responses;

/// <summary>The body of `POST /v1/responses`.</summary>
internal sealed record ResponseRequest
{
    public string? Model { get; init; }

    /// <summary>A text, or a list of items: messages, calls of tools and their results.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>A system turn of this response alone.</summary>
    public string? Instructions { get; init; }

    public string? PreviousResponseId { get; init; }

    /// <summary>Whether the response is kept (true where it says nothing).</summary>
    public bool? Store { get; init; }

    public bool? Stream { get; init; }

    public bool? Background { get; init; }

    public int? MaxOutputTokens { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopLogprobs { get; init; }

    public List<string?>? Include { get; init; }

    public ResponseText? Text { get; init; }

    public ResponseReasoning? Reasoning { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public bool? ParallelToolCalls { get; init; }

    public string? Truncation { get; init; }

    public JsonElement? Metadata { get; init; }

    public string? User { get; init; }

    public string? ServiceTier { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <summary>Whether probabilities of tokens are given.</summary>
    [JsonIgnore]
    public bool GivesProbabilities => TopLogprobs > 0 || Include?.Contains("message.output_text.logprobs") == true;

    /// <summary>The turns of the input.</summary>
    /// <exception cref="ApiException">An item is not taken.</exception>
    public List<ChatMessage> Turns()
    {
        if (Input is { ValueKind: JsonValueKind.String } text) return [new("user", text.GetString()!)];
        if (Input is not { ValueKind: JsonValueKind.Array } items)
            throw ApiException.Field("input", Fields.IsGiven(Input) ? "has to be a text or a list of items" : "is missing");
        var turns = new List<ChatMessage>();
        int index = 0;
        foreach (JsonElement item in items.EnumerateArray()) AddTurn(turns, item, $"input[{index++}]");
        return turns;
    }

    /// <param name="earlier">The turns of the responses before.</param>
    /// <param name="turns">Those of the input.</param>
    /// <param name="usual">The service's policy for a full context; null: refuse, as OpenAI's API says.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationRequest ToRequest(ServedModel served, IReadOnlyList<ChatMessage> earlier,
        IReadOnlyList<ChatMessage> turns, ContextPolicy? usual)
    {
        if (Background == true) throw ApiException.Unsupported("background", "responses are computed while the client waits");
        NotDone.Refuse(Others);
        if (TopLogprobs is < 0 or > TokenProbability.MostLikeliest)
            throw ApiException.Field("top_logprobs", $"is {TopLogprobs}; it has to be 0 to {TokenProbability.MostLikeliest}");
        if (MaxOutputTokens < 1) throw ApiException.Field("max_output_tokens", $"is {MaxOutputTokens}; it has to be 1 or more");
        var all = new List<ChatMessage>();
        if (!string.IsNullOrEmpty(Instructions)) all.Add(new ChatMessage("system", Instructions));
        all.AddRange(earlier);
        all.AddRange(turns);
        if (all.Count == 0) throw ApiException.Field("input", "has no message");
        var defaults = Fields.SamplingOf(served);
        string? effort = Reasoning?.Effort;
        return new GenerationRequest(served)
        {
            Conversation = new Conversation(all) { Variables = Thinking.Variables(null, effort == "none" ? false : null, effort) },
            Tools = RequestTools.Of(Tools, ToolChoice, ParallelToolCalls) with { HasFlatTools = true },
            Options = Fields.Checked(new GenerationOptions
            {
                MaxTokens = MaxOutputTokens ?? 0,
                Constraint = Constraints.OfSchemaFormat(Text?.Format, "text.format"),
                LogProbabilities = GivesProbabilities ? TopLogprobs ?? 0 : null,
                Sampling = defaults with { Temperature = Temperature ?? defaults.Temperature, TopP = TopP ?? defaults.TopP },
            }),
            WhenFull = Truncation switch
            {
                null or "" => usual ?? ContextPolicy.Cut,
                "auto" => ContextPolicy.DropOldestTurns,
                "disabled" => ContextPolicy.Error,
                _ => throw ApiException.Field("truncation", $"is '{Truncation}'; it has to be auto or disabled"),
            },
            Priority = ServiceTier == "flex" ? AnswerPriority.Batch : AnswerPriority.Chat,
        };
    }

    private static void AddTurn(List<ChatMessage> turns, JsonElement item, string name)
    {
        if (item.ValueKind != JsonValueKind.Object) throw ApiException.Field(name, "has to be an object");
        switch (TextIn(item, "type") ?? "message")
        {
            case "message":
                var message = new RequestMessage
                {
                    Role = TextIn(item, "role"),
                    Content = item.TryGetProperty("content", out JsonElement content) ? content.Clone() : null,
                };
                turns.Add(RequestMessage.ToTurn(message, name));
                break;
            case "function_call":
                var call = new ChatToolCall(TextIn(item, "call_id"),
                    TextIn(item, "name") ?? throw ApiException.Field($"{name}.name", "is missing"), TextIn(item, "arguments") ?? "{}");
                // Calls of one turn come as items of their own.
                if (turns is [.., { Role: "assistant" } last]) turns[^1] = last with { ToolCalls = [.. last.ToolCalls, call] };
                else turns.Add(new ChatMessage("assistant", "") { ToolCalls = [call] });
                break;
            case "custom_tool_call":
                var custom = new RequestToolCall(TextIn(item, "call_id"), null)
                {
                    Custom = new CalledCustom(TextIn(item, "name"), TextIn(item, "input")),
                };
                if (turns is [.., { Role: "assistant" } before])
                    turns[^1] = before with { ToolCalls = [.. before.ToolCalls, custom.ToCall()] };
                else turns.Add(new ChatMessage("assistant", "") { ToolCalls = [custom.ToCall()] });
                break;
            case "function_call_output" or "custom_tool_call_output":
                string? id = TextIn(item, "call_id");
                JsonElement? output = item.TryGetProperty("output", out JsonElement given) ? given : null;
                turns.Add(new ChatMessage("tool", RequestMessage.TextOf(output, $"{name}.output"))
                {
                    ToolCallId = id,
                    Name = turns.SelectMany(turn => turn.ToolCalls).LastOrDefault(one => one.Id == id)?.Name
                });
                break;
            case "reasoning":
                break; // what was thought before is not said
            case var type:
                throw ApiException.Unsupported(name, $"an item of type '{type}' is not taken");
        }
    }

    private static string? TextIn(JsonElement item, string field) =>
        item.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <param name="Format">`type` text, json_object or json_schema with name, schema and strict beside it.</param>
internal sealed record ResponseText(JsonElement? Format);

/// <param name="Effort">How hard a model thinks, for templates that know it; `none`: not at all.</param>
internal sealed record ResponseReasoning(string? Effort);
