using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

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
