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
    private const string Other = "needle-91cd";
    private const string ArgumentsText = """{"probe_argument": "needle-7f3a"}""";
    private const string ToolsText =
        """[{"type": "function", "function": {"name": "needle-7f3a", "description": "d", "parameters": {"type": "object", "properties": {"p": {"type": "string", "description": "d"}}, "required": ["p"]}}}]""";

    // Nine letters and digits: some templates insist on that.
    private const string CallId = "call00001";

    private bool _isTyped;

    public ChatCapabilities Probe()
    {
        _isTyped = false;
        bool isTextRendered = Renders(Needle, User(Needle));
        _isTyped = true;
        _isTyped = !isTextRendered && Renders(Needle, User(Needle));
        JsonNode arguments = JsonNode.Parse(ArgumentsText)!;
        string? withObject = RenderCall(arguments), withText = RenderCall(JsonValue.Create(ArgumentsText));
        bool rendersText = withText?.Contains(ArgumentsText, StringComparison.Ordinal) ?? false;
        // A dict that is written as Python prints it is no JSON.
        bool rendersObject = withObject is not null && withObject.Contains(Needle, StringComparison.Ordinal)
            && !withObject.Contains("'probe_argument'", StringComparison.Ordinal);
        bool rendersEmpty = Render(User(Other), Turn("assistant", JsonValue.Create("")), User(Other)) is not null;
        return new ChatCapabilities
        {
            SupportsSystemRole = Renders(Needle, Turn("system", Content(Needle)), User(Other)),
            SupportsTools = Render(JsonNode.Parse(ToolsText), User(Other))?.Contains(Needle, StringComparison.Ordinal) ?? false,
            SupportsToolCalls = rendersObject || rendersText,
            SupportsToolRole = Renders(Needle, User(Other), Call(rendersObject ? arguments : JsonValue.Create(ArgumentsText), rendersObject || rendersText), Answer(Needle)),
            RequiresObjectArguments = rendersObject && !rendersText,
            RequiresStringArguments = rendersText && !rendersObject,
            RequiresTypedContent = _isTyped,
            RequiresNonNullContent = rendersEmpty && !RendersNull(),
            RequiresAlternation = !Renders(Needle, User(Needle), User(Other)) && Renders(Needle, User(Needle), Turn("assistant", Content(Other)), User(Other)),
        };
    }

    private bool RendersNull()
    {
        string? rendered = Render(User(Other), Turn("assistant", content: null), User(Other));
        return rendered is not null && !rendered.Contains("None", StringComparison.Ordinal);
    }

    private string? RenderCall(JsonNode arguments) =>
        Render(User(Other), Call(arguments, isCall: true)) ?? Render(User(Other), Call(arguments, isCall: true), Answer(Other));

    private JsonObject User(string text) => Turn("user", Content(text));

    private JsonObject Answer(string text)
    {
        JsonObject turn = Turn("tool", Content(text));
        turn["name"] = "probe";
        turn["tool_call_id"] = CallId;
        return turn;
    }

    private JsonObject Call(JsonNode arguments, bool isCall)
    {
        if (!isCall) return Turn("assistant", Content(Other));
        JsonObject turn = Turn("assistant", JsonValue.Create(""));
        turn["tool_calls"] = new JsonArray(new JsonObject
        {
            ["id"] = CallId,
            ["type"] = "function",
            ["function"] = new JsonObject { ["name"] = "probe", ["arguments"] = arguments.DeepClone() },
        });
        return turn;
    }

    private static JsonObject Turn(string role, JsonNode? content) => new() { ["role"] = role, ["content"] = content };

    private JsonNode Content(string text) =>
        _isTyped ? new JsonArray(new JsonObject { ["type"] = "text", ["text"] = text }) : JsonValue.Create(text);

    private bool Renders(string needle, params JsonNode[] messages) => Render(messages)?.Contains(needle, StringComparison.Ordinal) ?? false;

    private string? Render(params JsonNode[] messages) => Render(tools: null, messages);

    private string? Render(JsonNode? tools, params JsonNode[] messages)
    {
        JsonObject variables = new()
        {
            ["messages"] = new JsonArray(messages),
            ["tools"] = tools,
            ["documents"] = null,
            ["add_generation_prompt"] = true,
            ["bos_token"] = "",
            ["eos_token"] = "",
        };
        using JsonDocument document = JsonDocument.Parse(variables.ToJsonString());
        try
        {
            return template.Render(document.RootElement, DateTimeOffset.UnixEpoch);
        }
        catch (ChatTemplateException)
        {
            return null;
        }
    }
}
