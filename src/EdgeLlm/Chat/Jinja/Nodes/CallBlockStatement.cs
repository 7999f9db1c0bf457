using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>{% call(parameters) macro(arguments) %}...{% endcall %}</c>: the macro gets the body as its <c>caller</c>.</summary>
internal sealed class CallBlockStatement(MacroDefinition caller, CallExpression call) : Statement(caller.Line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        Value result = call.CallWith(rendering, scope, new MacroValue(caller, scope));
        rendering.Output.Append(result.ToText(rendering));
        return Flow.Next;
    }
}
