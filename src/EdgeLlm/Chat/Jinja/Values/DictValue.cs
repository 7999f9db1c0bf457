using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>Python's dict, in order of insertion. Most have a handful of keys and are searched; larger ones get an index.</summary>
internal sealed class DictValue : Value
{
    private const int LargestSearched = 8;

    private readonly List<KeyValuePair<Value, Value>> _entries = [];
    private Dictionary<Value, int>? _index;

    public override string TypeName => "dict";

    public override bool IsTrue => _entries.Count > 0;

    public IReadOnlyList<KeyValuePair<Value, Value>> Entries => _entries;

    public Value? Find(Rendering rendering, Value key)
    {
        int position = Position(rendering, key);
        return position < 0 ? null : _entries[position].Value;
    }

    /// <summary>The value of a key that is a string.</summary>
    public Value? Find(Rendering rendering, string key)
    {
        if (_index is not null) return Find(rendering, new StringValue(key));
        foreach (KeyValuePair<Value, Value> entry in _entries)
            if (entry.Key is StringValue text && text.Text == key) return entry.Value;
        return null;
    }

    public void Set(Rendering rendering, Value key, Value value)
    {
        int position = Position(rendering, key);
        if (position >= 0)
        {
            _entries[position] = new(_entries[position].Key, value);
            return;
        }
        rendering.AllocateItems(2);
        _entries.Add(new(key, value));
        if (_index is not null)
        {
            _index.Add(key, _entries.Count - 1);
        }
        else if (_entries.Count > LargestSearched)
        {
            _index = new(new ValueEquality(rendering));
            for (int i = 0; i < _entries.Count; i++) _index.Add(_entries[i].Key, i);
        }
    }

    /// <summary>Adds all entries of another dict, its values taking the place of ours.</summary>
    public void SetAll(Rendering rendering, DictValue other)
    {
        foreach (KeyValuePair<Value, Value> entry in other.Entries) Set(rendering, entry.Key, entry.Value);
    }

    public override int? Length(Rendering rendering) => _entries.Count;

    public override IEnumerator<Value> Iterate(Rendering rendering)
    {
        for (int i = 0; i < _entries.Count; i++)
        {
            rendering.Step();
            yield return _entries[i].Key;
        }
    }

    public override Value? Attribute(Rendering rendering, string name) => DictMethods.Find(this, name);

    public override Value? Item(Rendering rendering, Value key) =>
        ValueEquality.IsHashable(rendering, key) ? Find(rendering, key) : null;

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        int line = rendering.Enter(rendering.Line);
        text.Append("{");
        for (int i = 0; i < _entries.Count; i++)
        {
            if (i > 0) text.Append(", ");
            _entries[i].Key.WriteRepr(rendering, text);
            text.Append(": ");
            _entries[i].Value.WriteRepr(rendering, text);
        }
        text.Append("}");
        rendering.Leave(line);
    }

    private int Position(Rendering rendering, Value key)
    {
        if (!ValueEquality.IsHashable(rendering, key)) throw rendering.Fail($"unhashable type: '{key.TypeName}'");
        if (_index is not null) return _index.GetValueOrDefault(key, -1);
        for (int i = 0; i < _entries.Count; i++)
            if (Operators.AreEqual(rendering, _entries[i].Key, key)) return i;
        return -1;
    }
}

internal enum DictViewKind { Keys, Values, Items }

/// <summary>Result of <c>dict.keys()</c>, <c>.values()</c> and <c>.items()</c>: it has a length but no items by position.</summary>
internal sealed class DictViewValue(DictValue dict, DictViewKind kind) : Value
{
    public override string TypeName => kind switch
    {
        DictViewKind.Keys => "dict_keys",
        DictViewKind.Values => "dict_values",
        _ => "dict_items",
    };

    public override bool IsTrue => dict.IsTrue;

    public override int? Length(Rendering rendering) => dict.Entries.Count;

    public override IEnumerator<Value> Iterate(Rendering rendering)
    {
        for (int i = 0; i < dict.Entries.Count; i++)
        {
            rendering.Step();
            if (kind == DictViewKind.Items) rendering.AllocateItems(2);
            KeyValuePair<Value, Value> entry = dict.Entries[i];
            yield return kind switch
            {
                DictViewKind.Keys => entry.Key,
                DictViewKind.Values => entry.Value,
                _ => ListValue.Tuple(entry.Key, entry.Value),
            };
        }
    }

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        text.Append($"{TypeName}(");
        new ListValue(rendering.ToList(this)).WriteRepr(rendering, text);
        text.Append(")");
    }
}

/// <summary><c>namespace(...)</c>: the one object that a template may change, with <c>{% set ns.name = ... %}</c>.</summary>
internal sealed class NamespaceValue(DictValue attributes) : Value
{
    public override string TypeName => "Namespace";

    public override Value? Attribute(Rendering rendering, string name) => attributes.Find(rendering, name);

    public void Set(Rendering rendering, StringValue name, Value value) => attributes.Set(rendering, name, value);

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        text.Append("<Namespace ");
        attributes.WriteRepr(rendering, text);
        text.Append(">");
    }
}
