using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace EdgeLlm.Chat.Tools;

/// <summary>
/// Arguments in another notation as JSON: Gemma's <c>{room:&lt;|"|&gt;kitchen&lt;|"|&gt;}</c>, Python's <c>(room="kitchen")</c>.
/// </summary>
internal sealed class ValueReader
{
    private const int MostDepth = 62; // what readers of JSON take by default

    private readonly string _text;
    private readonly ValueNotation _notation;
    private readonly StringBuilder _json = new();
    private int _at;
    private bool _isCut;

    private ValueReader(string text, ValueNotation notation) => (_text, _notation) = (text, notation);

    /// <summary>Reads arguments from a text's beginning.</summary>
    /// <param name="length">Characters that they take.</param>
    /// <param name="isCut">Whether the text ends before they do.</param>
    /// <returns>A JSON object; null where they are malformed or cut off.</returns>
    public static string? Read(string text, ValueNotation notation, out int length, out bool isCut)
    {
        var reader = new ValueReader(text, notation);
        bool isRead = reader.ReadMembers(notation.Open, notation.Close, 0);
        (length, isCut) = (reader._at, reader._isCut);
        return isRead ? reader._json.ToString() : null;
    }

    /// <summary>A text as JSON: for programs, not for web pages; half a surrogate pair becomes U+FFFD.</summary>
    public static string Quoted(string text) =>
        "\"" + JsonEncodedText.Encode(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), JavaScriptEncoder.UnsafeRelaxedJsonEscaping)
            + "\"";

    /// <summary>A text that is JSON already, as it is; else null.</summary>
    public static string? JsonOf(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return text;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            return null;
        }
    }

    private bool ReadMembers(string open, string close, int depth)
    {
        if (depth > MostDepth || !Take(open)) return false;
        _json.Append('{');
        bool hasMember = false;
        while (!Take(close))
        {
            if (_isCut || (hasMember && !Take(","))) return false;
            if (hasMember) _json.Append(", ");
            if (!ReadKey()) return false;
            if (!Take(depth == 0 ? _notation.Assign : ":")) return false;
            _json.Append(": ");
            if (!ReadValue(depth + 1)) return false;
            hasMember = true;
        }
        _json.Append('}');
        return true;
    }

    private bool ReadKey()
    {
        SkipSpace();
        if (IsQuote()) return ReadText();
        int start = _at;
        while (_at < _text.Length && (char.IsLetterOrDigit(_text[_at]) || _text[_at] is '_' or '-' or '.' or '$')) _at++;
        _isCut = _at == _text.Length;
        if (_at == start || _isCut) return false;
        _json.Append(Quoted(_text[start.._at]));
        return true;
    }

    private bool ReadValue(int depth)
    {
        SkipSpace();
        if (depth > MostDepth) return false;
        if (IsQuote()) return ReadText();
        if (_isCut) return false;
        if (_text[_at] == '{') return ReadMembers("{", "}", depth);
        if (_text[_at] == '[') return ReadItems(depth);
        int start = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] is '-' or '+' or '.')) _at++;
        _isCut = _at == _text.Length;
        if (_isCut) return false;
        string word = _text[start.._at];
        string? json = word == _notation.True || word == "true" ? "true" : word == _notation.False || word == "false" ? "false"
            : word == _notation.Null || word == "null" ? "null"
            : double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? JsonOf(word) : null;
        if (json is null) return false;
        _json.Append(json);
        return true;
    }

    private bool ReadItems(int depth)
    {
        if (!Take("[")) return false;
        _json.Append('[');
        bool hasItem = false;
        while (!Take("]"))
        {
            if (_isCut || (hasItem && !Take(","))) return false;
            if (hasItem) _json.Append(", ");
            if (!ReadValue(depth + 1)) return false;
            hasItem = true;
        }
        _json.Append(']');
        return true;
    }

    private bool IsQuote()
    {
        if (_at >= _text.Length)
        {
            _isCut = true;
            return false;
        }
        if (_notation.Quote is not { } quote) return _text[_at] is '"' or '\'';
        int length = Math.Min(quote.Length, _text.Length - _at);
        bool begins = string.CompareOrdinal(_text, _at, quote, 0, length) == 0;
        _isCut = begins && length < quote.Length;
        return begins && !_isCut;
    }

    private bool ReadText()
    {
        string quote = _notation.Quote ?? _text[_at].ToString();
        int start = _at + quote.Length, end = start;
        if (_notation.Quote is not null)
        {
            end = _text.IndexOf(quote, start, StringComparison.Ordinal);
            _isCut = end < 0;
            if (_isCut) return false;
            _json.Append(Quoted(_text[start..end]));
        }
        else
        {
            var text = new StringBuilder();
            for (; end < _text.Length && _text[end] != quote[0]; end++)
            {
                if (_text[end] != '\\' || end + 1 >= _text.Length)
                {
                    text.Append(_text[end]);
                    continue;
                }
                end++;
                text.Append(_text[end] switch
                {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\b',
                    'f' => '\f',
                    'u' when Unicode(end) is { } c => c,
                    var c => c
                });
                if (_text[end] == 'u' && Unicode(end) is not null) end += 4;
            }
            _isCut = end >= _text.Length;
            if (_isCut) return false;
            _json.Append(Quoted(text.ToString()));
        }
        _at = end + quote.Length;
        return true;
    }

    private char? Unicode(int at) =>
        at + 4 < _text.Length
            && ushort.TryParse(_text.AsSpan(at + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort value)
            ? (char)value : null;

    private bool Take(string word)
    {
        SkipSpace();
        if (_at >= _text.Length) _isCut = true;
        if (string.CompareOrdinal(_text, _at, word, 0, word.Length) != 0) return false;
        _at += word.Length;
        return true;
    }

    private void SkipSpace()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at])) _at++;
    }
}
