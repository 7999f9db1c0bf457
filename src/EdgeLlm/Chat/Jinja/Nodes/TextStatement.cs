using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>The template's own text.</summary>
internal sealed class TextStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.Output.Append(text);
        return Flow.Next;
    }
}
