using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>A part of a template that has a value.</summary>
internal abstract class Expression(int line)
{
    public int Line { get; } = line;

    public Value Evaluate(Rendering rendering, Scope scope)
    {
        int outerLine = rendering.Enter(Line);
        Value value = Compute(rendering, scope);
        rendering.Leave(outerLine);
        return value;
    }

    protected abstract Value Compute(Rendering rendering, Scope scope);
}

internal sealed class ConstantExpression(int line, Value value) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) => value;
}

internal sealed class NameExpression(int line, string name) : Expression(line)
{
    private readonly UndefinedValue _undefined = new($"'{name}' is undefined");

    public string Name { get; } = name;

    protected override Value Compute(Rendering rendering, Scope scope) => scope.Find(rendering, Name) ?? _undefined;
}

/// <summary><c>[a, b]</c> or <c>(a, b)</c>.</summary>
internal sealed class SequenceExpression(int line, Expression[] items, bool isTuple) : Expression(line)
{
    public Expression[] Items { get; } = items;

    public bool IsTuple { get; } = isTuple;

    protected override Value Compute(Rendering rendering, Scope scope)
    {
        rendering.AllocateItems(Items.Length);
        List<Value> values = new(Items.Length);
        foreach (Expression item in Items) values.Add(item.Evaluate(rendering, scope));
        return new ListValue(values, IsTuple);
    }
}

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

/// <summary><c>target.name</c>.</summary>
internal sealed class AttributeExpression(int line, Expression target, string name) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        Lookups.Attribute(rendering, target.Evaluate(rendering, scope), name);
}

/// <summary><c>target[key]</c>.</summary>
internal sealed class ItemExpression(int line, Expression target, Expression key) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        Lookups.Item(rendering, target.Evaluate(rendering, scope), key.Evaluate(rendering, scope));
}

/// <summary><c>target[start:stop:step]</c>, of which each may be absent.</summary>
internal sealed class SliceExpression(int line, Expression target, Expression? start, Expression? stop, Expression? step) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        Value value = target.Evaluate(rendering, scope);
        return Lookups.Slice(rendering, value, Bound(start), Bound(stop), Bound(step));

        Value Bound(Expression? bound) => bound?.Evaluate(rendering, scope) ?? NoneValue.Instance;
    }
}

internal sealed class UnaryExpression(int line, Func<Rendering, Value, Value> operation, Expression operand) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        operation(rendering, operand.Evaluate(rendering, scope));
}

/// <summary>An arithmetic operator with its two operands.</summary>
internal sealed class BinaryExpression(int line, Func<Rendering, Value, Value, Value> operation, Expression left, Expression right)
    : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        operation(rendering, left.Evaluate(rendering, scope), right.Evaluate(rendering, scope));
}

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

/// <summary><c>and</c> and <c>or</c>: the left operand where that decides, else the right one.</summary>
internal sealed class LogicalExpression(int line, bool isOr, Expression left, Expression right) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope)
    {
        Value value = left.Evaluate(rendering, scope);
        return value.IsTrue == isOr ? value : right.Evaluate(rendering, scope);
    }
}

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
