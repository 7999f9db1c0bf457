using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>{% set target | filters %}...{% endset %}</c>.</summary>
internal sealed class SetBlockStatement(int line, Target target, CapturedBlock block) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        target.Assign(rendering, scope, block.Evaluate(rendering, scope));
        return Flow.Next;
    }
}
