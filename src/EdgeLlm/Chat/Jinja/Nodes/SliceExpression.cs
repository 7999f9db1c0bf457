using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>target[start:stop:step]</c>, of which each may be absent.</summary>
internal sealed class SliceExpression(int line, Expression target, Expression? start, Expression? stop, Expression? step) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        Value value = target.Evaluate(rendering, scope);
        return Lookups.Slice(rendering, value, Bound(start), Bound(stop), Bound(step));

        Value Bound(Expression? bound) => bound?.Evaluate(rendering, scope) ?? NoneValue.Instance;
    }
}
