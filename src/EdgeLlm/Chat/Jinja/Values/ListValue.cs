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

/// <summary>A Python generator: what <c>map</c>, <c>select</c> and their like give. It is walked once and has no length.</summary>
internal sealed class IteratorValue(IEnumerator<Value> items) : Value
{
    public override string TypeName => "generator";

    public override IEnumerator<Value> Iterate(Rendering rendering) => items;

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append("<generator object>");
}

/// <summary>Python's range, whose items are computed when they are asked for.</summary>
internal sealed class RangeValue(int start, int stop, int step) : Value
{
    public override string TypeName => "range";

    public int Count { get; } = CountOf(start, stop, step);

    public override bool IsTrue => Count > 0;

    /// <summary>Items of <c>range(start, stop, step)</c>, at most <see cref="int.MaxValue"/>.</summary>
    public static int CountOf(long start, long stop, long step)
    {
        long span = step > 0 ? stop - start : start - stop;
        long magnitude = Math.Abs(step);
        return span <= 0 ? 0 : (int)Math.Min(int.MaxValue, (span + magnitude - 1) / magnitude);
    }

    public IntegerValue At(int index) => IntegerValue.Of(start + index * step);

    public RangeValue Slice(PythonSlice slice) =>
        new(start + slice.Start * step, start + (slice.Start + slice.Count * slice.Step) * step, slice.Step * step);

    public override int? Length(Rendering rendering) => Count;

    public override IEnumerator<Value> Iterate(Rendering rendering)
    {
        for (int i = 0; i < Count; i++)
        {
            rendering.AllocateItems(0);
            rendering.Step();
            yield return At(i);
        }
    }

    public override Value? Item(Rendering rendering, Value key) =>
        PythonSlice.TryIndex(key, Count, out int index) ? At(index) : null;

    public override void WriteRepr(Rendering rendering, TextBuilder text) =>
        text.Append(step == 1 ? $"range({start}, {stop})" : $"range({start}, {stop}, {step})");
}

/// <summary>One group of <c>groupby</c>: a tuple of two whose items have names.</summary>
internal sealed class GroupValue(Value grouper, ListValue list) : ListValue([grouper, list], isTuple: true)
{
    public ListValue List { get; } = list;

    public override Value? Attribute(Rendering rendering, string name) => name switch
    {
        "grouper" => Items[0],
        "list" => List,
        _ => base.Attribute(rendering, name),
    };
}
