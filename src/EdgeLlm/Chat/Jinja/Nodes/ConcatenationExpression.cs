using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>a ~ b</c>: the texts of the operands, joined.</summary>
internal sealed class ConcatenationExpression(int line, Expression[] operands) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        TextBuilder text = new(rendering);
        foreach (Expression operand in operands) text.Append(operand.Evaluate(rendering, scope).ToText(rendering));
        return text.ToValue();
    }
}
