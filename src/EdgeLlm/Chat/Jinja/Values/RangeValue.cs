using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

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
