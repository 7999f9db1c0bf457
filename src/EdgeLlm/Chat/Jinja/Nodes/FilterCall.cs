using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>A filter with its arguments. One that does not exist fails only when it is used, as in Jinja inside an <c>if</c>.</summary>
internal sealed record FilterCall(string Name, ArgumentList Arguments)
{
    private readonly Filter? _filter = Filters.Find(Name);

    public bool IsKnown => _filter is not null;

    public Value Apply(Rendering rendering, Scope scope, Value input)
    {
        if (_filter is null) throw rendering.Fail($"No filter named '{Name}'.");
        return _filter(rendering, input, Arguments.Evaluate(rendering, scope));
    }
}
