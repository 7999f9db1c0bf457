using System.Numerics;
using System.Text;
using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// Checks a value against a whole schema, with the keywords that can't be compiled as well (`not`, `if`, `contains`, `dependentRequired`
/// ...). Formats are those of
/// <see cref="FormatPattern"/>. What it does not know (`$dynamicRef`, `unevaluated...`) it refuses.
/// </summary>
internal sealed class SchemaValidator(SchemaDocument document, CompileBudget budget)
{
    private readonly Dictionary<string, Dfa> _patterns = [];
    private readonly Dictionary<int, HashSet<string>> _constants = [];

    /// <exception cref="ConstraintException">The schema is wrong, or has what is not supported.</exception>
    public bool IsValid(SchemaNode node, JsonElement value) => IsValid(node, value, 0);

    private bool IsValid(SchemaNode node, JsonElement value, int depth)
    {
        budget.Spend(20);
        CompileBudget.CheckDepth(depth);
        if (node.Schema.ValueKind != JsonValueKind.Object) return !node.IsFalse;
        foreach (JsonProperty keyword in node.Schema.EnumerateObject())
        {
            if (!Satisfies(node, keyword.Name, keyword.Value, value, depth + 1)) return false;
        }
        return true;
    }

    private bool Satisfies(SchemaNode node, string keyword, JsonElement said, JsonElement value, int depth)
    {
        switch (keyword)
        {
            case "type":
                return said.ValueKind == JsonValueKind.Array
                ? said.EnumerateArray().Any(type => IsOfType(type, value)) : IsOfType(said, value);
            case "enum": return said.ValueKind != JsonValueKind.Array || ConstantsOf(node, said).Contains(CanonicalOf(value));
            case "const": return AreEqual(said, value);
            case "$ref": return IsValid(document.Resolve(node, said), value, depth);
            case "allOf": return Each(said).All(Holds);
            case "anyOf": return Each(said).Any(Holds);
            case "oneOf": return Each(said).Count(Holds) == 1;
            case "not": return !IsValid(document.Child(node, said, keyword), value, depth);
            case "if":
                string branch = IsValid(document.Child(node, said, keyword), value, depth) ? "then" : "else";
                return !node.TryGet(branch, out JsonElement then) || IsValid(document.Child(node, then, branch), value, depth);
            case "$dynamicRef" or "unevaluatedProperties" or "unevaluatedItems" when said.ValueKind != JsonValueKind.True:
                throw node.Wrong(keyword, "is not supported");
        }
        return value.ValueKind switch
        {
            JsonValueKind.Number => OfNumber(keyword, said, JsonText.Number(value.GetRawText())),
            JsonValueKind.String => OfText(keyword, said, value.GetString()!),
            JsonValueKind.Array => OfArray(node, keyword, said, value, depth),
            JsonValueKind.Object => OfObject(node, keyword, said, value, depth),
            _ => true,
        };

        IEnumerable<SchemaNode> Each(JsonElement list) =>
            list.ValueKind == JsonValueKind.Array
                ? list.EnumerateArray().Select((item, i) => document.Child(node, item, keyword, $"{i}")) : [];

        bool Holds(SchemaNode child) => IsValid(child, value, depth);
    }

    private static bool IsOfType(JsonElement type, JsonElement value) => type.GetString() switch
    {
        "null" => value.ValueKind == JsonValueKind.Null,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && JsonText.TryWhole(JsonText.Number(value.GetRawText()), out _),
        _ => false,
    };

    private static bool OfNumber(string keyword, JsonElement said, string number)
    {
        if (said.ValueKind != JsonValueKind.Number
            || keyword is not ("minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "multipleOf"))
            return true;
        string bound = JsonText.Number(said.GetRawText());
        if (number.AsSpan().IndexOfAny('e', 'E') >= 0 || bound.AsSpan().IndexOfAny('e', 'E') >= 0)
            throw new ConstraintException($"{keyword}: a number's exponent is too large");
        return keyword switch
        {
            "minimum" => NumberPattern.Compare(number, bound) >= 0,
            "maximum" => NumberPattern.Compare(number, bound) <= 0,
            "exclusiveMinimum" => NumberPattern.Compare(number, bound) > 0,
            "exclusiveMaximum" => NumberPattern.Compare(number, bound) < 0,
            _ => IsMultiple(number, bound),
        };
    }

    private static bool IsMultiple(string number, string of)
    {
        int digits = Math.Max(Fraction(number), Fraction(of));
        BigInteger divisor = Scaled(of);
        return divisor.IsZero || (Scaled(number) % divisor).IsZero;

        static int Fraction(string text) => text.IndexOf('.') is >= 0 and var point ? text.Length - point - 1 : 0;

        BigInteger Scaled(string text) =>
            BigInteger.Parse(text.Replace(".", "", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture)
                * BigInteger.Pow(10, digits - Fraction(text));
    }

    private bool OfText(string keyword, JsonElement said, string text) => keyword switch
    {
        "minLength" => text.EnumerateRunes().Count() >= Count(said),
        "maxLength" => text.EnumerateRunes().Count() <= Count(said),
        "pattern" => Matches(said.GetString()!, text),
        "format" => said.ValueKind != JsonValueKind.String || FormatPattern.Of(said.GetString()!) is not { } pattern
            || Matches(pattern, text),
        _ => true,
    };

    /// <summary>Whether a pattern matches somewhere in a text.</summary>
    public bool Matches(string pattern, string text)
    {
        if (!_patterns.TryGetValue(pattern, out Dfa? dfa))
            _patterns[pattern] = dfa = PatternDfa.Of(PatternDfa.Somewhere(RegexParser.Parse(pattern, budget)), TextForm.Plain, budget);
        budget.Spend(text.Length);
        int state = 1;
        foreach (byte value in Encoding.UTF8.GetBytes(text)) state = dfa.Step(state, value);
        return dfa.Accepts(state);
    }

    private bool OfArray(SchemaNode node, string keyword, JsonElement said, JsonElement value, int depth)
    {
        int length = value.GetArrayLength();
        switch (keyword)
        {
            case "minItems": return length >= Count(said);
            case "maxItems": return length <= Count(said);
            case "uniqueItems":
                budget.Spend((long)length * length);
                return said.ValueKind != JsonValueKind.True || value.EnumerateArray().Select(Canonical).Distinct().Count() == length;
            case "prefixItems":
                return value.EnumerateArray().Zip(said.EnumerateArray())
                    .Select((pair, i) => IsValid(document.Child(node, pair.Second, keyword, $"{i}"), pair.First, depth))
                    .All(valid => valid);
            case "items":
                SchemaNode items = document.Child(node, said, keyword);
                int skipped = node.TryGet("prefixItems", out JsonElement prefix) ? prefix.GetArrayLength() : 0;
                return value.EnumerateArray().Skip(skipped).All(item => IsValid(items, item, depth));
            case "contains":
                SchemaNode wanted = document.Child(node, said, keyword);
                int found = value.EnumerateArray().Count(item => IsValid(wanted, item, depth));
                return found >= (node.TryGet("minContains", out JsonElement least) ? Count(least) : 1)
                    && (!node.TryGet("maxContains", out JsonElement most) || found <= Count(most));
            default: return true;
        }
    }

    private bool OfObject(SchemaNode node, string keyword, JsonElement said, JsonElement value, int depth)
    {
        switch (keyword)
        {
            case "minProperties": return value.EnumerateObject().Count() >= Count(said);
            case "maxProperties": return value.EnumerateObject().Count() <= Count(said);
            case "required": return said.EnumerateArray().All(name => value.TryGetProperty(name.GetString()!, out _));
            case "properties":
                return said.EnumerateObject().All(property => !value.TryGetProperty(property.Name, out JsonElement member)
                    || IsValid(document.Child(node, property.Value, keyword, property.Name), member, depth));
            case "patternProperties":
                return value.EnumerateObject().All(member => said.EnumerateObject()
                    .All(property => !Matches(property.Name, member.Name)
                        || IsValid(document.Child(node, property.Value, keyword, property.Name), member.Value, depth)));
            case "additionalProperties":
                SchemaNode others = document.Child(node, said, keyword);
                return value.EnumerateObject().All(member => IsNamed(node, member.Name) || IsValid(others, member.Value, depth));
            case "propertyNames":
                SchemaNode names = document.Child(node, said, keyword);
                return value.EnumerateObject().All(member => IsValid(names, TextOf(member.Name), depth));
            case "dependentRequired":
                return said.EnumerateObject().All(property => !value.TryGetProperty(property.Name, out _)
                    || property.Value.EnumerateArray().All(name => value.TryGetProperty(name.GetString()!, out _)));
            case "dependentSchemas":
                return said.EnumerateObject().All(property => !value.TryGetProperty(property.Name, out _)
                    || IsValid(document.Child(node, property.Value, keyword, property.Name), value, depth));
            default: return true;
        }
    }

    /// <summary>Whether `properties` or `patternProperties` of a schema speak of a member.</summary>
    private bool IsNamed(SchemaNode node, string name) =>
        node.TryGetMember(name, out _)
        || (node.TryGet("patternProperties", out JsonElement patterns)
            && patterns.EnumerateObject().Any(property => Matches(property.Name, name)));

    private static long Count(JsonElement said) =>
        said.ValueKind == JsonValueKind.Number && JsonText.TryWhole(JsonText.Number(said.GetRawText()), out BigInteger count)
        ? (long)BigInteger.Min(count, long.MaxValue) : throw new ConstraintException("a count must be a whole number");

    /// <summary>The values of an `enum`, as texts.</summary>
    private HashSet<string> ConstantsOf(SchemaNode node, JsonElement list)
    {
        if (!_constants.TryGetValue(node.Id, out HashSet<string>? all))
            _constants[node.Id] = all = [.. list.EnumerateArray().Select(CanonicalOf)];
        return all;
    }

    private string CanonicalOf(JsonElement value)
    {
        string text = Canonical(value);
        budget.Spend(20 + text.Length);
        return text;
    }

    private static bool AreEqual(JsonElement a, JsonElement b) => a.ValueKind == b.ValueKind && Canonical(a) == Canonical(b);

    /// <summary>A value with sorted members, so that equal values have equal texts.</summary>
    private static string Canonical(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(',',
            value.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal).Select(member =>
                Encoding.UTF8.GetString(JsonText.Quoted(member.Name)) + ":" + Canonical(member.Value))) + "}",
        JsonValueKind.Array => "[" + string.Join(',', value.EnumerateArray().Select(Canonical)) + "]",
        _ => Encoding.UTF8.GetString(JsonText.Of(value)),
    };

    private static JsonElement TextOf(string name)
    {
        using JsonDocument text = JsonDocument.Parse(JsonText.Quoted(name));
        return text.RootElement.Clone();
    }
}
