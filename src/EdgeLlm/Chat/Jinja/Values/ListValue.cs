using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>Python's list and tuple.</summary>
internal class ListValue(List<Value> items, bool isTuple = false) : Value
{
    public List<Value> Items { get; } = items;

    public bool IsTuple { get; } = isTuple;

    public override string TypeName => IsTuple ? "tuple" : "list";

    public override bool IsTrue => Items.Count > 0;

    public static ListValue Tuple(params List<Value> items) => new(items, isTuple: true);

    public override int? Length(Rendering rendering) => Items.Count;

    public override IEnumerator<Value> Iterate(Rendering rendering)
    {
        foreach (Value item in Items)
        {
            rendering.Step();
            yield return item;
        }
    }

    public override Value? Attribute(Rendering rendering, string name) => ListMethods.Find(this, name);

    public override Value? Item(Rendering rendering, Value key) =>
        PythonSlice.TryIndex(key, Items.Count, out int index) ? Items[index] : null;

    public ListValue Slice(Rendering rendering, PythonSlice slice)
    {
        rendering.AllocateItems(slice.Count);
        List<Value> items = new(slice.Count);
        for (int i = 0; i < slice.Count; i++) items.Add(Items[slice.Start + i * slice.Step]);
        return new ListValue(items, IsTuple);
    }

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        int line = rendering.Enter(rendering.Line);
        text.Append(IsTuple ? "(" : "[");
        for (int i = 0; i < Items.Count; i++)
        {
            if (i > 0) text.Append(", ");
            Items[i].WriteRepr(rendering, text);
        }
        if (IsTuple) text.Append(Items.Count == 1 ? ",)" : ")");
        else text.Append("]");
        rendering.Leave(line);
    }
}
