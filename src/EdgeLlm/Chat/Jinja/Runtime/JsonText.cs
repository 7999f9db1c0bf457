using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Values as Python's <c>json.dumps</c> writes them.</summary>
internal sealed class JsonText
{
    private readonly Rendering _rendering;
    private readonly TextBuilder _text;
    private readonly bool _ensureAscii;
    private readonly bool _sortKeys;
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;
    private int _level;

    private JsonText(Rendering rendering, bool ensureAscii, string? indent, (string Item, string Key)? separators, bool sortKeys)
    {
        _rendering = rendering;
        _text = new TextBuilder(rendering);
        _ensureAscii = ensureAscii;
        _sortKeys = sortKeys;
        _indent = indent;
        (_itemSeparator, _keySeparator) = separators ?? (indent is null ? ", " : ",", ": ");
    }

    /// <summary>Writes a value; the result is input throughout if any string in it is.</summary>
    /// <param name="rendering">The rendering.</param>
    /// <param name="value">What to write.</param>
    /// <param name="ensureAscii">Whether characters beyond ASCII are escaped.</param>
    /// <param name="indent">What a level is indented by; null for everything on one line.</param>
    /// <param name="separators">Separators between items and after a key; null for Python's defaults.</param>
    /// <param name="sortKeys">Whether the keys of dicts are sorted.</param>
    public static StringValue Write(Rendering rendering, Value value, bool ensureAscii = false, string? indent = null,
        (string Item, string Key)? separators = null, bool sortKeys = false)
    {
        JsonText json = new(rendering, ensureAscii, indent, separators, sortKeys);
        json.Write(value);
        return json._text.ToValue().WithUniformMarks();
    }

    private void Write(Value value)
    {
        int line = _rendering.Enter(_rendering.Line);
        switch (value)
        {
            case NoneValue:
                _text.Append("null");
                break;
            case BooleanValue boolean:
                _text.Append(boolean.IsTrue ? "true" : "false");
                break;
            case IntegerValue:
                value.WriteRepr(_rendering, _text);
                break;
            case FloatValue real:
                _text.Append(FloatText(real.Value));
                break;
            case StringValue text:
                WriteString(text);
                break;
            case ListValue list:
                WriteList(list);
                break;
            case DictValue dict:
                WriteDict(dict);
                break;
            case UndefinedValue undefined:
                throw _rendering.Fail(undefined.Message);
            default:
                throw _rendering.Fail($"Object of type {value.TypeName} is not JSON serializable");
        }
        _rendering.Leave(line);
    }

    private void WriteList(ListValue list)
    {
        _text.Append("[");
        _level++;
        for (int i = 0; i < list.Items.Count; i++)
        {
            BeginItem(isFirst: i == 0);
            Write(list.Items[i]);
        }
        _level--;
        if (list.Items.Count > 0) BreakLine();
        _text.Append("]");
    }

    private void WriteDict(DictValue dict)
    {
        IReadOnlyList<KeyValuePair<Value, Value>> entries = dict.Entries;
        if (_sortKeys) entries = Sorting.Sort(_rendering, entries, static entry => entry.Key);
        _text.Append("{");
        _level++;
        for (int i = 0; i < entries.Count; i++)
        {
            BeginItem(isFirst: i == 0);
            WriteKey(entries[i].Key);
            _text.Append(_keySeparator);
            Write(entries[i].Value);
        }
        _level--;
        if (entries.Count > 0) BreakLine();
        _text.Append("}");
    }

    private void BeginItem(bool isFirst)
    {
        if (!isFirst) _text.Append(_itemSeparator);
        BreakLine();
    }

    private void BreakLine()
    {
        if (_indent is null) return;
        _text.Append("\n");
        for (int i = 0; i < _level && _indent.Length > 0; i++) _text.Append(_indent);
    }

    private void WriteKey(Value key)
    {
        if (key is StringValue text)
        {
            WriteString(text);
            return;
        }
        if (key is not (IntegerValue or FloatValue or BooleanValue or NoneValue))
            throw _rendering.Fail($"keys must be str, int, float, bool or None, not {key.TypeName}");
        _text.Append("\"");
        Write(key);
        _text.Append("\"");
    }

    private void WriteString(StringValue value)
    {
        bool input = value.Marks.Any;
        string text = value.Text;
        _text.Append("\"", input);
        int from = 0;
        for (int i = 0; i < text.Length; i++)
        {
            string? escape = Escape(text[i]);
            if (escape is null) continue;
            _text.Append(text.AsSpan(from, i - from), input);
            _text.Append(escape, input);
            from = i + 1;
        }
        _text.Append(text.AsSpan(from), input);
        _text.Append("\"", input);
    }

    private string? Escape(char character) => character switch
    {
        '"' => "\\\"",
        '\\' => @"\\",
        '\n' => @"\n",
        '\r' => @"\r",
        '\t' => @"\t",
        '\f' => @"\f",
        '\b' => @"\b",
        < ' ' => $"\\u{(int)character:x4}",
        > '~' when _ensureAscii => $"\\u{(int)character:x4}",
        _ => null,
    };

    private static string FloatText(double value) => value switch
    {
        double.NaN => "NaN",
        double.PositiveInfinity => "Infinity",
        double.NegativeInfinity => "-Infinity",
        _ => PythonFloat.Repr(value),
    };
}
