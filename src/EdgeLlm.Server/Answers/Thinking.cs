using System.Text.Json;
using EdgeLlm.Chat.Tools;

namespace EdgeLlm.Server.Answers;

/// <summary>Whether and how hard a model thinks before it answers.</summary>
internal static class Thinking
{
    /// <summary>Whether a template can be told to think or not.</summary>
    public static bool IsOf(string? template) => template is not null
        && (ThinkingFormat.Detect(template) is not null || template.Contains("enable_thinking", StringComparison.Ordinal)
            || template.Contains("reasoning_effort", StringComparison.Ordinal));

    /// <summary>The variables of templates by which thinking is asked for, after those of the caller.</summary>
    /// <param name="given">An object, or null.</param>
    /// <param name="thinks">Whether to think; null: as the template does where nobody says.</param>
    /// <param name="effort">How hard, a word of the template's; null: as it does.</param>
    public static JsonElement? Variables(JsonElement? given, bool? thinks, string? effort)
    {
        if (thinks is null && effort is null) return given is { ValueKind: JsonValueKind.Object } ? given : null;
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            if (thinks is { } thinking)
            {
                json.WriteBoolean("enable_thinking", thinking);
                json.WriteBoolean("thinking", thinking);
            }
            if (effort is not null) json.WriteString("reasoning_effort", effort);
            if (given is { ValueKind: JsonValueKind.Object } object1)
            {
                foreach (JsonProperty property in object1.EnumerateObject()) property.WriteTo(json);
            }
            json.WriteEndObject();
        }
        using JsonDocument document = JsonDocument.Parse(stream.ToArray());
        return document.RootElement.Clone();
    }
}
