using System.Text.Json;
using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat;

/// <summary>Rewrites a conversation into one that a template of limited capabilities renders.</summary>
internal sealed class RequestTurns(Rendering rendering, ChatCapabilities capabilities)
{
    private const string ToolsIntroduction =
        "You may call functions. To call one, answer with a JSON object inside of tags:\n<tool_call>\n"
        + "{\"name\": \"function name\", \"arguments\": {\"argument name\": \"value\"}}\n</tool_call>\nThe functions are:";

    public List<RequestTurn> Adapt(ChatRequest request)
    {
        List<RequestTurn> turns = [.. request.Messages.Select(message => new RequestTurn(message.Role, Input(message.Content), message))];
        if (!capabilities.SupportsToolCalls) Replace(turns, turn => turn.ToolCalls.Count > 0, WithCallsAsText);
        if (!capabilities.SupportsToolRole) Replace(turns, turn => turn.Role == "tool", AsUserTurn);
        if (!capabilities.SupportsTools && HasTools(request)) AddTools(turns, request.Tools!.Value);
        if (!capabilities.SupportsSystemRole) MergeSystemTurns(turns);
        if (capabilities.RequiresAlternation) MergeNeighbours(turns);
        return turns;
    }

    public static bool HasTools(ChatRequest request) =>
        request.Tools is { ValueKind: JsonValueKind.Array } tools && tools.GetArrayLength() > 0;

    private static void Replace(List<RequestTurn> turns, Predicate<RequestTurn> isConcerned, Func<RequestTurn, RequestTurn> replacement)
    {
        for (int i = 0; i < turns.Count; i++)
            if (isConcerned(turns[i])) turns[i] = replacement(turns[i]);
    }

    private RequestTurn WithCallsAsText(RequestTurn turn)
    {
        TextBuilder text = new(rendering);
        text.Append(turn.Content);
        foreach (ChatToolCall call in turn.ToolCalls)
        {
            if (text.Length > 0) text.Append("\n");
            DictValue values = new();
            values.Set(rendering, new StringValue("name"), Input(call.Name));
            values.Set(rendering, new StringValue("arguments"), RequestVariables.Arguments(rendering, call, asText: false));
            text.Append("<tool_call>\n");
            text.Append(JsonText.Write(rendering, values));
            text.Append("\n</tool_call>");
        }
        return turn with { Content = text.ToValue(), ToolCalls = [] };
    }

    private RequestTurn AsUserTurn(RequestTurn turn)
    {
        TextBuilder text = new(rendering);
        text.Append("<tool_response>\n");
        text.Append(turn.Content);
        text.Append("\n</tool_response>");
        return turn with { Role = "user", Content = text.ToValue() };
    }

    private void AddTools(List<RequestTurn> turns, JsonElement tools)
    {
        TextBuilder text = new(rendering);
        text.Append(ToolsIntroduction);
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            text.Append("\n");
            text.Append(JsonText.Write(rendering, JsonValues.Read(rendering, tool, input: true)));
        }
        if (turns.Count > 0 && turns[0].Role == "system") turns[0] = turns[0] with { Content = Joined(turns[0].Content, text.ToValue()) };
        else turns.Insert(0, new RequestTurn("system", text.ToValue(), new ChatMessage("system", "")));
    }

    private void MergeSystemTurns(List<RequestTurn> turns)
    {
        for (int i = 0; i < turns.Count; i++)
        {
            if (turns[i].Role != "system") continue;
            if (i + 1 < turns.Count && turns[i + 1].Role is "system" or "user")
            {
                turns[i + 1] = turns[i + 1] with { Content = Joined(turns[i].Content, turns[i + 1].Content) };
                turns.RemoveAt(i--);
            }
            else
            {
                turns[i] = turns[i] with { Role = "user" };
            }
        }
    }

    private void MergeNeighbours(List<RequestTurn> turns)
    {
        for (int i = turns.Count - 1; i > 0; i--)
        {
            RequestTurn first = turns[i - 1], second = turns[i];
            if (first.Role != second.Role || first.Role is not ("user" or "assistant")) continue;
            turns[i - 1] = first with
            {
                Content = Joined(first.Content, second.Content),
                ToolCalls = [.. first.ToolCalls, .. second.ToolCalls],
            };
            turns.RemoveAt(i);
        }
    }

    private StringValue Joined(StringValue first, StringValue second)
    {
        TextBuilder text = new(rendering);
        text.Append(first);
        if (first.IsTrue && second.IsTrue) text.Append("\n\n");
        text.Append(second);
        return text.ToValue();
    }

    private static StringValue Input(string text) => new(text, InputMarks.All);
}

/// <summary>A message on its way into a template: with marked text, and rewritten where the template cannot express it.</summary>
internal sealed record RequestTurn(string Role, StringValue Content, ChatMessage Source)
{
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = Source.ToolCalls;
}
