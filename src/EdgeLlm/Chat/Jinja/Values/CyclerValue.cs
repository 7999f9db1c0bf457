using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary><c>cycler(...)</c>: gives its items one after the other, again and again.</summary>
internal sealed class CyclerValue : Value
{
    private readonly IReadOnlyList<Value> _items;
    private int _position;

    public CyclerValue(Rendering rendering, IReadOnlyList<Value> items)
    {
        if (items.Count == 0) throw rendering.Fail("at least one item has to be provided");
        _items = items;
    }

    public override string TypeName => "Cycler";

    public override Value? Attribute(Rendering rendering, string name) => name switch
    {
        "current" => _items[_position],
        "next" => new FunctionValue(name, (_, _) => Next()),
        "reset" => new FunctionValue(name, (_, _) => Reset()),
        _ => null,
    };

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append("<Cycler>");

    private Value Next()
    {
        Value current = _items[_position];
        _position = (_position + 1) % _items.Count;
        return current;
    }

    private NoneValue Reset()
    {
        _position = 0;
        return NoneValue.Instance;
    }
}
