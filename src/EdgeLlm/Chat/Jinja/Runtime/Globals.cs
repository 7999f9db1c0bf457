using System.Collections.Frozen;
using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>The functions that every template has: Jinja's, and the two that Hugging Face adds.</summary>
internal static class Globals
{
    // The sandbox of Jinja allows no more.
    private const int MaximumRange = 100_000;

    private static readonly FrozenDictionary<string, FunctionValue> All = new FunctionValue[]
    {
        new("cycler", (rendering, arguments) => new CyclerValue(rendering, arguments.Positional)),
        new("dict", (rendering, arguments) => Dict(rendering, arguments, "dict")),
        new("joiner", Joiner),
        new("namespace", (rendering, arguments) => new NamespaceValue(Dict(rendering, arguments, "namespace"))),
        new("raise_exception", RaiseException),
        new("range", Range),
        new("strftime_now", StrfTimeNow),
    }.ToFrozenDictionary(function => function.Name);

    public static Value? Find(string name) => All.GetValueOrDefault(name);

    private static DictValue Dict(Rendering rendering, Arguments arguments, string function)
    {
        DictValue dict = new();
        if (arguments.Positional.Count > 1) throw rendering.Fail($"{function} takes at most 1 positional argument");
        if (arguments.Positional.Count == 1)
        {
            if (arguments.Positional[0] is DictValue source) dict.SetAll(rendering, source);
            else AddPairs(rendering, dict, arguments.Positional[0]);
        }
        foreach ((StringValue name, Value value) in arguments.Named) dict.Set(rendering, name, value);
        return dict;
    }

    private static void AddPairs(Rendering rendering, DictValue dict, Value pairs)
    {
        IEnumerator<Value> iterator = rendering.Iterate(pairs);
        while (iterator.MoveNext())
        {
            List<Value> pair = rendering.ToList(iterator.Current);
            if (pair.Count != 2) throw rendering.Fail($"a dict's element has length {pair.Count}; 2 is required");
            dict.Set(rendering, pair[0], pair[1]);
        }
    }

    private static RangeValue Range(Rendering rendering, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "range", 1, "start", "stop", "step");
        Value start = values[1] is null ? IntegerValue.Of(0) : values[0]!, stop = values[1] ?? values[0]!;
        int step = values[2] is null ? 1 : Bound(values[2]!);
        if (step == 0) throw rendering.Fail("range() arg 3 must not be zero");
        RangeValue range = new(Bound(start), Bound(stop), step);
        return range.Count <= MaximumRange ? range : throw rendering.Fail($"Range too big: {range.Count} items, at most {MaximumRange}");

        int Bound(Value value)
        {
            int bound = rendering.ToInt(value);
            Numbers.TryInteger(value, out BigInteger exact);
            return bound == exact ? bound : throw rendering.Fail("Range too big: a bound beyond 32 bits");
        }
    }

    private static Value RaiseException(Rendering rendering, Arguments arguments) =>
        throw rendering.Fail(arguments.Bind(rendering, "raise_exception", 1, "message")[0]!.ToText(rendering).Text);

    private static StringValue StrfTimeNow(Rendering rendering, Arguments arguments)
    {
        StringValue format = rendering.ToString(arguments.Bind(rendering, "strftime_now", 1, "format")[0]!);
        TextBuilder text = new(rendering);
        StrfTime.Write(rendering.Now, format.Text, text);
        StringValue result = text.ToValue();
        return new StringValue(result.Text, InputMarks.Of(format.Marks.Any));
    }

    private static FunctionValue Joiner(Rendering rendering, Arguments arguments)
    {
        Value separator = arguments.Bind(rendering, "joiner", 0, "sep")[0] ?? new StringValue(", ");
        bool isUsed = false;
        return new FunctionValue("joiner", (_, _) =>
        {
            if (isUsed) return separator;
            isUsed = true;
            return StringValue.Empty;
        });
    }
}
