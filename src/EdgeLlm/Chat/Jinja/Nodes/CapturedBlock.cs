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
        Value value = rendering.Capture((Body, inner), static (rendering, state) => Statement.ExecuteAll(state.Body, rendering, state.inner));
        foreach (FilterCall filter in Filters) value = filter.Apply(rendering, inner, value);
        return value;
    }
}
