using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>{% break %}</c> and <c>{% continue %}</c>.</summary>
internal sealed class FlowStatement(int line, Flow flow) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope) => flow;
}
