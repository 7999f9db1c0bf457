using System.Text;
using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>Collects text with its marks; also the output of a template. Its length counts against the rendering's limits.</summary>
internal sealed class TextBuilder(Rendering rendering)
{
    private readonly StringBuilder _text = new();
    private readonly List<int> _toggles = [];
    private bool _inInput;

    public int Length => _text.Length;

    public void Append(ReadOnlySpan<char> text, bool input = false)
    {
        if (text.IsEmpty) return;
        Begin(text.Length, input);
        _text.Append(text);
    }

    public void Append(char character, int count, bool input = false)
    {
        if (count <= 0) return;
        Begin(count, input);
        _text.Append(character, count);
    }

    public void Append(StringValue value)
    {
        if (value.Marks.IsUniform) Append(value.Text, value.Marks.Any);
        else Append(value, 0, value.Text.Length);
    }

    /// <summary>Appends a value a given number of times.</summary>
    public void Append(StringValue value, int count)
    {
        if (value.Text.Length == 0 || count <= 0) return;
        if (!value.Marks.IsUniform)
        {
            for (int i = 0; i < count; i++) Append(value);
            return;
        }
        Begin((long)value.Text.Length * count, value.Marks.Any);
        _text.Insert(_text.Length, value.Text, count);
    }

    /// <summary>Appends the characters [start, start + length) of a value.</summary>
    public void Append(StringValue value, int start, int length)
    {
        ReadOnlySpan<char> text = value.Text;
        if (value.Marks.IsUniform)
        {
            Append(text.Slice(start, length), value.Marks.Any);
            return;
        }
        int position = start, end = start + length;
        bool input = false;
        rendering.Step(value.Marks.Toggles.Length >> 4);
        foreach (int toggle in value.Marks.Toggles)
        {
            int until = Math.Clamp(toggle, position, end);
            Append(text[position..until], input);
            position = until;
            input = !input;
        }
        Append(text[position..end], input);
    }

    public StringValue ToValue(bool isMarkup = false)
    {
        rendering.AllocateCopy(_text.Length, _toggles.Count);
        return new StringValue(_text.ToString(), new InputMarks([.. _toggles]), isMarkup);
    }

    private void Begin(long length, bool input)
    {
        rendering.CheckTextLength(_text.Length + length);
        rendering.AllocateText(length);
        if (input == _inInput) return;
        _toggles.Add(_text.Length);
        _inInput = input;
    }
}
