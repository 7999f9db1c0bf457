using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>{% filter name %}...{% endfilter %}</c>.</summary>
internal sealed class FilterBlockStatement(int line, CapturedBlock block) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.Output.Append(block.Evaluate(rendering, scope).ToText(rendering));
        return Flow.Next;
    }
}
