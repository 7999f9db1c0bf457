using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>
/// Damages JSON value by value: other types, other numbers, fields that are missing, twice or of other names, deep nests.
/// </summary>
internal static class JsonMutator
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "1", "-1", "2", "0.5", "-0.0", "1e9", "1e400", "-1e400", "2147483647", "2147483648", "-2147483648",
        "4294967295", "4294967296", "9223372036854775807",
        "9223372036854775808", "18446744073709551615", "1e-320", "[]", "{}", "\"\"", "[null]", "[[[[[]]]]]", "{\"\":{\"\":null}}",
        "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\uD83D\\uDE00\"", "NaN", "1.", "01", "\"",
    ];

    /// <summary>Damages a document; the result is mostly JSON still.</summary>
    /// <param name="names">Names of fields that the reader knows.</param>
    public static byte[] Mutate(Dice dice, ReadOnlySpan<byte> json, IReadOnlyList<string> names)
    {
        try
        {
            return MutateValues(dice, json, names);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            return dice.Damage(json.ToArray()); // what an earlier mutation left is no JSON any more, or has a field twice
        }
    }

    private static byte[] MutateValues(Dice dice, ReadOnlySpan<byte> json, IReadOnlyList<string> names)
    {
        JsonNode root = JsonNode.Parse(json)!;
        string? late = null; // what JsonNode can't hold is put in as text, in the place of a mark
        for (int count = dice.OneIn(16) ? 0 : dice.Mutations(); count > 0; count--) late ??= MutateOnce(dice, root, names);
        string text = root.ToJsonString(Options);
        if (late is not null) text = text.Replace("\"@@\"", late, StringComparison.Ordinal);
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return dice.OneIn(12) ? dice.Damage(bytes) : bytes;
    }

    private static string? MutateOnce(Dice dice, JsonNode root, IReadOnlyList<string> names)
    {
        // Down to a random place: deeper ones as often as their share of the document would have it is too often for vocabularies.
        JsonNode parent = root;
        while (ChildOf(parent, dice) is { } child && child is JsonObject or JsonArray && !dice.OneIn(3)) parent = child;
        if (parent is JsonObject fields) return MutateObject(dice, fields, names);
        if (parent is JsonArray items) return MutateArray(dice, items);
        return null;
    }

    private static string? MutateObject(Dice dice, JsonObject fields, IReadOnlyList<string> names)
    {
        string? name = fields.Count > 0 ? fields.GetAt(dice.Below(fields.Count)).Key : null;
        switch (dice.Below(8))
        {
            case 0 when name is not null:
                fields.Remove(name);
                return null;
            case 1 when name is not null:
                JsonNode? moved = fields[name];
                fields.Remove(name);
                fields[names.Count > 0 && dice.OneIn(2) ? dice.Of(names) : Plain(dice.Text())] = moved;
                return null;
            case 2 when names.Count > 0:
                fields[dice.Of(names)] = "@@";
                return Value(dice, null);
            case 3 when name is not null:
                // A field twice: text only can say that.
                fields["@@k"] = "@@";
                return $"0,{JsonSerializer.Serialize(name)}:{Value(dice, null)}";
            default:
                if (name is null) return null;
                string value = Value(dice, fields[name]);
                fields[name] = "@@";
                return value;
        }
    }

    private static string? MutateArray(Dice dice, JsonArray items)
    {
        int at = dice.Below(items.Count);
        switch (dice.Below(6))
        {
            case 0 when items.Count > 0:
                items.RemoveAt(at);
                return null;
            case 1 when items.Count > 0:
                for (int copies = dice.Pick(1, 1, 1, 300); copies > 0; copies--) items.Add(items[at]?.DeepClone());
                return null;
            case 2 when items.Count > 1:
                JsonNode? first = items[at]?.DeepClone();
                items.RemoveAt(at);
                items.Insert(dice.Below(items.Count), first);
                return null;
            default:
                string value = Value(dice, items.Count > 0 ? items[at] : null);
                if (items.Count > 0 && dice.OneIn(2)) items[at] = "@@";
                else items.Insert(at, "@@");
                return value;
        }
    }

    private static JsonNode? ChildOf(JsonNode node, Dice dice) => node switch
    {
        JsonObject { Count: > 0 } fields => fields.GetAt(dice.Below(fields.Count)).Value,
        JsonArray { Count: > 0 } items => items[dice.Below(items.Count)],
        _ => null,
    };

    private static string Value(Dice dice, JsonNode? old)
    {
        switch (dice.Below(7))
        {
            case 0: return JsonSerializer.Serialize(Plain(dice.Text()), Options);
            case 1:
                return ((long)dice.Integer(old is JsonValue number && number.TryGetValue(out long value) ? (ulong)value : 0)).ToString(
                    CultureInfo.InvariantCulture);
            case 2: return dice.Number() is var real && double.IsFinite(real) ? real.ToString("R", CultureInfo.InvariantCulture) : "1e999";
            case 3 when dice.OneIn(8):
                int depth = 1 << dice.Below(14);
                return new string('[', depth) + new string(']', depth);
            case 4 when old is JsonValue text && text.TryGetValue(out string? known) && known.Length > 0:
                return JsonSerializer.Serialize(Plain(dice.OneIn(2) ? known + dice.Text() : known[..dice.Below(known.Length)]), Options);
            default: return dice.Of(Values);
        }
    }

    /// <summary>A serializer writes no half surrogate pairs.</summary>
    private static string Plain(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}
