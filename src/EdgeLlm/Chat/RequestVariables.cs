using System.Text.Json;
using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat;

/// <summary>Variables of a template for a request. What people, tools and models wrote is marked as input.</summary>
internal sealed class RequestVariables(Rendering rendering, ChatCapabilities capabilities)
{
    private readonly DictValue _variables = new();

    public DictValue Build(ChatRequest request)
    {
        // As transformers do it, tools and documents are there and None where none are given.
        Value noTools = capabilities.RequiresToolsList ? new ListValue([]) : NoneValue.Instance;
        bool passesTools = capabilities.SupportsTools && RequestTurns.HasTools(request);
        List<Value> messages = [];
        foreach (RequestTurn turn in new RequestTurns(rendering, capabilities).Adapt(request)) messages.Add(Message(turn));
        if (request.Variables is { ValueKind: JsonValueKind.Object } more)
        {
            foreach (JsonProperty variable in more.EnumerateObject())
                Set(JsonValues.NameOf(rendering, variable), JsonValues.Read(rendering, variable.Value, input: true));
        }
        Set("messages", new ListValue(messages));
        Set("tools", passesTools ? JsonValues.Read(rendering, request.Tools!.Value, input: true) : noTools);
        if (_variables.Find(rendering, "documents") is null) Set("documents", NoneValue.Instance);
        Set("add_generation_prompt", BooleanValue.Of(request.AddGenerationPrompt));
        Set("bos_token", new StringValue(request.BosToken));
        Set("eos_token", new StringValue(request.EosToken));
        return _variables;
    }

    /// <summary>The arguments of a call as text or, where they are a JSON object, as a dict.</summary>
    public static Value Arguments(Rendering rendering, ChatToolCall call, bool asText)
    {
        StringValue text = new(call.Arguments, InputMarks.All);
        if (asText) return text;
        try
        {
            using JsonDocument document = JsonDocument.Parse(call.Arguments);
            bool isObject = document.RootElement.ValueKind == JsonValueKind.Object;
            return isObject ? JsonValues.Read(rendering, document.RootElement, input: true) : text;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            // A model may have written anything, half a surrogate pair too.
            return text;
        }
    }

    private DictValue Message(RequestTurn turn)
    {
        DictValue message = new();
        Add(message, "role", new StringValue(turn.Role, InputMarks.Of(!IsKnownRole(turn.Role))));
        Add(message, "content", capabilities.RequiresTypedContent ? new ListValue([TextPart(turn.Content)]) : turn.Content);
        if (turn.Source.ReasoningContent is string reasoning) Add(message, "reasoning_content", Input(reasoning));
        if (turn.ToolCalls.Count > 0) Add(message, "tool_calls", new ListValue([.. turn.ToolCalls.Select(Call)]));
        if (turn.Source.ToolCallId is string id) Add(message, "tool_call_id", Input(id));
        if (turn.Source.Name is string name) Add(message, "name", Input(name));
        return message;
    }

    private DictValue TextPart(StringValue text)
    {
        DictValue part = new();
        Add(part, "type", new StringValue("text"));
        Add(part, "text", text);
        return part;
    }

    private DictValue Call(ChatToolCall call)
    {
        DictValue function = new(), value = new();
        Add(function, "name", Input(call.Name));
        Add(function, "arguments", Arguments(rendering, call, capabilities.RequiresStringArguments));
        if (call.Id is not null) Add(value, "id", Input(call.Id));
        Add(value, "type", new StringValue("function"));
        Add(value, "function", function);
        return value;
    }

    private void Set(string name, Value value) => Add(_variables, name, value);

    private void Add(DictValue dict, string name, Value value) => dict.Set(rendering, new StringValue(name), value);

    private static StringValue Input(string text) => new(text, InputMarks.All);

    /// <summary>Roles that templates write into the prompt as they are; another one could be a special token.</summary>
    private static bool IsKnownRole(string role) =>
        role is "system" or "user" or "assistant" or "tool" or "developer" or "function" or "ipython" or "model";
}
