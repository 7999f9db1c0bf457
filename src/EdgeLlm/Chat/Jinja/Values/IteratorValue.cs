using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>A Python generator: what <c>map</c>, <c>select</c> and their like give. It is walked once and has no length.</summary>
internal sealed class IteratorValue(IEnumerator<Value> items) : Value
{
    public override string TypeName => "generator";

    public override IEnumerator<Value> Iterate(Rendering rendering) => items;

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append("<generator object>");
}
