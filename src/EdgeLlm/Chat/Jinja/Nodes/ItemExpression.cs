using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>target[key]</c>.</summary>
internal sealed class ItemExpression(int line, Expression target, Expression key) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        Lookups.Item(rendering, target.Evaluate(rendering, scope), key.Evaluate(rendering, scope));
}
