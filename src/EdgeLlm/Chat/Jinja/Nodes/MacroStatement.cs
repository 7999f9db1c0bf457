using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class MacroStatement(string name, MacroDefinition macro) : Statement(macro.Line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        scope.Set(rendering, name, new MacroValue(macro, scope));
        return Flow.Next;
    }
}
