using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>What a value can be assigned to.</summary>
internal abstract class Target
{
    public abstract void Assign(Rendering rendering, Scope scope, Value value);
}
