using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>
/// The <c>loop</c> of a for: walks the items, and looks ahead no further than a template asks it to, because the condition of a
/// loop may depend on what its body did.
/// </summary>
internal sealed class LoopValue(IEnumerator<Value> items, int? length, Func<Value, Value>? recurse, int depth) : Value
{
    private int _index = -1;
    private int? _length = length;
    private Value? _previous;
    private Value? _current;
    private Value? _next;
    private bool _isAtEnd;
    private IReadOnlyList<Value>? _lastChanged;

    public override string TypeName => "LoopContext";

    public Value Current => _current!;

    public bool MoveNext()
    {
        if (!LookAhead()) return false;
        (_previous, _current, _next) = (_current, _next, null);
        _index++;
        return true;
    }

    public override int? Length(Rendering rendering) => _length ??= CountRest(rendering);

    public override IEnumerator<Value> Iterate(Rendering rendering)
    {
        while (MoveNext()) yield return ListValue.Tuple(_current!, this);
    }

    public override Value? Attribute(Rendering rendering, string name) => name switch
    {
        "index" => IntegerValue.Of(_index + 1),
        "index0" => IntegerValue.Of(_index),
        "revindex" => IntegerValue.Of(Length(rendering)!.Value - _index),
        "revindex0" => IntegerValue.Of(Length(rendering)!.Value - _index - 1),
        "first" => BooleanValue.Of(_index == 0),
        "last" => BooleanValue.Of(!LookAhead()),
        "length" => IntegerValue.Of(Length(rendering)!.Value),
        "depth" => IntegerValue.Of(depth + 1),
        "depth0" => IntegerValue.Of(depth),
        "previtem" => _previous ?? new UndefinedValue("there is no previous item"),
        "nextitem" => LookAhead() ? _next! : new UndefinedValue("there is no next item"),
        "cycle" => new FunctionValue(name, Cycle),
        "changed" => new FunctionValue(name, Changed),
        _ => null,
    };

    public override Value Call(Rendering rendering, Arguments arguments)
    {
        Value inner = arguments.Bind(rendering, "loop", 1, "iterable")[0]!;
        return recurse?.Invoke(inner)
            ?? throw rendering.Fail("The loop must have the 'recursive' marker to be called recursively.");
    }

    public override void WriteRepr(Rendering rendering, TextBuilder text) =>
        text.Append($"<LoopContext {_index + 1}/{Length(rendering)}>");

    private bool LookAhead()
    {
        if (_next is not null) return true;
        if (_isAtEnd || !items.MoveNext())
        {
            _isAtEnd = true;
            return false;
        }
        _next = items.Current;
        return true;
    }

    private int CountRest(Rendering rendering)
    {
        List<Value> rest = rendering.ToList(new IteratorValue(items));
        items = rest.GetEnumerator();
        return _index + 1 + (_next is null ? 0 : 1) + rest.Count;
    }

    private Value Cycle(Rendering rendering, Arguments arguments) => arguments.Positional.Count == 0
        ? throw rendering.Fail("no items for cycling given")
        : arguments.Positional[_index % arguments.Positional.Count];

    private BooleanValue Changed(Rendering rendering, Arguments arguments)
    {
        IReadOnlyList<Value> values = arguments.Positional;
        bool isSame = _lastChanged is not null && _lastChanged.Count == values.Count;
        for (int i = 0; isSame && i < values.Count; i++) isSame = Operators.AreEqual(rendering, _lastChanged![i], values[i]);
        _lastChanged = values;
        return BooleanValue.Of(!isSame);
    }
}
