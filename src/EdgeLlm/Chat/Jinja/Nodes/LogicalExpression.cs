using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>and</c> and <c>or</c>: the left operand where that decides, else the right one.</summary>
internal sealed class LogicalExpression(int line, bool isOr, Expression left, Expression right) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        Value value = left.Evaluate(rendering, scope);
        return value.IsTrue == isOr ? value : right.Evaluate(rendering, scope);
    }
}
