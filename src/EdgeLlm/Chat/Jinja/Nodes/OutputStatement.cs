using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>{{ expression }}</c>.</summary>
internal sealed class OutputStatement(int line, Expression expression) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.Output.Append(expression.Evaluate(rendering, scope).ToText(rendering));
        return Flow.Next;
    }
}
