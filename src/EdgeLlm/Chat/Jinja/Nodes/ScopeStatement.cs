using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>
/// <c>{% with name = value, ... %}...{% endwith %}</c>; with no names also <c>{% generation %}...{% endgeneration %}</c>, by which
/// Hugging Face marks what the assistant said and which changes no text.
/// </summary>
internal sealed class ScopeStatement(int line, KeyValuePair<Target, Expression>[] names, Statement[] body) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.AllocateScope();
        Scope inner = new(scope);
        foreach ((Target target, Expression expression) in names)
        {
            Value value = expression.Evaluate(rendering, scope);
            target.Assign(rendering, inner, value);
        }
        return ExecuteAll(body, rendering, inner);
    }
}
