using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>The arguments written at a call: <c>(a, b, name=c, *rest, **more)</c>.</summary>
internal sealed record ArgumentList(
    Expression[] Positional, KeyValuePair<StringValue, Expression>[] Named, Expression? Rest, Expression? NamedRest)
{
    public static ArgumentList None { get; } = new([], [], null, null);

    public Arguments Evaluate(Rendering rendering, Scope scope)
    {
        if (ReferenceEquals(this, None)) return Arguments.None;
        rendering.AllocateCall();
        rendering.AllocateItems(Positional.Length + Named.Length);
        List<Value> positional = new(Positional.Length);
        foreach (Expression expression in Positional) positional.Add(expression.Evaluate(rendering, scope));
        if (Rest is not null) positional.AddRange(rendering.ToList(Rest.Evaluate(rendering, scope)));
        if (Named.Length == 0 && NamedRest is null) return new Arguments(positional, []);
        List<KeyValuePair<StringValue, Value>> named = new(Named.Length);
        foreach ((StringValue name, Expression expression) in Named) named.Add(new(name, expression.Evaluate(rendering, scope)));
        if (NamedRest is not null) named.AddRange(Calls.Keywords(rendering, NamedRest.Evaluate(rendering, scope)));
        return new Arguments(positional, named);
    }
}

internal sealed class CallExpression(int line, Expression function, ArgumentList arguments) : Expression(line)
{
    private static readonly StringValue Caller = new("caller");

    /// <summary>Calls with one more named argument, the <c>caller</c> of a call block.</summary>
    public Value CallWith(Rendering rendering, Scope scope, Value caller)
    {
        Value called = function.Evaluate(rendering, scope);
        Arguments values = arguments.Evaluate(rendering, scope);
        return called.Call(rendering, values with { Named = [.. values.Named, new(Caller, caller)] });
    }

    protected override Value Compute(Rendering rendering, Scope scope)
    {
        Value called = function.Evaluate(rendering, scope);
        return called.Call(rendering, arguments.Evaluate(rendering, scope));
    }
}

/// <summary>A filter with its arguments. One that does not exist fails only when it is used, as in Jinja inside an <c>if</c>.</summary>
internal sealed record FilterCall(string Name, ArgumentList Arguments)
{
    private readonly Filter? _filter = Filters.Find(Name);

    public bool IsKnown => _filter is not null;

    public Value Apply(Rendering rendering, Scope scope, Value input)
    {
        if (_filter is null) throw rendering.Fail($"No filter named '{Name}'.");
        return _filter(rendering, input, Arguments.Evaluate(rendering, scope));
    }
}

internal sealed class FilterExpression(int line, Expression input, FilterCall filter) : Expression(line)
{
    protected override Value Compute(Rendering rendering, Scope scope) =>
        filter.Apply(rendering, scope, input.Evaluate(rendering, scope));
}

/// <summary><c>value is name(arguments)</c>. A test that does not exist fails only when it is used.</summary>
internal sealed class TestExpression(int line, Expression value, string name, ArgumentList arguments) : Expression(line)
{
    private readonly Test? _test = Tests.Find(name);

    public bool IsKnown => _test is not null;

    protected override Value Compute(Rendering rendering, Scope scope)
    {
        if (_test is null) throw rendering.Fail($"No test named '{name}'.");
        return BooleanValue.Of(_test(rendering, value.Evaluate(rendering, scope), arguments.Evaluate(rendering, scope)));
    }
}
