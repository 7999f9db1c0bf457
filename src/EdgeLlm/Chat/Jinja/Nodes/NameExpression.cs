using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class NameExpression(int line, string name) : Expression(line)
{
    private readonly UndefinedValue _undefined = new($"'{name}' is undefined");

    public string Name { get; } = name;

    protected override Value Compute(Rendering rendering, Scope scope) => scope.Find(rendering, Name) ?? _undefined;
}
