using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>A body whose text goes through filters: what set blocks and filter blocks have in common.</summary>
internal sealed record CapturedBlock(FilterCall[] Filters, Statement[] Body)
{
    public Value Evaluate(Rendering rendering, Scope scope)
    {
        rendering.AllocateScope();
        Scope inner = new(scope);
        Value value =
            rendering.Capture((Body, inner), static (rendering, state) => Statement.ExecuteAll(state.Body, rendering, state.inner));
        foreach (FilterCall filter in Filters) value = filter.Apply(rendering, inner, value);
        return value;
    }
}

/// <summary><c>{% set target | filters %}...{% endset %}</c>.</summary>
internal sealed class SetBlockStatement(int line, Target target, CapturedBlock block) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        target.Assign(rendering, scope, block.Evaluate(rendering, scope));
        return Flow.Next;
    }
}

/// <summary><c>{% filter name %}...{% endfilter %}</c>.</summary>
internal sealed class FilterBlockStatement(int line, CapturedBlock block) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.Output.Append(block.Evaluate(rendering, scope).ToText(rendering));
        return Flow.Next;
    }
}

/// <summary>
/// <c>{% with name = value, ... %}...{% endwith %}</c>; with no names also <c>{% generation %}...{% endgeneration %}</c>, by which
/// Hugging Face marks what the assistant said and which changes no text.
/// </summary>
internal sealed class ScopeStatement(int line, KeyValuePair<Target, Expression>[] names, Statement[] body) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.AllocateScope();
        Scope inner = new(scope);
        foreach ((Target target, Expression expression) in names)
        {
            Value value = expression.Evaluate(rendering, scope);
            target.Assign(rendering, inner, value);
        }
        return ExecuteAll(body, rendering, inner);
    }
}

/// <summary>A macro, or the body of a call block, which has no name. The flags say which of the special names its body reads.</summary>
internal sealed record MacroDefinition(
    string? Name, int Line, string[] Parameters, Expression?[] Defaults, Statement[] Body,
    bool ReadsCaller, bool ReadsNamed, bool ReadsRest);

internal sealed class MacroStatement(string name, MacroDefinition macro) : Statement(macro.Line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        scope.Set(rendering, name, new MacroValue(macro, scope));
        return Flow.Next;
    }
}

/// <summary><c>{% call(parameters) macro(arguments) %}...{% endcall %}</c>: the macro receives the body as its <c>caller</c>.</summary>
internal sealed class CallBlockStatement(MacroDefinition caller, CallExpression call) : Statement(caller.Line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        Value result = call.CallWith(rendering, scope, new MacroValue(caller, scope));
        rendering.Output.Append(result.ToText(rendering));
        return Flow.Next;
    }
}
