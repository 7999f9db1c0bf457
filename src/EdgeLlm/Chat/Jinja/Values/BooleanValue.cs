using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

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
