using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>A subschema, and where it is.</summary>
/// <param name="Id">Number within the document.</param>
/// <param name="Schema">An object, true or false.</param>
/// <param name="Place">JSON pointer, for messages.</param>
internal sealed record SchemaNode(int Id, JsonElement Schema, string Place)
{
    private Dictionary<string, JsonElement>? _members;

    public bool IsFalse => Schema.ValueKind == JsonValueKind.False;

    /// <summary>Whether it allows everything.</summary>
    public bool IsTrue =>
        Schema.ValueKind == JsonValueKind.True || (Schema.ValueKind == JsonValueKind.Object && Schema.GetPropertyCount() == 0);

    public bool TryGet(string keyword, out JsonElement value)
    {
        value = default;
        return Schema.ValueKind == JsonValueKind.Object && Schema.TryGetProperty(keyword, out value);
    }

    /// <summary>A schema of `properties`, found without a search through all.</summary>
    public bool TryGetMember(string name, out JsonElement schema)
    {
        if (_members is null)
        {
            _members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            if (TryGet("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty property in properties.EnumerateObject()) _members[property.Name] = property.Value;
            }
        }
        return _members.TryGetValue(name, out schema);
    }

    /// <exception cref="ConstraintException">Always.</exception>
    public ConstraintException Wrong(string keyword, string problem) =>
        new($"schema {Place}/{keyword}: {problem}", keyword.Length > 0 ? $"{Place}/{keyword}" : Place);
}

/// <summary>A schema and its subschemas, and references between them.</summary>
internal sealed class SchemaDocument
{
    private readonly Dictionary<string, SchemaNode> _byPlace = [];
    private readonly List<SchemaNode> _nodes = [];
    private readonly Dictionary<string, string> _anchors = [];
    private readonly string? _base;
    private readonly CompileBudget _budget;
    private bool _hasInnerIds;

    public SchemaDocument(JsonElement root, CompileBudget budget)
    {
        _budget = budget;
        Root = NodeAt(root, "#");
        if (Root.TryGet("$id", out JsonElement id) && id.ValueKind == JsonValueKind.String) _base = id.GetString()!.TrimEnd('#');
        FindNames(root, "#", 0);
    }

    public SchemaNode Root { get; }

    public SchemaNode this[int id] => _nodes[id];

    /// <summary>A part of a subschema that is a schema.</summary>
    /// <exception cref="ConstraintException">It is not one.</exception>
    public SchemaNode Child(SchemaNode parent, JsonElement schema, params ReadOnlySpan<string> path)
    {
        string place = parent.Place;
        foreach (string part in path)
            place += "/" + part.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
        return NodeAt(schema, place);
    }

    /// <summary>Where a `$ref` leads.</summary>
    /// <exception cref="ConstraintException">Out of the document, or nowhere.</exception>
    public SchemaNode Resolve(SchemaNode node, JsonElement reference)
    {
        if (reference.ValueKind != JsonValueKind.String) throw node.Wrong("$ref", "must be a text");
        string target = reference.GetString()!;
        if (_base is not null && target.StartsWith(_base, StringComparison.Ordinal)) target = target[_base.Length..];
        if (target.Length == 0) return Root;
        if (target[0] != '#' || _hasInnerIds)
            throw node.Wrong("$ref", $"'{reference}' is not within the document; only references such as #/$defs/name are supported");
        string fragment = Uri.UnescapeDataString(target[1..]);
        if (fragment.Length == 0) return Root;
        if (_anchors.TryGetValue(fragment, out string? place)) fragment = place[1..];
        if (fragment.Length == 0) return Root;
        JsonElement at = Root.Schema;
        string canonical = "#";
        foreach (string part in fragment.TrimStart('/').Split('/'))
        {
            string name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (at.ValueKind == JsonValueKind.Object && at.TryGetProperty(name, out JsonElement member)) at = member;
            else if (at.ValueKind == JsonValueKind.Array && int.TryParse(name, out int index) && index >= 0 && index < at.GetArrayLength())
                at = at[index];
            else throw node.Wrong("$ref", $"'{target}' leads nowhere");
            canonical += "/" + part;
        }
        return NodeAt(at, canonical);
    }

    private SchemaNode NodeAt(JsonElement schema, string place)
    {
        if (_byPlace.TryGetValue(place, out SchemaNode? node)) return node;
        if (schema.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
            throw new ConstraintException($"schema {place}: must be an object, true or false");
        node = new SchemaNode(_nodes.Count, schema, place);
        _nodes.Add(node);
        return _byPlace[place] = node;
    }

    private void FindNames(JsonElement element, string place, int depth)
    {
        CompileBudget.CheckDepth(depth);
        if (element.ValueKind == JsonValueKind.Array)
        {
            int i = 0;
            foreach (JsonElement item in element.EnumerateArray()) FindNames(item, $"{place}/{i++}", depth + 1);
        }
        if (element.ValueKind != JsonValueKind.Object) return;
        foreach (JsonProperty member in element.EnumerateObject())
        {
            _budget.Spend(40);
            if (member.Value.ValueKind == JsonValueKind.String && member.Name == "$id" && depth > 0) _hasInnerIds = true;
            if (member.Value.ValueKind == JsonValueKind.String && member.Name == "$anchor")
                _anchors.TryAdd(member.Value.GetString()!, place);
            if (member.Name is "enum" or "const" or "default" or "examples") continue;
            FindNames(member.Value,
                $"{place}/{member.Name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}",
                depth + 1);
        }
    }
}
