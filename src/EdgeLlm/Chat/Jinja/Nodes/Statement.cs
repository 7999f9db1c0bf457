using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>A part of a template that does something: writes, sets, chooses, repeats.</summary>
internal abstract class Statement(int line)
{
    public int Line { get; } = line;

    public Flow Execute(Rendering rendering, Scope scope)
    {
        int outerLine = rendering.Enter(Line);
        Flow flow = Run(rendering, scope);
        rendering.Leave(outerLine);
        return flow;
    }

    /// <summary>Runs statements in order, up to a break or continue.</summary>
    public static Flow ExecuteAll(Statement[] statements, Rendering rendering, Scope scope)
    {
        foreach (Statement statement in statements)
        {
            Flow flow = statement.Execute(rendering, scope);
            if (flow != Flow.Next) return flow;
        }
        return Flow.Next;
    }

    protected abstract Flow Run(Rendering rendering, Scope scope);
}
