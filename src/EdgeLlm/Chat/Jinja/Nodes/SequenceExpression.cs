using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>[a, b]</c> or <c>(a, b)</c>.</summary>
internal sealed class SequenceExpression(int line, Expression[] items, bool isTuple) : Expression(line)
{
    public Expression[] Items { get; } = items;

    public bool IsTuple { get; } = isTuple;

    protected override Value Compute(Rendering rendering, Scope scope)
    {
        rendering.AllocateItems(Items.Length);
        List<Value> values = new(Items.Length);
        foreach (Expression item in Items) values.Add(item.Evaluate(rendering, scope));
        return new ListValue(values, IsTuple);
    }
}
