using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>
/// The names that a piece of a template has set, inside the scope around it: the body of a loop (one for each pass), of a macro,
/// of a block. What is set inside stays inside. Scopes are small, so they are searched.
/// </summary>
internal sealed class Scope
{
    // As a power of two.
    private const int SearchedPerStep = 5;

    private readonly Scope? _outer;
    private readonly DictValue? _variables;
    private (string Name, Value Value)[] _names = [];
    private int _count;

    public Scope(Scope outer) => _outer = outer;

    /// <summary>The outermost scope, beyond which are the variables given to the template and the global functions.</summary>
    public Scope(DictValue variables) => _variables = variables;

    public void Set(Rendering rendering, string name, Value value)
    {
        rendering.Step(_count >> SearchedPerStep);
        for (int i = 0; i < _count; i++)
        {
            if (_names[i].Name != name) continue;
            _names[i].Value = value;
            return;
        }
        if (_count >= 4 && _count == _names.Length) rendering.AllocateItems(_count);
        if (_count == _names.Length) Array.Resize(ref _names, Math.Max(4, 2 * _count));
        _names[_count++] = (name, value);
    }

    public Value? Find(Rendering rendering, string name)
    {
        Scope scope = this;
        while (true)
        {
            rendering.Step(scope._count >> SearchedPerStep);
            for (int i = 0; i < scope._count; i++)
                if (scope._names[i].Name == name) return scope._names[i].Value;
            if (scope._outer is null) return scope._variables!.Find(rendering, name) ?? Globals.Find(name);
            scope = scope._outer;
        }
    }
}
