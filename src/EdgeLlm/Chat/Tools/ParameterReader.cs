using System.Text.Json;

namespace EdgeLlm.Chat.Tools;

/// <summary>Reads arguments that come one by one, each between texts, and gives them as a JSON object's members.</summary>
internal sealed class ParameterReader(ParametersPart part, ToolDefinition tool)
{
    private string? _name;
    private bool _isText;
    private bool _hasMember;
    private bool _inValue;
    private int _searched;

    /// <summary>Reads as far as it can.</summary>
    /// <param name="give">Receives the object's text.</param>
    /// <returns>Whether no further argument follows.</returns>
    public bool Read(ref string pending, bool isEnd, Action<string> give, out bool fails)
    {
        fails = false;
        while (true)
        {
            if (_name is null)
            {
                TextMatch head = FlexibleText.Match(pending, part.Head, out int length);
                string trimmed = pending.TrimStart();
                if (head == TextMatch.No && (head = FlexibleText.Match(trimmed, part.Head, out length)) != TextMatch.No) pending = trimmed;
                if (head == TextMatch.No) return trimmed.Length > 0 || isEnd;
                if (head == TextMatch.Partly) return false;
                // The name goes up to what follows it.
                string rest = pending[length..];
                int end = rest.IndexOf(part.Middle[0], StringComparison.Ordinal);
                if (end < 0)
                {
                    fails = rest.Length > 1024;
                    return false;
                }
                _name = rest[..end].Trim();
                pending = rest[end..];
            }
            if (!_inValue && !ReadMiddle(ref pending, isEnd, out fails)) return false;
            string tail = part.Tail.Trim();
            int at = pending.IndexOf(tail, Math.Min(_searched, pending.Length), StringComparison.Ordinal);
            if (at < 0)
            {
                _searched = Math.Max(0, pending.Length - tail.Length);
                if (!isEnd) return false;
                GiveMember(pending, give);
                pending = "";
                return true;
            }
            GiveMember(pending[..at], give);
            pending = pending[(at + tail.Length)..];
        }
    }

    private bool ReadMiddle(ref string pending, bool isEnd, out bool fails)
    {
        fails = false;
        bool waits = false;
        foreach (bool isText in (bool[])[true, false])
        {
            string middle = part.MiddleFor(isText).TrimEnd('\n');
            TextMatch match = FlexibleText.Match(pending, middle, out int length);
            waits |= match == TextMatch.Partly;
            if (match != TextMatch.Whole) continue;
            _isText = part.Middle.Contains("{string}", StringComparison.Ordinal) ? isText : TakesText(_name!);
            pending = pending[length..];
            (_inValue, _searched) = (true, 0);
            return true;
        }
        fails = !waits || isEnd;
        return false;
    }

    private void GiveMember(string value, Action<string> give)
    {
        if (part.Middle.EndsWith('\n') && value.StartsWith('\n')) value = value[1..];
        if (part.Tail.StartsWith('\n') && value.EndsWith('\n')) value = value[..^1];
        give((_hasMember ? ", " : "") + ValueReader.Quoted(_name!) + ": ");
        give(!_isText && JsonOf(value.Trim()) is { } json ? json : ValueReader.Quoted(value));
        (_hasMember, _name, _inValue) = (true, null, false);
    }

    private static string? JsonOf(string value) =>
        value switch { "True" => "true", "False" => "false", "None" => "null", _ => ValueReader.JsonOf(value) };

    /// <summary>Whether a schema says that an argument is a text, or nothing.</summary>
    private bool TakesText(string name) => TakesText(tool, name);

    internal static bool TakesText(ToolDefinition tool, string name)
    {
        if (tool.IsCustom) return true;
        if (tool.Parameters is not { ValueKind: JsonValueKind.Object } schema
            || !schema.TryGetProperty("properties", out JsonElement properties)
            || properties.ValueKind != JsonValueKind.Object || !properties.TryGetProperty(name, out JsonElement property)
            || property.ValueKind != JsonValueKind.Object)
            return false;
        if (property.TryGetProperty("type", out JsonElement type))
            return type.ValueKind == JsonValueKind.String && type.GetString() == "string";
        return property.TryGetProperty("enum", out JsonElement values) && values.ValueKind == JsonValueKind.Array
            && values.EnumerateArray().All(value => value.ValueKind == JsonValueKind.String);
    }
}
