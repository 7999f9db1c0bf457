using System.Text.Json;
using System.Text.Json.Nodes;

namespace EdgeLlm.Chat;

/// <summary>
/// Finds a template's <see cref="ChatCapabilities"/>. The idea, needles that are looked for in what is rendered, is that of
/// Google's minja (chat-template.hpp).
/// </summary>
internal sealed class CapabilityProbe(ChatTemplate template)
{
    private const string Needle = "needle-7f3a";
    private const string Filler = "filler-91cd";
    private const string ArgumentsText = """{"probe_argument": "needle-7f3a"}""";
    private const string ToolsText = """
        [{"type": "function", "function": {"name": "needle-7f3a", "description": "d", "parameters":
          {"type": "object", "properties": {"p": {"type": "string", "description": "d"}}, "required": ["p"]}}}]
        """;

    // Nine letters and digits: some templates insist on that.
    private const string CallId = "call00001";

    private bool _isTyped;
    private JsonNode? _absentTools;

    public ChatCapabilities Probe()
    {
        bool needsList = !Renders(User(Filler)) && Render(new JsonArray(), User(Filler)) is not null;
        _absentTools = needsList ? new JsonArray() : null;
        bool rendersPlainText = Shows(User(Needle));
        _isTyped = true;
        string? typed = Render(_absentTools, User(Needle));
        _isTyped = !rendersPlainText && IsShown(Needle, typed) && !IsShown("'text'", typed);

        JsonNode arguments = JsonNode.Parse(ArgumentsText)!, argumentsText = JsonValue.Create(ArgumentsText);
        string? withObject = RenderCall(arguments);
        // A dict that is written as Python prints it is no JSON.
        bool takesObject = IsShown(Needle, withObject) && !IsShown("'probe_argument'", withObject);
        bool takesText = IsShown(ArgumentsText, RenderCall(argumentsText));
        bool hasCalls = takesObject || takesText;
        JsonObject call = hasCalls ? Call(takesObject ? arguments : argumentsText) : Assistant(Content(Filler));
        return new ChatCapabilities
        {
            SupportsSystemRole = Shows(Turn("system", Content(Needle)), User(Filler)),
            SupportsTools = IsShown(Needle, Render(JsonNode.Parse(ToolsText), User(Filler))),
            SupportsToolCalls = hasCalls,
            SupportsToolRole = Shows(User(Filler), call, Answer(Needle)),
            RequiresObjectArguments = takesObject && !takesText,
            RequiresStringArguments = takesText && !takesObject,
            RequiresTypedContent = _isTyped,
            RequiresNonNullContent = RequiresNonNullContent(),
            RequiresAlternation = !Shows(User(Needle), User(Filler)) && Shows(User(Needle), Assistant(Content(Filler)), User(Filler)),
            RequiresToolsList = _absentTools is not null,
        };
    }

    private bool RequiresNonNullContent()
    {
        if (!Renders(User(Filler), Assistant(""), User(Filler))) return false;
        string? rendered = Render(_absentTools, User(Filler), Assistant(content: null), User(Filler));
        return rendered is null || IsShown("None", rendered);
    }

    private string? RenderCall(JsonNode arguments) =>
        Render(_absentTools, User(Filler), Call(arguments)) ?? Render(_absentTools, User(Filler), Call(arguments), Answer(Filler));

    private JsonObject User(string text) => Turn("user", Content(text));

    private static JsonObject Assistant(JsonNode? content) => Turn("assistant", content);

    private static JsonObject Call(JsonNode arguments)
    {
        JsonObject turn = Assistant("");
        turn["tool_calls"] = new JsonArray(new JsonObject
        {
            ["id"] = CallId,
            ["type"] = "function",
            ["function"] = new JsonObject { ["name"] = "probe", ["arguments"] = arguments.DeepClone() },
        });
        return turn;
    }

    private JsonObject Answer(string text)
    {
        JsonObject turn = Turn("tool", Content(text));
        turn["name"] = "probe";
        turn["tool_call_id"] = CallId;
        return turn;
    }

    private static JsonObject Turn(string role, JsonNode? content) => new() { ["role"] = role, ["content"] = content };

    private JsonNode Content(string text) =>
        _isTyped ? new JsonArray(new JsonObject { ["type"] = "text", ["text"] = text }) : JsonValue.Create(text);

    private bool Renders(params JsonNode[] messages) => Render(_absentTools, messages) is not null;

    private bool Shows(params JsonNode[] messages) => IsShown(Needle, Render(_absentTools, messages));

    private static bool IsShown(string text, string? rendered) => rendered is not null && rendered.Contains(text, StringComparison.Ordinal);

    private string? Render(JsonNode? tools, params JsonNode[] messages)
    {
        // A node has one parent only, and messages are used again.
        JsonObject variables = new()
        {
            ["messages"] = new JsonArray([.. messages.Select(message => message.DeepClone())]),
            ["tools"] = tools?.DeepClone(),
            ["documents"] = null,
            ["add_generation_prompt"] = true,
            ["bos_token"] = "",
            ["eos_token"] = "",
        };
        using JsonDocument document = JsonDocument.Parse(variables.ToJsonString());
        try
        {
            return template.Render(document.RootElement, DateTimeOffset.UnixEpoch, template.ProbeLimits);
        }
        catch (ChatTemplateException)
        {
            return null;
        }
    }
}
