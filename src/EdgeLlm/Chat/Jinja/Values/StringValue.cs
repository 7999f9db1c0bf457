using System.Buffers;
using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>
/// Python's str with the origin of its characters. Python counts code points and .NET counts UTF-16 units: positions that a
/// template sees are code points, all others here are units.
/// </summary>
internal sealed class StringValue(string text, InputMarks marks = default, bool isMarkup = false) : Value
{
    private static readonly SearchValues<char> Surrogates =
        SearchValues.Create(Enumerable.Range(0xD800, 0x800).Select(unit => (char)unit).ToArray());

    private int _pointCount = -1;

    public static StringValue Empty { get; } = new("");

    public override string TypeName => IsMarkup ? "Markup" : "str";

    public string Text { get; } = text;

    public InputMarks Marks { get; } = marks;

    /// <summary>Whether this is markupsafe's Markup (the <c>safe</c> filter): what is added to it is escaped.</summary>
    public bool IsMarkup { get; } = isMarkup;

    public override bool IsTrue => Text.Length > 0;

    /// <summary>Code points; a surrogate without its partner counts as one.</summary>
    public int PointCount(Rendering rendering)
    {
        if (_pointCount >= 0) return _pointCount;
        rendering.Step(Text.Length >> 6);
        if (!Text.AsSpan().ContainsAny(Surrogates)) return _pointCount = Text.Length;
        int count = 0;
        for (int unit = 0; unit < Text.Length; unit += UnitsAt(unit)) count++;
        return _pointCount = count;
    }

    /// <summary>The position in UTF-16 units of a code point.</summary>
    public int UnitOf(Rendering rendering, int point)
    {
        if (PointCount(rendering) == Text.Length) return point;
        rendering.Step(point >> 4);
        int unit = 0;
        for (int i = 0; i < point; i++) unit += UnitsAt(unit);
        return unit;
    }

    /// <summary>The code point that begins at a position in UTF-16 units.</summary>
    public int PointOf(Rendering rendering, int unit)
    {
        if (PointCount(rendering) == Text.Length) return unit;
        rendering.Step(unit >> 4);
        int point = 0;
        for (int i = 0; i < unit; i += UnitsAt(i)) point++;
        return point;
    }

    /// <summary>UTF-16 units, 1 or 2, of the code point at a position.</summary>
    public int UnitsAt(int unit) =>
        char.IsHighSurrogate(Text[unit]) && unit + 1 < Text.Length && char.IsLowSurrogate(Text[unit + 1]) ? 2 : 1;

    /// <summary>The code point at a position.</summary>
    public int PointAt(int unit) => UnitsAt(unit) == 2 ? char.ConvertToUtf32(Text, unit) : Text[unit];

    /// <summary>The characters at [start, start + length) in UTF-16 units, with their marks.</summary>
    public StringValue Slice(Rendering rendering, int start, int length)
    {
        if (length == Text.Length) return this;
        rendering.AllocateText(length);
        if (!Marks.IsUniform) rendering.AllocateCopy(0, Marks.Toggles.Length);
        return new StringValue(Text.Substring(start, length), Marks.Slice(start, length), IsMarkup);
    }

    /// <summary>Python's <c>value[start:stop:step]</c>; the slice counts code points.</summary>
    public StringValue Slice(Rendering rendering, PythonSlice slice)
    {
        if (slice.Step == 1)
        {
            int start = UnitOf(rendering, slice.Start);
            return Slice(rendering, start, UnitOf(rendering, slice.Start + slice.Count) - start);
        }
        TextBuilder text = new(rendering);
        if (PointCount(rendering) == Text.Length)
        {
            for (int i = 0; i < slice.Count; i++) text.Append(this, slice.Start + i * slice.Step, 1);
        }
        else
        {
            rendering.AllocateItems(Text.Length / 4);
            List<int> units = [];
            for (int unit = 0; unit < Text.Length; unit += UnitsAt(unit)) units.Add(unit);
            for (int i = 0; i < slice.Count; i++)
            {
                int unit = units[slice.Start + i * slice.Step];
                text.Append(this, unit, UnitsAt(unit));
            }
        }
        return text.ToValue(IsMarkup);
    }

    /// <summary>This text, all of it input if any of it is: for results whose characters no longer match the source's.</summary>
    public StringValue WithUniformMarks() => Marks.IsUniform ? this : new StringValue(Text, InputMarks.All, IsMarkup);

    /// <summary>Another text made of this one's characters, which is input if any of them is.</summary>
    public StringValue Changed(Rendering rendering, string text)
    {
        rendering.AllocateText(text.Length);
        return new StringValue(text, InputMarks.Of(Marks.Any), IsMarkup);
    }

    public StringValue AsMarkup(bool isMarkup) => isMarkup == IsMarkup ? this : new StringValue(Text, Marks, isMarkup);

    public override int? Length(Rendering rendering) => PointCount(rendering);

    public override IEnumerator<Value> Iterate(Rendering rendering)
    {
        for (int unit = 0; unit < Text.Length; unit += UnitsAt(unit))
        {
            rendering.Step();
            yield return Slice(rendering, unit, UnitsAt(unit)).AsMarkup(false);
        }
    }

    public override Value? Attribute(Rendering rendering, string name) => StringMethods.Find(this, name);

    public override Value? Item(Rendering rendering, Value key)
    {
        if (!PythonSlice.TryIndex(key, PointCount(rendering), out int index)) return null;
        int unit = UnitOf(rendering, index);
        return Slice(rendering, unit, UnitsAt(unit));
    }

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        if (IsMarkup) text.Append("Markup(");
        PythonText.WriteQuoted(Text, Marks.Any, text);
        if (IsMarkup) text.Append(")");
    }

    public override StringValue ToText(Rendering rendering) => AsMarkup(false);
}
