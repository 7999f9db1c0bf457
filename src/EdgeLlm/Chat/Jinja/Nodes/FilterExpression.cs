using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class FilterExpression(int line, Expression input, FilterCall filter) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        filter.Apply(rendering, scope, input.Evaluate(rendering, scope));
}
