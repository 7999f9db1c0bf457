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
