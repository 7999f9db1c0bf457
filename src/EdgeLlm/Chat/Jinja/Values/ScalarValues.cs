using System.Globalization;
using System.Numerics;
using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

internal sealed class NoneValue : Value
{
    public static NoneValue Instance { get; } = new();

    private NoneValue() { }

    public override string TypeName => "NoneType";

    public override bool IsTrue => false;

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append("None");
}

/// <summary>Jinja's default Undefined: prints nothing, is false and empty, and fails with its message in every other use.</summary>
internal sealed class UndefinedValue(string message) : Value
{
    public string Message { get; } = message;

    public override string TypeName => "Undefined";

    public override bool IsTrue => false;

    public override int? Length(Rendering rendering) => 0;

    public override IEnumerator<Value> Iterate(Rendering rendering)
    {
        yield break;
    }

    public override Value Attribute(Rendering rendering, string name) => throw rendering.Fail(Message);

    public override Value Item(Rendering rendering, Value key) => throw rendering.Fail(Message);

    public override Value Call(Rendering rendering, Arguments arguments) => throw rendering.Fail(Message);

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append("Undefined");

    public override StringValue ToText(Rendering rendering) => StringValue.Empty;
}

internal sealed class BooleanValue : Value
{
    private BooleanValue(bool value) => IsTrue = value;

    public static BooleanValue True { get; } = new(true);

    public static BooleanValue False { get; } = new(false);

    public override string TypeName => "bool";

    public override bool IsTrue { get; }

    public static BooleanValue Of(bool value) => value ? True : False;

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append(IsTrue ? "True" : "False");
}

/// <summary>Python's int, which has no largest value; here <see cref="Rendering.Integer"/> bounds its bits.</summary>
internal sealed class IntegerValue(BigInteger value) : Value
{
    private const int FirstCached = -16;
    private static readonly IntegerValue[] Cached = CreateCache();

    public override string TypeName => "int";

    public BigInteger Value { get; } = value;

    public override bool IsTrue => !Value.IsZero;

    public static IntegerValue Of(int value)
    {
        int index = value - FirstCached;
        return (uint)index < (uint)Cached.Length ? Cached[index] : new IntegerValue(value);
    }

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        long bits = Value.GetBitLength();
        rendering.Step(bits * bits >> 14);
        rendering.AllocateText(bits / 3);
        text.Append(Value.ToString(CultureInfo.InvariantCulture));
    }

    private static IntegerValue[] CreateCache()
    {
        IntegerValue[] cache = new IntegerValue[272];
        for (int i = 0; i < cache.Length; i++) cache[i] = new IntegerValue(i + FirstCached);
        return cache;
    }
}

internal sealed class FloatValue(double value) : Value
{
    public override string TypeName => "float";

    public double Value { get; } = value;

    public override bool IsTrue => Value != 0;

    public override Value? Attribute(Rendering rendering, string name) => name == "is_integer"
        ? new FunctionValue("is_integer", (_, _) => BooleanValue.Of(double.IsFinite(Value) && Math.Floor(Value) == Value))
        : null;

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append(PythonFloat.Repr(Value));
}
