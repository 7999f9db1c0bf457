using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>{% set target = expression %}</c>.</summary>
internal sealed class SetStatement(int line, Target target, Expression expression) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        target.Assign(rendering, scope, expression.Evaluate(rendering, scope));
        return Flow.Next;
    }
}
