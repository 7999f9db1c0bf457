using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>a, b</c>: takes a value apart.</summary>
internal sealed class TupleTarget(Target[] targets) : Target
{
    public Target[] Targets { get; } = targets;

    public override void Assign(Rendering rendering, Scope scope, Value value)
    {
        List<Value> values = rendering.ToList(value);
        if (values.Count != Targets.Length) throw rendering.Fail($"{Targets.Length} values to unpack expected, got {values.Count}");
        for (int i = 0; i < values.Count; i++) Targets[i].Assign(rendering, scope, values[i]);
    }
}
