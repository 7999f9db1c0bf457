using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's comparison and membership operators; arithmetic is in the other part.</summary>
internal static partial class Operators
{
    public static bool AreEqual(Rendering rendering, Value left, Value right)
    {
        rendering.Step();
        if (ReferenceEquals(left, right)) return left is not FloatValue { Value: double.NaN };
        switch (left, right)
        {
            case (StringValue a, StringValue b):
                if (a.Text.Length != b.Text.Length) return false;
                rendering.Step(a.Text.Length >> 5);
                return a.Text == b.Text;
            case (ListValue a, ListValue b):
                return a.IsTuple == b.IsTuple && a.Items.Count == b.Items.Count && AreItemsEqual(rendering, a.Items, b.Items);
            case (DictValue a, DictValue b):
                return a.Entries.Count == b.Entries.Count && AreEntriesEqual(rendering, a, b);
            case (RangeValue a, RangeValue b):
                return a.Count == b.Count && AreItemsEqual(rendering, rendering.ToList(a), rendering.ToList(b));
            case (UndefinedValue, UndefinedValue):
                return true;
            default:
                return Numbers.IsNumber(left) && Numbers.IsNumber(right) && Numbers.Compare(left, right) == 0;
        }
    }

    /// <summary>Python's order of two values: negative, 0 or positive; null where a comparison is false whatever it is (NaN).</summary>
    public static int? Compare(Rendering rendering, Value left, Value right, string symbol)
    {
        rendering.Step();
        if (Numbers.IsNumber(left) && Numbers.IsNumber(right)) return Numbers.Compare(left, right);
        switch (left, right)
        {
            case (UndefinedValue undefined, _):
                throw rendering.Fail(undefined.Message);
            case (_, UndefinedValue undefined):
                throw rendering.Fail(undefined.Message);
            case (StringValue a, StringValue b):
                rendering.Step(Math.Min(a.Text.Length, b.Text.Length) >> 5);
                return PythonText.CompareByPoints(a.Text, b.Text);
            case (ListValue a, ListValue b) when a.IsTuple == b.IsTuple:
                return CompareItems(rendering, a.Items, b.Items, symbol);
            default:
                throw rendering.Fail($"'{symbol}' not supported between instances of '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    /// <summary>Python's <c>item in container</c>.</summary>
    public static bool Contains(Rendering rendering, Value container, Value item)
    {
        switch (container)
        {
            case StringValue text:
                if (item is UndefinedValue) throw rendering.Fail("'in <string>' requires string as left operand, not Undefined");
                return TextSearch.IndexOf(rendering, text.Text, rendering.ToString(item).Text, 0) >= 0;
            case DictValue dict:
                return dict.Find(rendering, item) is not null;
            default:
                IEnumerator<Value> iterator = container.Iterate(rendering)
                    ?? throw rendering.Fail($"argument of type '{container.TypeName}' is not iterable");
                while (iterator.MoveNext())
                    if (AreEqual(rendering, iterator.Current, item)) return true;
                return false;
        }
    }

    private static bool AreItemsEqual(Rendering rendering, List<Value> left, List<Value> right)
    {
        int line = rendering.Enter(rendering.Line);
        bool equal = true;
        for (int i = 0; equal && i < left.Count; i++) equal = AreEqual(rendering, left[i], right[i]);
        rendering.Leave(line);
        return equal;
    }

    private static bool AreEntriesEqual(Rendering rendering, DictValue left, DictValue right)
    {
        int line = rendering.Enter(rendering.Line);
        bool equal = true;
        foreach ((Value key, Value value) in left.Entries)
            equal = equal && right.Find(rendering, key) is Value other && AreEqual(rendering, value, other);
        rendering.Leave(line);
        return equal;
    }

    private static int? CompareItems(Rendering rendering, List<Value> left, List<Value> right, string symbol)
    {
        int line = rendering.Enter(rendering.Line);
        int common = Math.Min(left.Count, right.Count), i = 0;
        while (i < common && AreEqual(rendering, left[i], right[i])) i++;
        int? order = i < common ? Compare(rendering, left[i], right[i], symbol) : left.Count.CompareTo(right.Count);
        rendering.Leave(line);
        return order;
    }
}
