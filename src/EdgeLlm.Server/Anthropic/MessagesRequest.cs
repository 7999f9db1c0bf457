using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Anthropic;

/// <summary>The body of `POST /v1/messages`, and without what is generated of `/v1/messages/count_tokens`.</summary>
internal sealed record MessagesRequest
{
    public string? Model { get; init; }

    public List<MessageParameter?>? Messages { get; init; }

    /// <summary>A text, or blocks that are texts.</summary>
    public JsonElement? System { get; init; }

    public int? MaxTokens { get; init; }

    public JsonElement? StopSequences { get; init; }

    public bool? Stream { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopK { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public ThinkingParameter? Thinking { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <summary>The conversation.</summary>
    /// <exception cref="ApiException">A message is wrong, or has what is not text.</exception>
    public Conversation ToConversation()
    {
        if (Messages is not { Count: > 0 }) throw ApiException.Field("messages", "has to be a list with at least one message");
        NotDone.Refuse(Others);
        var turns = new List<ChatMessage>();
        if (Fields.IsSet(System)) turns.Add(new ChatMessage("system", ContentBlocks.TextOf(System, "system")));
        for (int i = 0; i < Messages.Count; i++)
            ContentBlocks.AddTurns(turns, Messages[i] ?? throw ApiException.Field($"messages[{i}]", "is null"), $"messages[{i}]");
        return new Conversation(turns) { Variables = Answers.Thinking.Variables(null, Thinks, null) };
    }

    /// <param name="usual">The service's policy for a full context; null: cut.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationRequest ToRequest(ServedModel served, ContextPolicy? usual)
    {
        if (MaxTokens is not > 0)
            throw ApiException.Field("max_tokens", MaxTokens is null ? "is missing" : $"is {MaxTokens}; it has to be 1 or more");
        var defaults = Fields.SamplingOf(served);
        return new GenerationRequest(served)
        {
            Conversation = ToConversation(),
            Tools = ToTools(),
            Options = Fields.Checked(new GenerationOptions
            {
                MaxTokens = MaxTokens.Value,
                StopStrings = Fields.Texts(StopSequences, "stop_sequences"),
                Sampling = Fields.WithOff(defaults with
                {
                    Temperature = Temperature ?? defaults.Temperature,
                    TopP = TopP is null or < 0 ? defaults.TopP : TopP.Value,
                    TopK = TopK ?? defaults.TopK
                }),
            }),
            WhenFull = usual ?? ContextPolicy.Cut,
        };
    }

    /// <summary>The tools that are offered.</summary>
    /// <exception cref="ApiException">They are wrong.</exception>
    public RequestTools ToTools() => RequestTools.Of(Tools, ToolChoice) with { HasFlatTools = true };

    private bool? Thinks => Thinking?.Type switch
    {
        null => null,
        "enabled" or "adaptive" => true,
        "disabled" => false,
        _ => throw ApiException.Field("thinking.type", $"is '{Thinking.Type}'; it has to be enabled, adaptive or disabled"),
    };
}

/// <param name="Content">A text, or blocks.</param>
internal sealed record MessageParameter(string? Role, JsonElement? Content);

/// <param name="Type">`enabled`, `adaptive` or `disabled`.</param>
internal sealed record ThinkingParameter(string? Type);

/// <summary>Anthropic's contents: a text, or blocks of text, thought, calls of tools and their results.</summary>
internal static class ContentBlocks
{
    /// <summary>The text of a content of texts only.</summary>
    /// <exception cref="ApiException">It has something else.</exception>
    public static string TextOf(JsonElement? content, string name)
    {
        if (content is { ValueKind: JsonValueKind.String } whole) return whole.GetString()!;
        if (content is not { ValueKind: JsonValueKind.Array } blocks)
            throw ApiException.Field(name, "has to be a text or a list of blocks");
        return string.Join('\n', blocks.EnumerateArray().Select((block, i) => TypeOf(block) == "text"
            ? Required(block, "text", $"{name}[{i}]") : throw NotText(block, name)));
    }

    /// <summary>Adds the turns of a message: results of tools are turns of their own.</summary>
    /// <exception cref="ApiException">The role is unknown, or a block is not taken.</exception>
    public static void AddTurns(List<ChatMessage> turns, MessageParameter message, string name)
    {
        string role = message.Role switch
        {
            "user" or "assistant" or "system" => message.Role,
            _ => throw ApiException.Field($"{name}.role", $"is '{message.Role}'; it has to be user or assistant"),
        };
        name += ".content";
        if (message.Content is { ValueKind: JsonValueKind.String } text)
        {
            turns.Add(new ChatMessage(role, text.GetString()!));
            return;
        }
        if (message.Content is not { ValueKind: JsonValueKind.Array } blocks)
            throw ApiException.Field(name, "has to be a text or a list of blocks");
        StringBuilder said = new(), thought = new();
        var calls = new List<ChatToolCall>();
        int index = 0;
        foreach (JsonElement block in blocks.EnumerateArray())
        {
            string place = $"{name}[{index++}]";
            switch (TypeOf(block))
            {
                case "text": said.Append(Required(block, "text", place)); break;
                case "thinking": thought.Append(Required(block, "thinking", place)); break;
                case "redacted_thinking": break;
                case "tool_use" when role == "assistant":
                    calls.Add(new ChatToolCall(Required(block, "id", place), Required(block, "name", place),
                        block.TryGetProperty("input", out JsonElement input) && input.ValueKind == JsonValueKind.Object
                            ? input.GetRawText() : "{}"));
                    break;
                case "tool_result" when role == "user":
                    string result = block.TryGetProperty("content", out JsonElement content) && Fields.IsGiven(content)
                        ? TextOf(content, $"{place}.content") : "";
                    string id = Required(block, "tool_use_id", place);
                    turns.Add(new ChatMessage("tool", result)
                    {
                        ToolCallId = id,
                        Name = turns.SelectMany(turn => turn.ToolCalls).LastOrDefault(call => call.Id == id)?.Name
                    });
                    break;
                default: throw NotText(block, name);
            }
        }
        if (said.Length > 0 || calls.Count > 0 || index == 0 || role == "assistant")
            turns.Add(new ChatMessage(role, said.ToString())
            {
                ToolCalls = calls,
                ReasoningContent = thought.Length > 0 ? thought.ToString() : null
            });
    }

    private static string? TypeOf(JsonElement block) =>
        block.ValueKind == JsonValueKind.Object && block.TryGetProperty("type", out JsonElement type)
            && type.ValueKind == JsonValueKind.String ? type.GetString() : null;

    private static string Required(JsonElement block, string field, string name) =>
        block.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()!
            : throw ApiException.Field($"{name}.{field}", "has to be a text");

    private static ApiException NotText(JsonElement block, string name) =>
        ApiException.Unsupported(name, $"a block of type '{TypeOf(block)}' is not taken: this model reads text only");
}
