using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class DictExpression(int line, KeyValuePair<Expression, Expression>[] entries) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        DictValue dict = new();
        foreach ((Expression key, Expression value) in entries)
            dict.Set(rendering, key.Evaluate(rendering, scope), value.Evaluate(rendering, scope));
        return dict;
    }
}
