using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>One group of <c>groupby</c>: a tuple of two whose items have names.</summary>
internal sealed class GroupValue(Value grouper, ListValue list) : ListValue([grouper, list], isTuple: true)
{
    public ListValue List { get; } = list;

    public override Value? Attribute(Rendering rendering, string name) => name switch
    {
        "grouper" => Items[0],
        "list" => List,
        _ => base.Attribute(rendering, name),
    };
}
