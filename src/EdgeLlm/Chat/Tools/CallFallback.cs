using System.Text.Json;

namespace EdgeLlm.Chat.Tools;

/// <summary>
/// Calls that a model wrote in another way than its format: JSON objects with a name and arguments in any order, in a list or not.
/// </summary>
internal static class CallFallback
{
    private static readonly string[] NameKeys = ["name", "tool_name", "function", "tool"];
    private static readonly string[] ArgumentsKeys = ["arguments", "parameters", "args", "input"];

    /// <summary>Whether JSON follows the mark that a text begins with.</summary>
    public static bool MayBeCall(string text)
    {
        int start = text.AsSpan().IndexOfAny('{', '[');
        if (text.StartsWith('[')) start = text.AsSpan(1).IndexOfAny('{', '[') + 1; // [TOOL_CALLS]
        if (start < 0) return false;
        // Only a mark, or a fence of Markdown, may stand before it.
        return start < 40 && !text.AsSpan(0, start).ContainsAny(['.', ',', '?', '!', '\'']);
    }

    /// <summary>The calls in a text, or none where there are none or a tool is not known.</summary>
    public static IReadOnlyList<(string Name, string Arguments)> Read(string text, IReadOnlyCollection<string> names)
    {
        int start = text.IndexOf('{', StringComparison.Ordinal), end = text.LastIndexOf('}');
        if (start < 0 || end <= start) return [];
        string body = text[start..(end + 1)];
        var calls = new List<(string, string)>();
        try
        {
            using JsonDocument document = JsonDocument.Parse("[" + body + "]", new JsonDocumentOptions { AllowTrailingCommas = true });
            foreach (JsonElement item in document.RootElement.EnumerateArray())
            {
                if (CallOf(item, names) is not { } call) return [];
                calls.Add(call);
            }
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException)
        {
            return []; // not JSON, or with half a surrogate pair
        }
        return calls;
    }

    private static (string, string)? CallOf(JsonElement item, IReadOnlyCollection<string> names)
    {
        if (item.ValueKind != JsonValueKind.Object) return null;
        if (item.TryGetProperty("function", out JsonElement function) && function.ValueKind == JsonValueKind.Object) item = function;
        string? name = NameKeys.Select(key => item.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null).FirstOrDefault(text => text is not null);
        if (name is null || !names.Contains(name)) return null;
        foreach (string key in ArgumentsKeys)
        {
            if (!item.TryGetProperty(key, out JsonElement arguments)) continue;
            if (arguments.ValueKind == JsonValueKind.Object) return (name, arguments.GetRawText());
            if (arguments.ValueKind == JsonValueKind.String && ValueReader.JsonOf(arguments.GetString()!) is { } json
                && json.TrimStart().StartsWith('{'))
                return (name, json);
            return null;
        }
        return (name, "{}");
    }
}
