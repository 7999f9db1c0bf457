using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>target.name</c>.</summary>
internal sealed class AttributeExpression(int line, Expression target, string name) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        Lookups.Attribute(rendering, target.Evaluate(rendering, scope), name);
}
