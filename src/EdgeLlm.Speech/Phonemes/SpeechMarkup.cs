using System.Globalization;
using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>A part of a text that is spoken at one rate, and the silence after it.</summary>
/// <param name="Text">Plain text; empty where there is silence only.</param>
/// <param name="Rate">0.5 to 2.</param>
/// <param name="Break">Seconds of silence after it; null: as the text asks for.</param>
internal readonly record struct MarkupPart(string Text, double Rate, double? Break);

/// <summary>
/// Reads SSML (Speech Synthesis Markup Language 1.1): `break`, `prosody` with a rate, `say-as`, `sub`, `p`, `s`; other elements by their
/// text. A document type and entities of its own are refused.
/// </summary>
internal sealed class SpeechMarkup
{
    public const double MostBreak = 5, MostBreaks = 30, LeastRate = 0.5, MostRate = 2;
    private const int MostDepth = 8;

    private readonly string _text;
    private readonly List<MarkupPart> _parts = [];
    private readonly StringBuilder _part = new();
    private readonly Stack<(string Name, double Rate, string? SayAs, int Start)> _open = new();
    private int _position;
    private double _breaks;

    private SpeechMarkup(string text) => _text = text;

    private double Rate => _open.Count == 0 ? 1 : _open.Peek().Rate;

    /// <summary>Whether a text is SSML: it begins with `&lt;speak`.</summary>
    public static bool Is(string text)
    {
        ReadOnlySpan<char> start = text.AsSpan().TrimStart();
        return start.StartsWith("<speak") && start.Length > 6 && (char.IsWhiteSpace(start[6]) || start[6] is '>' or '/');
    }

    /// <summary>The parts of a document.</summary>
    /// <exception cref="PhonemeException">It is not well formed, or asks for more than it may.</exception>
    public static IReadOnlyList<MarkupPart> Read(string text)
    {
        var markup = new SpeechMarkup(text.Trim());
        markup.Read();
        return markup._parts;
    }

    private void Read()
    {
        bool ended = false;
        while (_position < _text.Length)
        {
            if (ended && !char.IsWhiteSpace(_text[_position])) throw Error("has text after </speak>");
            if (_text[_position] == '<')
            {
                ReadMark();
                ended = _open.Count == 0;
            }
            else
            {
                _part.Append(_text[_position] == '&' ? ReadEntity() : _text[_position++]);
            }
        }
        if (!ended) throw Error($"<{_open.Peek().Name}> is not closed");
        EndPart(null);
    }

    private void ReadMark()
    {
        if (Skips("<!--", "-->") || Skips("<?", "?>")) return;
        if (At("<![CDATA["))
        {
            int end = _text.IndexOf("]]>", _position, StringComparison.Ordinal);
            if (end < 0) throw Error("<![CDATA[ is not closed");
            _part.Append(_text, _position + 9, end - _position - 9);
            _position = end + 3;
            return;
        }
        if (At("<!")) throw Error("a document type is not allowed");
        if (At("</"))
        {
            _position += 2;
            string closed = ReadName();
            SkipSpace();
            if (_position >= _text.Length || _text[_position++] != '>') throw Error($"</{closed} is not closed");
            if (_open.Count == 0 || _open.Peek().Name != closed) throw Error($"</{closed}> closes nothing");
            Close();
            return;
        }
        _position++;
        string name = ReadName();
        Dictionary<string, string> attributes = ReadAttributes(name, out bool isEmpty);
        if (_open.Count == 0 && name != "speak") throw Error($"begins with <{name}>, not <speak>");
        Open(name, attributes);
        if (isEmpty) Close();
    }

    private void Open(string name, Dictionary<string, string> attributes)
    {
        if (_open.Count >= MostDepth) throw Error($"has elements more than {MostDepth} deep");
        double rate = Rate;
        string? sayAs = null;
        switch (name)
        {
            case "break":
                EndPart(BreakSeconds(attributes));
                break;
            case "prosody" when attributes.GetValueOrDefault("rate") is { } wanted:
                EndPart(null);
                rate = Math.Clamp(rate * RateOf(wanted), LeastRate, MostRate);
                break;
            case "say-as":
                sayAs = attributes.GetValueOrDefault("interpret-as") ?? throw Error("<say-as> has no interpret-as");
                break;
            case "sub":
                _part.Append(attributes.GetValueOrDefault("alias") ?? throw Error("<sub> has no alias"));
                sayAs = "sub";
                break;
            case "p":
                _part.Append("\n\n");
                break;
            case "s" when _part.Length > 0 && _part[^1] != '\n':
                _part.Append('\n');
                break;
        }
        _open.Push((name, rate, sayAs, _part.Length));
    }

    private void Close()
    {
        (string name, double rate, string? sayAs, int start) = _open.Peek();
        if (sayAs is not null)
        {
            string inside = start <= _part.Length ? _part.ToString(start, _part.Length - start) : "";
            _part.Length = Math.Min(start, _part.Length);
            _part.Append(SayAs(sayAs, inside));
        }
        double outer = _open.Count > 1 ? _open.Skip(1).First().Rate : 1;
        if (rate != outer) EndPart(null);
        _open.Pop();
        if (name == "p") _part.Append("\n\n");
        if (name == "s") _part.Append('\n');
    }

    /// <summary>Ends the part at hand; its silence, where the document asks for some.</summary>
    private void EndPart(double? seconds)
    {
        if (seconds is { } length && (_breaks += length) > MostBreaks) throw Error($"asks for more than {MostBreaks} s of breaks");
        if (!string.IsNullOrWhiteSpace(_part.ToString()) || seconds is not null)
            _parts.Add(new MarkupPart(_part.ToString(), Rate, seconds));
        _part.Clear();
    }

    private static string SayAs(string kind, string text) => kind switch
    {
        "sub" => "",
        "characters" or "spell-out" or "verbatim" => Characters(text),
        "digits" or "telephone" =>
            string.Join(", ", text.Split((char[])[' ', '-', '.', '(', ')', '/'],
                StringSplitOptions.RemoveEmptyEntries).Select(static group => string.Join(' ', group.AsEnumerable()))),
        "ordinal" when IsNumber(text) => NumberWords.Ordinal(NumberWords.Cardinal(text.AsSpan().Trim())),
        "cardinal" or "number" when IsNumber(text) => NumberWords.Cardinal(text.AsSpan().Trim()),
        _ => text,
    };

    private static bool IsNumber(string text) =>
        text.Trim() is { Length: > 0 and <= NumberWords.MostDigits } digits && digits.All(char.IsAsciiDigit);

    /// <summary>Letters as an abbreviation, digits one by one.</summary>
    private static string Characters(string text)
    {
        var spelled = new StringBuilder();
        bool afterLetter = false;
        foreach (char c in text)
        {
            if (char.IsWhiteSpace(c)) continue;
            if (char.IsLetter(c)) spelled.Append(afterLetter ? "." : spelled.Length == 0 ? "" : " ").Append(char.ToUpperInvariant(c));
            else spelled.Append(spelled.Length == 0 ? "" : " ").Append(c);
            afterLetter = char.IsLetter(c);
        }
        return spelled.ToString();
    }

    private double BreakSeconds(Dictionary<string, string> attributes)
    {
        if (attributes.GetValueOrDefault("time") is not { } time)
        {
            return attributes.GetValueOrDefault("strength") switch
            {
                "none" => 0,
                "x-weak" => 0.1,
                "weak" => 0.2,
                "strong" => 0.7,
                "x-strong" => 1,
                _ => 0.4
            };
        }
        string digits = time.EndsWith("ms", StringComparison.Ordinal) ? time[..^2] : time.EndsWith('s') ? time[..^1] : "";
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number))
            throw Error($"a break's time is '{Printable.Line(time, 40)}', not such as 500ms or 1.5s");
        double seconds = time.EndsWith("ms", StringComparison.Ordinal) ? number / 1000 : number;
        return seconds <= MostBreak ? seconds
            : throw Error($"a break is {Printable.Line(time, 40)} long; at most {MostBreak} s are allowed");
    }

    private double RateOf(string rate)
    {
        double? named =
            rate switch { "x-slow" => 0.5, "slow" => 0.75, "medium" or "default" => 1, "fast" => 1.25, "x-fast" => 1.75, _ => null };
        if (named is { } known) return known;
        bool percent = rate.EndsWith('%');
        string digits = percent ? rate[..^1] : rate;
        bool isChange = percent && digits.Length > 0 && digits[0] is '+' or '-'; // +20%: a fifth faster
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture, out double number))
            throw Error($"the rate is '{Printable.Line(rate, 40)}', not such as 80%, 1.2 or slow");
        double factor = isChange ? 1 + number / 100 : percent ? number / 100 : number;
        return factor is >= LeastRate and <= MostRate ? factor
            : throw Error($"the rate is {Printable.Line(rate, 40)}; {LeastRate} to {MostRate} are allowed");
    }

    private string ReadName()
    {
        int start = _position;
        while (_position < _text.Length && (char.IsLetterOrDigit(_text[_position]) || _text[_position] is '-' or '_' or ':' or '.'))
            _position++;
        if (_position == start) throw Error("has a < that begins no element (write &lt;)");
        if (_position - start > 100) throw Error("has a name of more than 100 characters");
        return _text[start.._position];
    }

    private Dictionary<string, string> ReadAttributes(string element, out bool isEmpty)
    {
        var attributes = new Dictionary<string, string>();
        while (true)
        {
            SkipSpace();
            if (_position >= _text.Length) throw Error($"<{element} is not closed");
            isEmpty = At("/>");
            if (isEmpty || _text[_position] == '>')
            {
                _position += isEmpty ? 2 : 1;
                return attributes;
            }
            string name = ReadName();
            SkipSpace();
            if (_position >= _text.Length || _text[_position] != '=') throw Error($"{name} of <{element}> has no value");
            _position++;
            SkipSpace();
            char quote = _position < _text.Length ? _text[_position] : ' ';
            if (quote is not ('"' or '\'')) throw Error($"the value of {name} is not in quotes");
            _position++;
            var value = new StringBuilder();
            while (_position < _text.Length && _text[_position] != quote)
            {
                if (_text[_position] == '<') throw Error($"the value of {name} has a <");
                value.Append(_text[_position] == '&' ? ReadEntity() : _text[_position++]);
            }
            if (_position++ >= _text.Length) throw Error($"the value of {name} is not closed");
            if (!attributes.TryAdd(name, value.ToString())) throw Error($"<{element}> has {name} twice");
        }
    }

    private char ReadEntity()
    {
        foreach ((string entity, char character) in (ReadOnlySpan<(string, char)>)[("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'),
            ("&quot;", '"'), ("&apos;", '\'')])
        {
            if (!At(entity)) continue;
            _position += entity.Length;
            return character;
        }
        throw Error("has a & that is none of &amp; &lt; &gt; &quot; &apos;");
    }

    private bool Skips(string start, string end)
    {
        if (!At(start)) return false;
        int found = _text.IndexOf(end, _position + start.Length, StringComparison.Ordinal);
        if (found < 0) throw Error($"{start} is not closed");
        _position = found + end.Length;
        return true;
    }

    private bool At(string mark) => string.CompareOrdinal(_text, _position, mark, 0, mark.Length) == 0;

    private void SkipSpace()
    {
        while (_position < _text.Length && char.IsWhiteSpace(_text[_position])) _position++;
    }

    private PhonemeException Error(string problem) => new($"SSML, character {Math.Min(_position, _text.Length) + 1}: {problem}");
}
