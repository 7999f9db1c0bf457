using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>JSON's types, as bits.</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Object = 4,
    Array = 8,
    Number = 16,
    String = 32,
    All = 63,
}

/// <summary>
/// Schemas that hold together, without alternatives: what `allOf`, `$ref` and one choice of each `anyOf` come to. What is said of members
/// and items stays with the schema that says it, as `additionalProperties` speaks of its neighbours only.
/// </summary>
internal sealed class SchemaForm
{
    public JsonTypes Types { get; set; } = JsonTypes.All;

    /// <summary>Whether numbers must be whole.</summary>
    public bool IsInteger { get; set; }

    /// <summary>The constants that `enum` and `const` leave; null: no such keyword.</summary>
    public List<JsonElement>? Constants { get; set; }

    /// <summary>The largest lower bound, in <see cref="JsonText.Number"/>'s form.</summary>
    public (string Value, bool IsExclusive)? Min { get; set; }

    /// <summary>The smallest upper bound.</summary>
    public (string Value, bool IsExclusive)? Max { get; set; }

    public List<int> Multiples { get; init; } = [];

    public int MinLength { get; set; }

    public int MaxLength { get; set; } = Counter.NoLimit;

    /// <summary>Patterns, and formats as patterns, that a text matches somewhere.</summary>
    public List<(string Pattern, string Place)> Patterns { get; init; } = [];

    public HashSet<string> Required { get; init; } = [];

    public int MinMembers { get; set; }

    public int MaxMembers { get; set; } = Counter.NoLimit;

    public List<SchemaNode> MemberNames { get; init; } = [];

    public int MinItems { get; set; }

    public int MaxItems { get; set; } = Counter.NoLimit;

    /// <summary>Where `uniqueItems` is, or null.</summary>
    public string? UniqueAt { get; set; }

    /// <summary>All schemas that hold.</summary>
    public List<SchemaNode> Nodes { get; init; } = [];

    public SchemaForm Copy() => new()
    {
        Types = Types,
        IsInteger = IsInteger,
        Constants = Constants,
        Min = Min,
        Max = Max,
        Multiples = [.. Multiples],
        MinLength = MinLength,
        MaxLength = MaxLength,
        Patterns = [.. Patterns],
        Required = [.. Required],
        MinMembers = MinMembers,
        MaxMembers = MaxMembers,
        MemberNames = [.. MemberNames],
        MinItems = MinItems,
        MaxItems = MaxItems,
        UniqueAt = UniqueAt,
        Nodes = [.. Nodes],
    };

    /// <summary>The type of a value.</summary>
    public static JsonTypes TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.Object => JsonTypes.Object,
        JsonValueKind.Array => JsonTypes.Array,
        JsonValueKind.Number => JsonTypes.Number,
        _ => JsonTypes.String,
    };
}
