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
