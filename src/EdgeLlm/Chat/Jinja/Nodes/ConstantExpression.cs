using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class ConstantExpression(int line, Value value) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) => value;
}
