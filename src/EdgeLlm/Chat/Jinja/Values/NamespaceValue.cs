using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary><c>namespace(...)</c>: the one object that a template may change, with <c>{% set ns.name = ... %}</c>.</summary>
internal sealed class NamespaceValue(DictValue attributes) : Value
{
    public override string TypeName => "Namespace";

    public override Value? Attribute(Rendering rendering, string name) => attributes.Find(rendering, name);

    public void Set(Rendering rendering, StringValue name, Value value) => attributes.Set(rendering, name, value);

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        text.Append("<Namespace ");
        attributes.WriteRepr(rendering, text);
        text.Append(">");
    }
}
