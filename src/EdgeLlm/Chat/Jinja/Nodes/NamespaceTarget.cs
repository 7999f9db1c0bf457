using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary><c>name.attribute</c>, where the name must hold a namespace.</summary>
internal sealed class NamespaceTarget(string name, string attribute) : Target
{
    private readonly StringValue _attribute = new(attribute);

    public override void Assign(Rendering rendering, Scope scope, Value value)
    {
        if (scope.Find(rendering, name) is not NamespaceValue target)
            throw rendering.Fail("cannot assign attribute on non-namespace object");
        target.Set(rendering, _attribute, value);
    }
}
