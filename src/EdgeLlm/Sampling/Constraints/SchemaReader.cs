using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>Keywords of schemas as <see cref="SchemaForm"/>s.</summary>
internal sealed class SchemaReader(SchemaDocument document, CompileBudget budget, Func<SchemaForm, SchemaForm, bool> areDisjoint)
{
    /// <summary>Alternatives that one place of a schema may come to.</summary>
    private const int MostForms = 256;

    /// <summary>Keywords that say nothing of which values are allowed, or are read beside their neighbours.</summary>
    private static readonly HashSet<string> Silent =
    [
        "$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "$dynamicAnchor", "$vocabulary", "title", "description", "default",
        "examples", "deprecated", "readOnly", "writeOnly",
        "contentEncoding", "contentMediaType", "contentSchema", "properties", "patternProperties", "additionalProperties", "prefixItems",
        "items", "strict", "name", "nullable",
        "discriminator", "example", "externalDocs", "xml", "$recursiveAnchor", "minContains", "maxContains", "then", "else",
        "unevaluatedProperties", "unevaluatedItems",
    ];

    /// <summary>Keywords that are not supported wherever they are.</summary>
    private static readonly HashSet<string> Refused = ["not", "if", "contains", "dependentSchemas", "dependentRequired", "dependencies",
        "$dynamicRef", "$recursiveRef", "extends", "disallow"];

    private SchemaValidator? _validator;

    /// <summary>The alternatives of schemas that hold together.</summary>
    /// <exception cref="ConstraintException">A keyword is wrong or not supported.</exception>
    public List<SchemaForm> Read(IEnumerable<SchemaNode> nodes)
    {
        List<SchemaForm> forms = [new()];
        foreach (SchemaNode node in nodes) forms = With(forms, node, []);
        return [.. forms.Where(Settle)];
    }

    private List<SchemaForm> With(List<SchemaForm> forms, SchemaNode node, HashSet<int> way)
    {
        var all = new List<SchemaForm>();
        foreach (SchemaForm form in forms)
        {
            all.AddRange(With(form, node, way));
            if (all.Count > MostForms) throw node.Wrong("", $"comes to more than {MostForms} alternatives");
        }
        return all;
    }

    private List<SchemaForm> With(SchemaForm form, SchemaNode node, HashSet<int> way)
    {
        budget.Spend(200 + 40 * form.Nodes.Count);
        CompileBudget.CheckDepth(way.Count);
        if (node.IsFalse || way.Contains(node.Id)) return []; // a schema that is only itself allows nothing
        if (node.Schema.ValueKind == JsonValueKind.True || form.Nodes.Any(other => other.Id == node.Id)) return [form];
        SchemaForm own = form.Copy();
        own.Nodes.Add(node);
        foreach (JsonProperty keyword in node.Schema.EnumerateObject()) Apply(own, node, keyword.Name, keyword.Value);
        List<SchemaForm> forms = [own];
        HashSet<int> further = [.. way, node.Id];
        if (node.TryGet("$ref", out JsonElement reference)) forms = With(forms, document.Resolve(node, reference), further);
        if (node.TryGet("allOf", out JsonElement all))
        {
            foreach (SchemaNode child in Children(node, "allOf", all)) forms = With(forms, child, further);
        }
        if (node.TryGet("anyOf", out JsonElement any))
            forms = Any(forms, node, [.. Children(node, "anyOf", any)], further, mustDiffer: false);
        if (node.TryGet("oneOf", out JsonElement one))
            forms = Any(forms, node, [.. Children(node, "oneOf", one)], further, mustDiffer: true);
        return forms;
    }

    private List<SchemaForm> Any(List<SchemaForm> forms, SchemaNode node, List<SchemaNode> choices, HashSet<int> way, bool mustDiffer)
    {
        List<SchemaForm>[] each = [.. choices.Select(choice => With([.. forms.Select(form => form.Copy())], choice, way))];
        for (int i = 0; mustDiffer && i < each.Length; i++)
        {
            List<SchemaForm> first = [.. each[i].Where(Settle)];
            for (int j = 0; j < i; j++)
            {
                if (first.All(a => each[j].Where(Settle).All(b => areDisjoint(a, b)))) continue;
                throw node.Wrong("oneOf",
                    $"whether a value satisfies both choices {j} and {i} can't be decided; give them a property with different "
                        + "constants, or use anyOf");
            }
        }
        List<SchemaForm> together = [.. each.SelectMany(list => list)];
        return together.Count <= MostForms ? together : throw node.Wrong("anyOf", $"comes to more than {MostForms} alternatives");
    }

    private IEnumerable<SchemaNode> Children(SchemaNode node, string keyword, JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0) throw node.Wrong(keyword, "must be a list of schemas");
        int i = 0;
        foreach (JsonElement item in list.EnumerateArray()) yield return document.Child(node, item, keyword, $"{i++}");
    }

    /// <summary>Leaves of a form's constants those that satisfy all; whether anything is left.</summary>
    private bool Settle(SchemaForm form)
    {
        if (form.Constants is not { } constants) return form.Types != JsonTypes.None;
        _validator ??= new SchemaValidator(document, budget);
        form.Constants = [.. constants.Where(value => form.Nodes.TrueForAll(node => _validator.IsValid(node, value)))];
        form.Types &= form.Constants.Aggregate(JsonTypes.None, (types, value) => types | SchemaForm.TypeOf(value));
        return form.Constants.Count > 0;
    }

    private void Apply(SchemaForm form, SchemaNode node, string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "type":
                Type(form, node, value);
                break;
            case "enum":
                if (value.ValueKind != JsonValueKind.Array) throw node.Wrong(keyword, "must be a list of values");
                budget.Spend(value.GetArrayLength());
                form.Constants ??= [.. value.EnumerateArray()];
                break;
            case "const":
                form.Constants = [value];
                break;
            case "minimum" or "exclusiveMinimum":
                form.Min = Tighter(form.Min, (Number(node, keyword, value), keyword[0] == 'e'), 1);
                break;
            case "maximum" or "exclusiveMaximum":
                form.Max = Tighter(form.Max, (Number(node, keyword, value), keyword[0] == 'e'), -1);
                break;
            case "multipleOf":
                if (!JsonText.TryWhole(Number(node, keyword, value), out var multiple) || multiple <= 0)
                    throw node.Wrong(keyword, "only whole numbers over 0 are supported");
                if (multiple > NumberPattern.MostMultiple) throw node.Wrong(keyword, $"is over {NumberPattern.MostMultiple}");
                form.Multiples.Add((int)multiple);
                break;
            case "minLength": form.MinLength = Math.Max(form.MinLength, Count(node, keyword, value)); break;
            case "maxLength": form.MaxLength = Math.Min(form.MaxLength, Count(node, keyword, value)); break;
            case "minItems": form.MinItems = Math.Max(form.MinItems, Count(node, keyword, value)); break;
            case "maxItems": form.MaxItems = Math.Min(form.MaxItems, Count(node, keyword, value)); break;
            case "minProperties": form.MinMembers = Math.Max(form.MinMembers, Count(node, keyword, value)); break;
            case "maxProperties": form.MaxMembers = Math.Min(form.MaxMembers, Count(node, keyword, value)); break;
            case "uniqueItems":
                if (value.ValueKind == JsonValueKind.True) form.UniqueAt = node.Place;
                break;
            case "pattern":
                if (value.ValueKind != JsonValueKind.String) throw node.Wrong(keyword, "must be a text");
                form.Patterns.Add((value.GetString()!, $"{node.Place}/{keyword}"));
                break;
            case "format":
                if (value.ValueKind == JsonValueKind.String && FormatPattern.Of(value.GetString()!) is { } pattern)
                    form.Patterns.Add((pattern, $"{node.Place}/{keyword}"));
                break;
            case "required":
                if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(name => name.ValueKind != JsonValueKind.String))
                    throw node.Wrong(keyword, "must be a list of texts");
                form.Required.UnionWith(value.EnumerateArray().Select(name => name.GetString()!));
                break;
            case "propertyNames":
                form.MemberNames.Add(document.Child(node, value, keyword));
                break;
            case "unevaluatedProperties" or "unevaluatedItems" when value.ValueKind != JsonValueKind.True
                && (value.ValueKind != JsonValueKind.Object || value.GetPropertyCount() > 0):
                throw node.Wrong(keyword, "is not supported; use additionalProperties or items");
            case "$ref" or "allOf" or "anyOf" or "oneOf":
                break;
            default:
                if (Refused.Contains(keyword)) throw node.Wrong(keyword, "is not supported");
                if (keyword == "items" && value.ValueKind == JsonValueKind.Array)
                    throw node.Wrong(keyword, "is a list, as in older drafts; use prefixItems");
                // A keyword that nobody knows is an annotation, as the standard says.
                if (!Silent.Contains(keyword)) budget.Spend(1);
                break;
        }
    }

    private static void Type(SchemaForm form, SchemaNode node, JsonElement value)
    {
        JsonElement[] names = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        var types = JsonTypes.None;
        bool integer = false, number = false;
        foreach (JsonElement name in names)
        {
            switch (name.ValueKind == JsonValueKind.String ? name.GetString() : null)
            {
                case "null": types |= JsonTypes.Null; break;
                case "boolean": types |= JsonTypes.Boolean; break;
                case "object": types |= JsonTypes.Object; break;
                case "array": types |= JsonTypes.Array; break;
                case "string": types |= JsonTypes.String; break;
                case "number":
                    types |= JsonTypes.Number;
                    number = true;
                    break;
                case "integer":
                    types |= JsonTypes.Number;
                    integer = true;
                    break;
                default: throw node.Wrong("type", $"{name.GetRawText()} is not a type");
            }
        }
        form.Types &= types;
        if (integer && !number) form.IsInteger = true;
    }

    private static string Number(SchemaNode node, string keyword, JsonElement value)
    {
        string text = value.ValueKind == JsonValueKind.Number ? JsonText.Number(value.GetRawText())
            : throw node.Wrong(keyword, "must be a number");
        return text.Length < 400 && text.AsSpan().IndexOfAny('e', 'E') < 0 ? text : throw node.Wrong(keyword, "its exponent is too large");
    }

    private static int Count(SchemaNode node, string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number || !JsonText.TryWhole(JsonText.Number(value.GetRawText()), out var count) || count < 0)
            throw node.Wrong(keyword, "must be a whole number, 0 or more");
        return (int)System.Numerics.BigInteger.Min(count, Counter.NoLimit);
    }

    private static (string, bool)? Tighter((string Value, bool IsExclusive)? old, (string Value, bool IsExclusive) other, int direction)
    {
        if (old is not { } bound) return other;
        int order = NumberPattern.Compare(other.Value, bound.Value) * direction;
        return order > 0 || (order == 0 && other.IsExclusive) ? other : bound;
    }
}
