using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class IfStatement(int line, KeyValuePair<Expression, Statement[]>[] branches, Statement[] otherwise) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        foreach ((Expression condition, Statement[] body) in branches)
            if (condition.Evaluate(rendering, scope).IsTrue) return ExecuteAll(body, rendering, scope);
        return ExecuteAll(otherwise, rendering, scope);
    }
}
