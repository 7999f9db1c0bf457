using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

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
