using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>An arithmetic operator with its two operands.</summary>
internal sealed class BinaryExpression(int line, Func<Rendering, Value, Value, Value> operation, Expression left, Expression right)
    : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        operation(rendering, left.Evaluate(rendering, scope), right.Evaluate(rendering, scope));
}
