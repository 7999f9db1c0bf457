using System.Collections.Frozen;
using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Function after <c>is</c>.</summary>
internal delegate bool Test(Rendering rendering, Value value, Arguments arguments);

/// <summary>Jinja's built-in tests.</summary>
internal static class Tests
{
    private static readonly FrozenDictionary<string, Test> All = new Dictionary<string, Test>
    {
        ["boolean"] = (_, value, _) => value is BooleanValue,
        ["callable"] = (_, value, _) => value is FunctionValue or MacroValue or LoopValue or UndefinedValue,
        ["defined"] = (_, value, _) => value is not UndefinedValue,
        ["divisibleby"] = (rendering, value, arguments) =>
            Remainder(rendering, value, arguments.Bind(rendering, "divisibleby", 1, "num")[0]!) == 0,
        ["escaped"] = (_, value, _) => value is StringValue { IsMarkup: true },
        ["even"] = (rendering, value, _) => Remainder(rendering, value, IntegerValue.Of(2)) == 0,
        ["false"] = (_, value, _) => value is BooleanValue { IsTrue: false },
        ["filter"] = (rendering, value, _) => value is StringValue name && Filters.Find(name.Text) is not null,
        ["float"] = (_, value, _) => value is FloatValue,
        ["in"] = (rendering, value, arguments) => Operators.Contains(rendering, arguments.Bind(rendering, "in", 1, "seq")[0]!, value),
        ["integer"] = (_, value, _) => value is IntegerValue,
        ["iterable"] = (_, value, _) =>
            value is StringValue or ListValue or DictValue or DictViewValue or RangeValue or IteratorValue or UndefinedValue or LoopValue,
        ["lower"] = (rendering, value, _) => TextClasses.IsLower(Text(rendering, value)),
        ["mapping"] = (_, value, _) => value is DictValue,
        ["none"] = (_, value, _) => value is NoneValue,
        ["number"] = (_, value, _) => Numbers.IsNumber(value),
        ["odd"] = (rendering, value, _) => Remainder(rendering, value, IntegerValue.Of(2)) == 1,
        ["sameas"] = (rendering, value, arguments) => IsSame(value, arguments.Bind(rendering, "sameas", 1, "other")[0]!),
        ["sequence"] = (_, value, _) => value is StringValue or ListValue or DictValue or RangeValue or UndefinedValue,
        ["string"] = (_, value, _) => value is StringValue,
        ["test"] = (rendering, value, _) => value is StringValue name && Find(name.Text) is not null,
        ["true"] = (_, value, _) => value is BooleanValue { IsTrue: true },
        ["undefined"] = (_, value, _) => value is UndefinedValue,
        ["upper"] = (rendering, value, _) => TextClasses.IsUpper(Text(rendering, value)),
        ["=="] = IsEqual,
        ["eq"] = IsEqual,
        ["equalto"] = IsEqual,
        ["!="] = IsUnequal,
        ["ne"] = IsUnequal,
        [">"] = IsGreater,
        ["gt"] = IsGreater,
        ["greaterthan"] = IsGreater,
        [">="] = IsAtLeast,
        ["ge"] = IsAtLeast,
        ["<"] = IsLess,
        ["lt"] = IsLess,
        ["lessthan"] = IsLess,
        ["<="] = IsAtMost,
        ["le"] = IsAtMost,
    }.ToFrozenDictionary();

    public static Test? Find(string name) => All.GetValueOrDefault(name);

    private static bool IsEqual(Rendering rendering, Value value, Arguments arguments) =>
        Operators.AreEqual(rendering, value, Other(rendering, arguments));

    private static bool IsUnequal(Rendering rendering, Value value, Arguments arguments) => !IsEqual(rendering, value, arguments);

    private static bool IsGreater(Rendering rendering, Value value, Arguments arguments) =>
        Operators.Compare(rendering, value, Other(rendering, arguments), ">") > 0;

    private static bool IsAtLeast(Rendering rendering, Value value, Arguments arguments) =>
        Operators.Compare(rendering, value, Other(rendering, arguments), ">=") >= 0;

    private static bool IsLess(Rendering rendering, Value value, Arguments arguments) =>
        Operators.Compare(rendering, value, Other(rendering, arguments), "<") < 0;

    private static bool IsAtMost(Rendering rendering, Value value, Arguments arguments) =>
        Operators.Compare(rendering, value, Other(rendering, arguments), "<=") <= 0;

    private static Value Other(Rendering rendering, Arguments arguments) => arguments.Bind(rendering, "the test", 1, "other")[0]!;

    private static string Text(Rendering rendering, Value value)
    {
        string text = value.ToText(rendering).Text;
        rendering.Step(text.Length >> 2);
        return text;
    }

    private static double Remainder(Rendering rendering, Value value, Value divisor)
    {
        Value remainder = Operators.Modulo(rendering, value, divisor);
        return remainder switch
        {
            FloatValue real => real.Value,
            IntegerValue integer => integer.Value.IsOne ? 1 : integer.Value.IsZero ? 0 : -1,
            _ => double.NaN,
        };
    }

    /// <summary>Python's <c>is</c>, as far as templates can rely on it: small ints and equal literals are one object.</summary>
    private static bool IsSame(Value value, Value other) => ReferenceEquals(value, other) || (value, other) switch
    {
        (IntegerValue a, IntegerValue b) => a.Value == b.Value && BigInteger.Abs(a.Value) <= 256,
        (StringValue a, StringValue b) => a.Text == b.Text,
        _ => false,
    };
}
