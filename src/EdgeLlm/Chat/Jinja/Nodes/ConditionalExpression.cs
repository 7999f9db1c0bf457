using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>a if condition else b</c>; without the else it is undefined.</summary>
internal sealed class ConditionalExpression(int line, Expression condition, Expression then, Expression? otherwise) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        if (condition.Evaluate(rendering, scope).IsTrue) return then.Evaluate(rendering, scope);
        return otherwise?.Evaluate(rendering, scope)
            ?? new UndefinedValue("the inline if-expression evaluated to false and no else section was defined.");
    }
}
