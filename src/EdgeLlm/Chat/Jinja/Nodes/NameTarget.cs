using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

internal sealed class NameTarget(string name) : Target
{
    public string Name { get; } = name;

    public override void Assign(Rendering rendering, Scope scope, Value value) => scope.Set(rendering, Name, value);
}
