using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>One comparison or a chain of them: <c>a &lt; b &lt; c</c> is <c>a &lt; b and b &lt; c</c>.</summary>
internal sealed class ComparisonExpression(int line, Expression first, KeyValuePair<string, Expression>[] rest) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        Value left = first.Evaluate(rendering, scope);
        foreach ((string symbol, Expression expression) in rest)
        {
            Value right = expression.Evaluate(rendering, scope);
            if (!Holds(rendering, left, symbol, right)) return BooleanValue.False;
            left = right;
        }
        return BooleanValue.True;
    }

    private static bool Holds(Rendering rendering, Value left, string symbol, Value right) => symbol switch
    {
        "==" => Operators.AreEqual(rendering, left, right),
        "!=" => !Operators.AreEqual(rendering, left, right),
        "<" => Operators.Compare(rendering, left, right, symbol) < 0,
        "<=" => Operators.Compare(rendering, left, right, symbol) <= 0,
        ">" => Operators.Compare(rendering, left, right, symbol) > 0,
        ">=" => Operators.Compare(rendering, left, right, symbol) >= 0,
        "in" => Operators.Contains(rendering, right, left),
        _ => !Operators.Contains(rendering, right, left),
    };
}
