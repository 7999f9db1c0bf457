using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>A value of the template language: a Python object, as far as templates can see one.</summary>
internal abstract class Value
{
    /// <summary>The name of the type in Python, for messages.</summary>
    public abstract string TypeName { get; }

    /// <summary>Python's <c>bool(value)</c>.</summary>
    public virtual bool IsTrue => true;

    /// <summary>Python's <c>len(value)</c>, or null for a type without a length.</summary>
    public virtual int? Length(Rendering rendering) => null;

    /// <summary>Python's <c>iter(value)</c>, or null for a type that cannot be iterated.</summary>
    public virtual IEnumerator<Value>? Iterate(Rendering rendering) => null;

    /// <summary>Python's <c>getattr(value, name)</c> in Jinja's sandbox, or null where there is no such attribute.</summary>
    public virtual Value? Attribute(Rendering rendering, string name) => null;

    /// <summary>Python's <c>value[key]</c>, or null where that is a TypeError or LookupError.</summary>
    public virtual Value? Item(Rendering rendering, Value key) => null;

    /// <summary>Python's <c>value(...)</c>.</summary>
    public virtual Value Call(Rendering rendering, Arguments arguments) =>
        throw rendering.Fail($"'{TypeName}' object is not callable");

    /// <summary>Appends Python's <c>repr(value)</c>.</summary>
    public abstract void WriteRepr(Rendering rendering, TextBuilder text);

    /// <summary>Python's <c>str(value)</c>.</summary>
    public virtual StringValue ToText(Rendering rendering)
    {
        TextBuilder text = new(rendering);
        WriteRepr(rendering, text);
        return text.ToValue().WithUniformMarks();
    }
}
