using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

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
