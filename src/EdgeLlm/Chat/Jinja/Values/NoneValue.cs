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
