using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

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
