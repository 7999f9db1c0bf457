using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

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
