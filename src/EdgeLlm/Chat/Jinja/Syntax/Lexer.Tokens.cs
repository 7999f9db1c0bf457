using System.Globalization;
using System.Numerics;
using System.Text;
using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Syntax;

internal sealed partial class Lexer
{
    // Python reads no longer integers from text.
    private const int MaximumIntegerDigits = 4_300;

    private void ReadToken()
    {
        char first = _source[_at];
        if (char.IsAsciiDigit(first)) ReadNumber();
        else if (IsNamePart(_at)) ReadName();
        else if (first is '\'' or '"') ReadString(first);
        else ReadOperator();
    }

    private void ReadName()
    {
        int end = _at;
        while (end < _source.Length && IsNamePart(end)) end += UnitsAt(end);
        string name = _source[_at..end];
        if (!TextClasses.IsIdentifier(name)) throw new ChatTemplateException("Invalid character in identifier", _line);
        _tokens.Add(new Token(TokenKind.Name, _line, name));
        _at = end;
    }

    private void ReadOperator()
    {
        foreach (string symbol in Operators)
        {
            if (string.CompareOrdinal(_source, _at, symbol, 0, symbol.Length) != 0) continue;
            Balance(symbol[0]);
            _tokens.Add(new Token(TokenKind.Operator, _line, symbol));
            _at += symbol.Length;
            return;
        }
        throw new ChatTemplateException($"unexpected char '{_source[_at]}'", _line);
    }

    /// <summary>Keeps account of brackets, inside which the marks that end a tag are operators.</summary>
    private void Balance(char symbol)
    {
        char close = symbol switch { '(' => ')', '[' => ']', '{' => '}', _ => '\0' };
        if (close != '\0') _open.Push(close);
        if (symbol is not (')' or ']' or '}')) return;
        if (!_open.TryPop(out char expected)) throw new ChatTemplateException($"unexpected '{symbol}'", _line);
        if (expected != symbol) throw new ChatTemplateException($"unexpected '{symbol}', expected '{expected}'", _line);
    }

    private void ReadNumber()
    {
        int end = DigitsEnd(_at);
        int radix = CharAt(_at) != '0' ? 10 : char.ToLowerInvariant(CharAt(_at + 1)) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 10 };
        bool isAfterDot = _at > 0 && _source[_at - 1] == '.';
        int fraction = CharAt(end) == '.' && char.IsAsciiDigit(CharAt(end + 1)) ? DigitsEnd(end + 1) : end;
        int exponent = fraction;
        if (CharAt(fraction) is 'e' or 'E')
        {
            int digits = CharAt(fraction + 1) is '+' or '-' ? fraction + 2 : fraction + 1;
            if (char.IsAsciiDigit(CharAt(digits))) exponent = DigitsEnd(digits);
        }
        bool isFloat = exponent > end && !isAfterDot && radix == 10;
        if (isFloat) end = exponent;
        else if (radix != 10) end = RadixEnd(_at + 2, radix);
        else if (CharAt(_at) == '0') end = ZerosEnd(_at);
        string text = _source[_at..end].Replace("_", "");
        if (text.Length > MaximumIntegerDigits) throw new ChatTemplateException("number too long", _line);
        Value value = isFloat ? new FloatValue(double.Parse(text, CultureInfo.InvariantCulture)) : Integer(text);
        _tokens.Add(new Token(TokenKind.Literal, _line, text, value));
        _at = end;
    }

    private static Value Integer(string text)
    {
        RadixText.TryParse(text, 0, out BigInteger value);
        return value <= int.MaxValue ? IntegerValue.Of((int)value) : new IntegerValue(value);
    }

    private int DigitsEnd(int at)
    {
        while (char.IsAsciiDigit(CharAt(at)) || (CharAt(at) == '_' && char.IsAsciiDigit(CharAt(at + 1)))) at++;
        return at;
    }

    /// <summary>A decimal that begins with 0 has only zeros.</summary>
    private int ZerosEnd(int at)
    {
        while (CharAt(at) == '0' || (CharAt(at) == '_' && CharAt(at + 1) == '0')) at++;
        return at;
    }

    private int RadixEnd(int start, int radix)
    {
        int at = start;
        while (IsDigit(CharAt(at)) || (CharAt(at) == '_' && IsDigit(CharAt(at + 1)))) at++;
        return at == start ? start - 1 : at;

        bool IsDigit(char digit) => char.IsAsciiHexDigit(digit) && Convert.ToInt32(digit.ToString(), 16) < radix;
    }

    private void ReadString(char quote)
    {
        int line = _line;
        int end = _at + 1;
        while (CharAt(end) != quote || end >= _source.Length)
        {
            if (end >= _source.Length) throw new ChatTemplateException($"unexpected char '{quote}'", _line);
            end += _source[end] == '\\' ? 2 : 1;
        }
        string text = Unescape(_source.AsSpan(_at + 1, end - _at - 1));
        AdvanceTo(end + 1);
        _tokens.Add(new Token(TokenKind.String, line, text));
    }

    /// <summary>Replaces the escapes of Python's string literals; a backslash before anything else stays.</summary>
    private string Unescape(ReadOnlySpan<char> literal)
    {
        if (!literal.Contains('\\')) return literal.ToString();
        StringBuilder text = new();
        for (int i = 0; i < literal.Length; i++)
        {
            if (literal[i] != '\\')
            {
                text.Append(literal[i]);
                continue;
            }
            char escape = literal[++i];
            switch (escape)
            {
                case '\n': break;
                case '\\' or '\'' or '"': text.Append(escape); break;
                case 'a': text.Append('\a'); break;
                case 'b': text.Append('\b'); break;
                case 'f': text.Append('\f'); break;
                case 'n': text.Append('\n'); break;
                case 'r': text.Append('\r'); break;
                case 't': text.Append('\t'); break;
                case 'v': text.Append('\v'); break;
                case 'x': AppendPoint(text, literal, ref i, 2); break;
                case 'u': AppendPoint(text, literal, ref i, 4); break;
                case 'U': AppendPoint(text, literal, ref i, 8); break;
                case 'N': throw new ChatTemplateException("the escape \\N is not supported", _line);
                case >= '0' and <= '7': AppendOctal(text, literal, ref i); break;
                default: text.Append('\\').Append(escape); break;
            }
        }
        return text.ToString();
    }

    private void AppendPoint(StringBuilder text, ReadOnlySpan<char> literal, ref int at, int digits)
    {
        int point = -1;
        bool isNumber = at + digits < literal.Length
            && int.TryParse(literal.Slice(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out point);
        if (!isNumber || point is < 0 or > 0x10ffff) throw new ChatTemplateException($"truncated \\{literal[at]} escape", _line);
        text.Append(point <= 0xffff ? ((char)point).ToString() : char.ConvertFromUtf32(point));
        at += digits;
    }

    private static void AppendOctal(StringBuilder text, ReadOnlySpan<char> literal, ref int at)
    {
        int value = 0, end = Math.Min(at + 3, literal.Length);
        while (at < end && literal[at] is >= '0' and <= '7') value = value * 8 + literal[at++] - '0';
        at--;
        text.Append((char)value);
    }

    private bool IsNamePart(int at)
    {
        if (char.IsAscii(_source[at])) return char.IsAsciiLetterOrDigit(_source[at]) || _source[at] == '_';
        return TextClasses.IsIdentifier("_" + _source.Substring(at, UnitsAt(at)));
    }

    private int UnitsAt(int at) => char.IsSurrogatePair(_source, at) ? 2 : 1;
}
