using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Tools;
using EdgeLlm.Chat;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Assistant.Conversation;

/// <summary>A model's answer to messages, piece by piece.</summary>
/// <param name="constraint">The form that it has; null: any.</param>
internal delegate IAsyncEnumerable<string> GenerateText(IReadOnlyList<ChatMessage> messages, OutputConstraint? constraint,
    CancellationToken cancellation);

/// <summary>Readies a model for messages of which the last is not whole yet.</summary>
internal delegate Task PrepareText(IReadOnlyList<ChatMessage> messages, CancellationToken cancellation);

/// <summary>
/// A conversation with a model that may call tools: its answer is text, or calls in the form of <see cref="CallGrammar"/>, whose results it
/// receives until it answers. Every call goes through the gate. Not for several turns at once.
/// </summary>
internal sealed class ModelTalk(GenerateText generate, ToolGate gate, string system, PrepareText? prepare = null)
{
    /// <summary>Times that the model is asked in one turn.</summary>
    public const int MostRounds = 5;

    private const int MostHistory = 8, MostHistoryCharacters = 4000, MostResult = 2000;

    private readonly List<ChatMessage> _history = [];
    private bool _hasUntrustedText; // in the history

    /// <summary>Turns that the model still sees.</summary>
    public IReadOnlyList<ChatMessage> History => _history;

    /// <summary>Forgets the conversation.</summary>
    public void Reset()
    {
        _history.Clear();
        _hasUntrustedText = false;
    }

    /// <summary>Readies the model for a turn of which only the first words are known.</summary>
    public Task PrepareAsync(string words, Source source, CancellationToken cancellation) =>
        prepare?.Invoke([new ChatMessage("system", SystemOf(gate.ToolsFor(source))), .. _history, new ChatMessage("user", words)],
            cancellation) ?? Task.CompletedTask;

    /// <summary>The answer to a turn.</summary>
    /// <inheritdoc cref="AnswerByModel"/>
    public async IAsyncEnumerable<string> AnswerAsync(Turn turn, Action<bool> isBusy, Action asks,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        turn.HasUntrustedText |= _hasUntrustedText;
        IReadOnlyList<Tool> tools = gate.ToolsFor(turn.Source);
        turn.HasUntrustedText |= tools.Any(static tool => tool.HasUntrustedDescription); // the model reads them
        List<ChatMessage> messages = [new ChatMessage("system", SystemOf(tools)), .. _history, new ChatMessage("user", turn.Words)];
        var said = new StringBuilder();
        for (int round = 0; ; round++)
        {
            // The last round may only answer: a model that calls without end is not asked without end.
            bool mayCall = tools.Count > 0 && round < MostRounds - 1;
            var calls = new StringBuilder();
            await foreach (string piece in generate(messages, mayCall ? CallGrammar.For(tools) : CallGrammar.OnlyText, cancellation)
                .ConfigureAwait(false))
            {
                if (calls.Length > 0 || (said.ToString() + piece).Contains(CallGrammar.Begin[0], StringComparison.Ordinal))
                {
                    // What stands before the first call was said already.
                    int at = calls.Length > 0 ? 0 : piece.IndexOf(CallGrammar.Begin[0], StringComparison.Ordinal);
                    if (at > 0)
                    {
                        said.Append(piece, 0, at);
                        yield return piece[..at];
                    }
                    calls.Append(piece, Math.Max(at, 0), piece.Length - Math.Max(at, 0));
                    continue;
                }
                said.Append(piece);
                yield return piece;
            }
            if (calls.Length == 0 || round >= MostRounds - 1) break;
            messages.Add(new ChatMessage("assistant", calls.ToString()));
            foreach (ToolCall? call in CallGrammar.Read(calls.ToString()))
            {
                ToolResult result;
                if (call is null)
                    result =
                        ToolResult.Failed("this is not a call: write <tool_call>{\"name\": ..., \"arguments\": {...}}</tool_call>", "");
                else
                {
                    isBusy(true);
                    result = await gate.CallAsync(call, turn, isByModel: true, cancellation).ConfigureAwait(false);
                    isBusy(false);
                }
                if (result.Status == ToolStatus.Asks)
                {
                    asks();
                    Remember(turn, result.Spoken);
                    yield return result.Spoken;
                    yield break;
                }
                string text = result.Text.Length > MostResult ? result.Text[..MostResult] : result.Text;
                messages.Add(new ChatMessage("tool", text) { Name = call?.Tool });
            }
        }
        if (said.ToString().Trim().Length == 0)
        {
            said.Append(turn.Language.Say("nomodel"));
            yield return said.ToString();
        }
        Remember(turn, said.ToString());
    }

    private void Remember(Turn turn, string answer)
    {
        _hasUntrustedText |= turn.HasUntrustedText;
        _history.Add(new ChatMessage("user", turn.Words));
        _history.Add(new ChatMessage("assistant", answer));
        while (_history.Count > MostHistory
            || (_history.Count > 2 && _history.Sum(static message => message.Content.Length) > MostHistoryCharacters))
            _history.RemoveRange(0, 2);
    }

    private string SystemOf(IReadOnlyList<Tool> tools)
    {
        if (tools.Count == 0) return system;
        var text = new StringBuilder(system)
            .Append(
                "\n\nYou can call these tools. To call one, answer only with <tool_call>{\"name\": NAME, \"arguments\": "
                    + "{...}}</tool_call>; to talk, answer with words.\n");
        foreach (Tool tool in tools)
            text.Append("- ").Append(tool.Name).Append(": ").Append(tool.Description).Append(" Arguments: ")
                .Append(tool.Parameters.GetProperty("properties").GetRawText()).Append('\n');
        return text.ToString();
    }
}

/// <summary>
/// The form of answers that may call tools: text without a less-than sign, or calls as many templates have them, each with arguments of its
/// tool's schema.
/// </summary>
internal static class CallGrammar
{
    /// <summary>Marks around a call.</summary>
    public const string Begin = "<tool_call>", End = "</tool_call>";

    private const int MostCalls = 4;

    private static readonly Lazy<OutputConstraint> Text = new(() => OutputConstraint.Gbnf("root ::= [^<]+"));

    /// <summary>Answers without calls.</summary>
    public static OutputConstraint OnlyText => Text.Value;

    /// <summary>Answers that may call some tools.</summary>
    public static OutputConstraint For(IReadOnlyList<Tool> tools)
    {
        var grammar = new StringBuilder("root ::= [^<]+ | call{1,").Append(MostCalls).Append("}\ncall ::= \"").Append(Begin).Append("\" (")
            .AppendJoin(" | ", Enumerable.Range(0, tools.Count).Select(static i => $"tool{i}")).Append(") \"").Append(End).Append("\"\n");
        for (int i = 0; i < tools.Count; i++)
        {
            grammar.Append("tool").Append(i).Append(" ::= ").Append(Literal($"{{\"name\": \"{tools[i].Name}\", \"arguments\": "))
                .Append(' ').Append(Arguments(tools[i].Parameters)).Append(" \"}\"\n");
        }
        grammar.Append("""
            string ::= "\"" ([^"\\\x00-\x1f] | "\\" ["\\/bfnrt])* "\""
            integer ::= "-"? ("0" | [1-9] [0-9]{0,6})
            number ::= integer ("." [0-9]{1,6})?
            boolean ::= "true" | "false"
            value ::= string | number | boolean | "null"
            object ::= "{" (string ": " value (", " string ": " value){0,8})? "}"
            array ::= "[" (value (", " value){0,8})? "]"
            """);
        return OutputConstraint.Gbnf(grammar.ToString());
    }

    /// <summary>Calls of an answer; null for one that can't be read.</summary>
    public static IEnumerable<ToolCall?> Read(string text)
    {
        for (int at = 0; (at = text.IndexOf(Begin[0], at)) >= 0;)
        {
            int start = text.AsSpan(at).StartsWith(Begin) ? at + Begin.Length : -1,
                end = start < 0 ? -1 : text.IndexOf(End, start, StringComparison.Ordinal);
            yield return start < 0 ? null : Parse(end < 0 ? text[start..] : text[start..end]);
            if (end < 0) yield break;
            at = end + End.Length;
        }
    }

    private static ToolCall? Parse(string json)
    {
        try
        {
            using JsonDocument call = JsonDocument.Parse(json);
            bool isCall = call.RootElement.ValueKind == JsonValueKind.Object & call.RootElement.TryGetProperty("name",
                out JsonElement name) & call.RootElement.TryGetProperty("arguments", out JsonElement arguments);
            return isCall && name.ValueKind == JsonValueKind.String ? new ToolCall(name.GetString()!, arguments.GetRawText()) : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>An object with its properties in the schema's order, those that are not required maybe left out.</summary>
    private static string Arguments(JsonElement schema)
    {
        if (!schema.TryGetProperty("properties", out JsonElement properties) || properties.ValueKind != JsonValueKind.Object)
            return "object";
        string[] required = schema.TryGetProperty("required", out JsonElement names)
            ? [.. names.EnumerateArray().Select(static one => one.GetString()!)] : [];
        List<JsonProperty> all = [.. properties.EnumerateObject().OrderBy(property => !required.Contains(property.Name))];
        var text = new StringBuilder("\"{\"");
        int open = 0;
        for (int i = 0; i < all.Count; i++)
        {
            string member = Literal((i > 0 ? ", " : "") + $"\"{JsonEncodedText.Encode(all[i].Name)}\": ") + " " + Value(all[i].Value);
            if (!required.Contains(all[i].Name))
            {
                if (i == 0) return "object"; // commas would depend on what is left out
                text.Append(" (");
                open++;
            }
            text.Append(' ').Append(member);
        }
        for (; open > 0; open--) text.Append(")?");
        return text.Append(" \"}\"").ToString();
    }

    private static string Value(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object) return "value";
        if (schema.TryGetProperty("enum", out JsonElement choices))
            return "(" + string.Join(" | ", choices.EnumerateArray().Select(static choice => Literal(choice.GetRawText()))) + ")";
        return schema.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String
            ? type.GetString() switch
            {
                "string" => "string",
                "integer" => "integer",
                "number" => "number",
                "boolean" => "boolean",
                "array" => "array",
                "object" => "object",
                _ => "value"
            } : "value";
    }

    /// <summary>A text as GBNF writes it.</summary>
    private static string Literal(string text) =>
        "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";
}
