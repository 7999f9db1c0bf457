using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>A Python slice fitted to a sequence.</summary>
/// <param name="Start">Position of the first item.</param>
/// <param name="Step">From one item to the next; negative backwards.</param>
/// <param name="Count">Items.</param>
internal readonly record struct PythonSlice(int Start, int Step, int Count)
{
    /// <summary>Fits <c>[start:stop:step]</c>, each None or an int, to a sequence of a given number of items.</summary>
    public static PythonSlice Fit(Rendering rendering, int length, Value start, Value stop, Value step)
    {
        int by = step is NoneValue ? 1 : Bound(rendering, step);
        if (by == 0) throw rendering.Fail("slice step cannot be zero");
        by = Math.Clamp(by, -int.MaxValue, int.MaxValue);
        int lowest = by > 0 ? 0 : -1, highest = by > 0 ? length : length - 1;
        int first = Position(start, by > 0 ? lowest : highest);
        int end = Position(stop, by > 0 ? highest : lowest);
        return new PythonSlice(first, by, RangeValue.CountOf(first, end, by));

        int Position(Value bound, int absent)
        {
            if (bound is NoneValue) return absent;
            long position = Bound(rendering, bound);
            return (int)Math.Clamp(position < 0 ? position + length : position, lowest, highest);
        }
    }

    /// <summary>
    /// Whether a subscript is an integer inside a sequence of a given number of items; a negative one counts from its end.
    /// </summary>
    public static bool TryIndex(Value key, int length, out int index)
    {
        index = -1;
        if (!Numbers.TryInteger(key, out BigInteger wanted)) return false;
        if (wanted.Sign < 0) wanted += length;
        if (wanted.Sign < 0 || wanted >= length) return false;
        index = (int)wanted;
        return true;
    }

    private static int Bound(Rendering rendering, Value value) => Numbers.TryInteger(value, out _)
        ? rendering.ToInt(value)
        : throw rendering.Fail("slice indices must be integers or None");
}
