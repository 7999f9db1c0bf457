using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

internal static partial class Filters
{
    private static Value First(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "first", 0);
        IEnumerator<Value> items = rendering.Iterate(input);
        return items.MoveNext() ? items.Current : new UndefinedValue("No first item, sequence was empty.");
    }

    private static Value Last(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "last", 0);
        if (!IsReversible(input)) throw rendering.Fail($"'{input.TypeName}' object is not reversible");
        int length = input.Length(rendering)!.Value;
        if (length == 0) return new UndefinedValue("No last item, sequence was empty.");
        if (input is not (DictValue or DictViewValue)) return input.Item(rendering, IntegerValue.Of(-1))!;
        return rendering.ToList(input)[^1];
    }

    private static Value Reverse(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "reverse", 0);
        if (input is StringValue text) return Lookups.Slice(rendering, text, NoneValue.Instance, NoneValue.Instance, IntegerValue.Of(-1));
        List<Value> items = rendering.ToList(input);
        items.Reverse();
        return IsReversible(input) ? new IteratorValue(items.GetEnumerator()) : new ListValue(items);
    }

    private static ListValue ToList(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "list", 0);
        return new ListValue(rendering.ToList(input));
    }

    private static IteratorValue Items(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "items", 0);
        return new IteratorValue(Pairs());

        IEnumerator<Value> Pairs()
        {
            if (input is UndefinedValue) yield break;
            if (input is not DictValue dict) throw rendering.Fail("Can only get item pairs from a mapping.");
            IEnumerator<Value> pairs = new DictViewValue(dict, DictViewKind.Items).Iterate(rendering);
            while (pairs.MoveNext()) yield return pairs.Current;
        }
    }

    private static IteratorValue Map(Rendering rendering, Value input, Arguments arguments)
    {
        return new IteratorValue(Mapped());

        IEnumerator<Value> Mapped()
        {
            if (!input.IsTrue) yield break;
            Func<Value, Value> map = Mapping(rendering, arguments);
            IEnumerator<Value> items = rendering.Iterate(input);
            while (items.MoveNext()) yield return map(items.Current);
        }
    }

    private static Func<Value, Value> Mapping(Rendering rendering, Arguments arguments)
    {
        if (arguments.Positional.Count == 0)
        {
            Value?[] values = arguments.Bind(rendering, "map", 0, "attribute", "default");
            Value path = values[0] ?? throw rendering.Fail("map requires a filter argument");
            return item => path is NoneValue ? item : Lookups.Path(rendering, item, path, values[1]);
        }
        string name = rendering.ToString(arguments.Positional[0]).Text;
        Filter filter = Find(name) ?? throw rendering.Fail($"No filter named '{name}'.");
        Arguments rest = arguments.Skip(1);
        return item => filter(rendering, item, rest);
    }

    private static IteratorValue Select(Rendering rendering, Value input, Arguments arguments, bool byAttribute, bool keep)
    {
        return new IteratorValue(Selected());

        IEnumerator<Value> Selected()
        {
            if (!input.IsTrue) yield break;
            Value? path = byAttribute && arguments.Positional.Count > 0 ? arguments.Positional[0] : null;
            if (byAttribute && path is null) throw rendering.Fail("Missing parameter for attribute name");
            Arguments rest = arguments.Skip(byAttribute ? 1 : 0);
            Test? test = null;
            if (rest.Positional.Count > 0)
            {
                string name = rendering.ToString(rest.Positional[0]).Text;
                test = Tests.Find(name) ?? throw rendering.Fail($"No test named '{name}'.");
                rest = rest.Skip(1);
            }
            IEnumerator<Value> items = rendering.Iterate(input);
            while (items.MoveNext())
            {
                Value item = path is null ? items.Current : Lookups.Path(rendering, items.Current, path);
                if ((test?.Invoke(rendering, item, rest) ?? item.IsTrue) == keep) yield return items.Current;
            }
        }
    }

    private static ListValue DictSort(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "dictsort", 0, "case_sensitive", "by", "reverse");
        string by = values[1] is null ? "key" : rendering.ToString(values[1]!).Text;
        if (by is not ("key" or "value")) throw rendering.Fail("You can only sort by either \"key\" or \"value\"");
        if (input is not DictValue dict)
            throw rendering.Fail(input is UndefinedValue undefined ? undefined.Message : "dictsort needs a dict");
        bool caseSensitive = values[0]?.IsTrue ?? false;
        List<KeyValuePair<Value, Value>> sorted = Sorting.Sort(rendering, dict.Entries,
            entry => Key(rendering, by == "key" ? entry.Key : entry.Value, path: null, caseSensitive), values[2]?.IsTrue ?? false);
        return new ListValue([.. sorted.Select(entry => ListValue.Tuple(entry.Key, entry.Value))]);
    }

    private static ListValue Sort(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "sort", 0, "reverse", "case_sensitive", "attribute");
        bool caseSensitive = values[1]?.IsTrue ?? false;
        Value[] paths = values[2] is StringValue several
            ? [.. several.Text.Split(',').Select(path => new StringValue(path))]
            : [values[2] ?? NoneValue.Instance];
        return new ListValue(Sorting.Sort(rendering, rendering.ToList(input),
            item => new ListValue([.. paths.Select(path => Key(rendering, item, path, caseSensitive))]), values[0]?.IsTrue ?? false));
    }

    private static IteratorValue Unique(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "unique", 0, "case_sensitive", "attribute");
        return new IteratorValue(Distinct());

        IEnumerator<Value> Distinct()
        {
            HashSet<Value> seen = new(new ValueEquality(rendering));
            IEnumerator<Value> items = rendering.Iterate(input);
            while (items.MoveNext())
            {
                Value key = Key(rendering, items.Current, values[1], values[0]?.IsTrue ?? false);
                if (!ValueEquality.IsHashable(rendering, key)) throw rendering.Fail($"unhashable type: '{key.TypeName}'");
                rendering.AllocateItems(1);
                if (seen.Add(key)) yield return items.Current;
            }
        }
    }

    private static ListValue GroupBy(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "groupby", 1, "attribute", "default", "case_sensitive");
        bool caseSensitive = values[2]?.IsTrue ?? false;
        List<Value> sorted = Sorting.Sort(rendering, rendering.ToList(input), KeyOf);
        List<Value> groups = [];
        Value? lastKey = null;
        foreach (Value item in sorted)
        {
            Value key = KeyOf(item);
            if (lastKey is null || !Operators.AreEqual(rendering, key, lastKey))
                groups.Add(new GroupValue(Lookups.Path(rendering, item, values[0]!, values[1]), new ListValue([])));
            ((GroupValue)groups[^1]).List.Items.Add(item);
            lastKey = key;
        }
        return new ListValue(groups);

        Value KeyOf(Value item) => IgnoreCase(rendering, Lookups.Path(rendering, item, values[0]!, values[1]), caseSensitive);
    }

    private static IteratorValue Batch(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "batch", 1, "linecount", "fill_with");
        int size = rendering.ToInt(values[0]!);
        List<Value> items = rendering.ToList(input), batches = [], batch = [];
        foreach (Value item in items)
        {
            if (batch.Count == size)
            {
                rendering.AllocateItems(size);
                batches.Add(new ListValue(batch));
                batch = [];
            }
            batch.Add(item);
        }
        if (values[1] is not (null or NoneValue) && batch.Count > 0 && batch.Count < size)
        {
            rendering.AllocateItems(size);
            while (batch.Count < size) batch.Add(values[1]!);
        }
        if (batch.Count > 0) batches.Add(new ListValue(batch));
        return new IteratorValue(batches.GetEnumerator());
    }

    private static IteratorValue Slice(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "slice", 1, "slices", "fill_with");
        int count = rendering.ToInt(values[0]!);
        List<Value> items = rendering.ToList(input), slices = [];
        if (count == 0) throw rendering.Fail("integer division or modulo by zero");
        rendering.AllocateItems(Math.Max(0L, count) * 2);
        int size = items.Count / Math.Max(1, count), larger = items.Count % Math.Max(1, count), start = 0;
        for (int i = 0; i < count; i++)
        {
            List<Value> slice = items.GetRange(start, size + (i < larger ? 1 : 0));
            start += slice.Count;
            if (values[1] is not (null or NoneValue) && i >= larger) slice.Add(values[1]!);
            slices.Add(new ListValue(slice));
        }
        return new IteratorValue(slices.GetEnumerator());
    }

    private static bool IsReversible(Value input) =>
        input is StringValue or ListValue or RangeValue or DictValue or DictViewValue or UndefinedValue;

    /// <summary>Key by which an item is sorted or told apart.</summary>
    private static Value Key(Rendering rendering, Value item, Value? path, bool caseSensitive) =>
        IgnoreCase(rendering, path is null or NoneValue ? item : Lookups.Path(rendering, item, path), caseSensitive);

    private static Value IgnoreCase(Rendering rendering, Value key, bool caseSensitive) => key is StringValue text && !caseSensitive
        ? text.Changed(rendering, SpecialCasing.ToLower(text.Text))
        : key;
}
