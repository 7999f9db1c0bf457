using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class UnaryExpression(int line, Func<Rendering, Value, Value> operation, Expression operand) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        operation(rendering, operand.Evaluate(rendering, scope));
}
