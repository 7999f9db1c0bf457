using System.Globalization;
using System.Text;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// Regular expressions as ECMAScript writes them (what JSON Schema's `pattern` asks for), with `(?i)` at the beginning: literals, classes,
/// escapes, groups, alternatives, repeats, anchors. Look-around, back references and word boundaries are refused: what they say is not
/// regular or needs the whole text.
/// </summary>
internal sealed class RegexParser
{
    private const int MostRepeats = 10_000;

    private readonly int[] _text; // code points
    private readonly CompileBudget _budget;
    private readonly bool _ignoresCase;
    private int _at;

    private RegexParser(string text, CompileBudget budget)
    {
        _text = [.. text.EnumerateRunes().Select(rune => rune.Value)];
        _budget = budget;
        _ignoresCase = text.StartsWith("(?i)", StringComparison.Ordinal);
        if (_ignoresCase) _at = 4;
    }

    /// <exception cref="ConstraintException">It is wrong, or has what is not supported; the message names the place.</exception>
    public static GrammarNode Parse(string text, CompileBudget budget)
    {
        budget.Spend(text.Length);
        var parser = new RegexParser(text, budget);
        GrammarNode node = parser.ParseChoice(0);
        if (parser._at < parser._text.Length) throw parser.Wrong("there is a ) without its (");
        return node;
    }

    private GrammarNode ParseChoice(int depth)
    {
        CompileBudget.CheckDepth(depth);
        var choices = new List<GrammarNode>();
        do choices.Add(ParseSequence(depth));
        while (Take('|'));
        return GrammarNode.Either(choices);
    }

    private GrammarNode ParseSequence(int depth)
    {
        var items = new List<GrammarNode>();
        while (_at < _text.Length && _text[_at] is not ('|' or ')'))
        {
            _budget.Spend(10);
            GrammarNode item = ParseAtom(depth);
            while (TryParseRepeat(out int min, out int max))
            {
                if (item is AnchorNode) throw Wrong("an anchor can't be repeated");
                item = new RepeatNode(item, min, max);
                Take('?'); // lazy or not: the set of texts is one
            }
            items.Add(item);
        }
        return GrammarNode.Join(items);
    }

    private GrammarNode ParseAtom(int depth)
    {
        int c = _text[_at++];
        switch (c)
        {
            case '(':
                if (Take('?'))
                {
                    if (Take('<') && _at < _text.Length && _text[_at] is not ('=' or '!')) SkipName();
                    else if (!Take(':')) throw Wrong("look-around and flags inside a pattern are not supported");
                }
                GrammarNode group = ParseChoice(depth + 1);
                if (!Take(')')) throw Wrong("a ( has no )");
                return group;
            case '[': return Set(ParseClass());
            case '.': return new SetNode(CharacterSet.NotLineEnd);
            case '^': return new AnchorNode(true);
            case '$': return new AnchorNode(false);
            case '\\': return Set(ParseEscape(inClass: false));
            case '*' or '+' or '?': throw Wrong($"there is nothing that {(char)c} could repeat");
            default: return Set(CharacterSet.Of(c));
        }
    }

    private SetNode Set(CharacterSet set) => new(_ignoresCase ? set.IgnoringCase() : set);

    private void SkipName()
    {
        while (_at < _text.Length && _text[_at] != '>') _at++;
        if (!Take('>')) throw Wrong("a group's name has no >");
    }

    private bool TryParseRepeat(out int min, out int max)
    {
        (min, max) = (0, RepeatNode.NoLimit);
        if (Take('*')) return true;
        if (Take('+'))
        {
            min = 1;
            return true;
        }
        if (Take('?'))
        {
            max = 1;
            return true;
        }
        int start = _at;
        if (!Take('{')) return false;
        if (TryNumber(out min))
        {
            max = min;
            if (Take(','))
            {
                if (!TryNumber(out max)) max = RepeatNode.NoLimit;
            }
            if (Take('}'))
            {
                if (max != RepeatNode.NoLimit && max < min) throw Wrong($"{{{min},{max}}} has its bounds the wrong way round");
                return true;
            }
        }
        _at = start; // not a repeat: a brace, as in ECMAScript without the flag u
        return false;
    }

    private bool TryNumber(out int number)
    {
        int start = _at;
        number = 0;
        while (_at < _text.Length && _text[_at] is >= '0' and <= '9')
        {
            number = number * 10 + _text[_at++] - '0';
            if (number > MostRepeats) throw Wrong($"a repeat is over {MostRepeats}");
        }
        return _at > start;
    }

    private CharacterSet ParseClass()
    {
        bool negated = Take('^');
        var ranges = new List<(int, int)>();
        while (true)
        {
            if (_at >= _text.Length) throw Wrong("a [ has no ]");
            if (Take(']')) break;
            CharacterSet first = ParseClassAtom();
            if (_at + 1 < _text.Length && _text[_at] == '-' && _text[_at + 1] != ']' && IsOne(first))
            {
                _at++;
                CharacterSet last = ParseClassAtom();
                if (IsOne(last))
                {
                    (int low, int high) = (first.Ranges[0].Low, last.Ranges[0].Low);
                    if (low > high) throw Wrong("a range's ends are the wrong way round");
                    ranges.Add((low, high));
                    continue;
                }
                ranges.Add(('-', '-'));
                ranges.AddRange(last.Ranges);
            }
            ranges.AddRange(first.Ranges);
        }
        CharacterSet set = CharacterSet.Of(ranges);
        if (_ignoresCase) set = set.IgnoringCase();
        return negated ? set.Negate() : set;
    }

    private CharacterSet ParseClassAtom()
    {
        int c = _text[_at++];
        return c == '\\' ? ParseEscape(inClass: true) : CharacterSet.Of(c);
    }

    private static bool IsOne(CharacterSet set) => set.Ranges is [var only] && only.Low == only.High;

    private CharacterSet ParseEscape(bool inClass)
    {
        if (_at >= _text.Length) throw Wrong("it ends with a \\");
        int c = _text[_at++];
        switch (c)
        {
            case 'd': return CharacterSet.Digits;
            case 'D': return CharacterSet.Digits.Negate();
            case 'w': return CharacterSet.Word;
            case 'W': return CharacterSet.Word.Negate();
            case 's': return CharacterSet.Space;
            case 'S': return CharacterSet.Space.Negate();
            case 'n': return One('\n');
            case 'r': return One('\r');
            case 't': return One('\t');
            case 'f': return One('\f');
            case 'v': return One('\v');
            case '0' when _at >= _text.Length || _text[_at] is not (>= '0' and <= '9'): return One('\0');
            case 'b' when inClass: return One('\b');
            case 'c' when _at < _text.Length && _text[_at] < 0x80 && char.IsAsciiLetter((char)_text[_at]): return One(_text[_at++] % 32);
            case 'x': return One(Hex(2));
            case 'u' when Take('{'):
                int start = _at;
                while (_at < _text.Length && _text[_at] != '}') _at++;
                int value = HexOf(start, _at);
                if (!Take('}')) throw Wrong("\\u{ has no }");
                return One(value);
            case 'u':
                int unit = Hex(4);
                if (char.IsHighSurrogate((char)unit) && Take('\\') && Take('u'))
                    unit = char.ConvertToUtf32((char)unit, LowSurrogate(Hex(4)));
                return One(unit);
            case 'p' or 'P': return ParseProperty(c == 'P');
            case 'b' or 'B': throw Wrong("word boundaries (\\b, \\B) are not supported");
            case >= '1' and <= '9' or 'k': throw Wrong("back references are not supported");
            default:
                if (c < 0x80 && char.IsAsciiLetterOrDigit((char)c)) throw Wrong($"\\{(char)c} is not an escape");
                return One(c);
        }

        char LowSurrogate(int second) => char.IsLowSurrogate((char)second) ? (char)second : throw Wrong("a surrogate pair is broken");
    }

    /// <summary>`\p{Lu}` and its like: general categories of the Basic Multilingual Plane and beyond, by the runtime's table.</summary>
    private CharacterSet ParseProperty(bool negated)
    {
        if (!Take('{')) throw Wrong("\\p has no {");
        int start = _at;
        while (_at < _text.Length && _text[_at] != '}') _at++;
        string name = string.Concat(_text[start.._at].Select(char.ConvertFromUtf32));
        if (!Take('}')) throw Wrong("\\p{ has no }");
        _budget.Spend(200_000);
        name = name switch
        {
            "Letter" => "L",
            "Digit" or "digit" => "Nd",
            "Number" => "N",
            "Alphabetic" => "L",
            "Punctuation" => "P",
            _ => name
        };
        var belongs = new bool[30]; // by category
        for (int category = 0; category < belongs.Length; category++)
            belongs[category] = name.Length is 1 or 2 && Code((UnicodeCategory)category).StartsWith(name, StringComparison.Ordinal);
        if (!belongs.Contains(true)) throw Wrong($"\\p{{{name}}} is not known; general categories such as L, Lu or Nd are");
        var ranges = new List<(int, int)>();
        int first = -1;
        for (int code = 0; code <= 0x110000; code++)
        {
            bool inside = code < 0x110000 && belongs[(int)CharUnicodeInfo.GetUnicodeCategory(code)];
            if (inside && first < 0) first = code;
            if (inside || first < 0) continue;
            ranges.Add((first, code - 1));
            first = -1;
        }
        CharacterSet set = CharacterSet.Of(ranges);
        return negated ? set.Negate() : set;
    }

    private static string Code(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu",
        UnicodeCategory.LowercaseLetter => "Ll",
        UnicodeCategory.TitlecaseLetter => "Lt",
        UnicodeCategory.ModifierLetter => "Lm",
        UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn",
        UnicodeCategory.SpacingCombiningMark => "Mc",
        UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd",
        UnicodeCategory.LetterNumber => "Nl",
        UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs",
        UnicodeCategory.LineSeparator => "Zl",
        UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc",
        UnicodeCategory.Format => "Cf",
        UnicodeCategory.Surrogate => "Cs",
        UnicodeCategory.PrivateUse => "Co",
        UnicodeCategory.ConnectorPunctuation => "Pc",
        UnicodeCategory.DashPunctuation => "Pd",
        UnicodeCategory.OpenPunctuation => "Ps",
        UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi",
        UnicodeCategory.FinalQuotePunctuation => "Pf",
        UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm",
        UnicodeCategory.CurrencySymbol => "Sc",
        UnicodeCategory.ModifierSymbol => "Sk",
        UnicodeCategory.OtherSymbol => "So",
        _ => "Cn",
    };

    private static CharacterSet One(int c) => CharacterSet.Of(c);

    private int Hex(int digits)
    {
        if (_at + digits > _text.Length) throw Wrong("an escape is too short");
        _at += digits;
        return HexOf(_at - digits, _at);
    }

    private int HexOf(int start, int end)
    {
        int value = 0;
        for (int i = start; i < end; i++)
        {
            int digit = _text[i] < 0x80 && char.IsAsciiHexDigit((char)_text[i]) ? Convert.ToInt32(((char)_text[i]).ToString(), 16)
                : throw Wrong("an escape has a character that is not a hexadecimal digit");
            value = value * 16 + digit;
            if (value > 0x10FFFF) throw Wrong("an escape is over \\u{10FFFF}");
        }
        return end > start ? value : throw Wrong("an escape is empty");
    }

    private bool Take(int c)
    {
        if (_at >= _text.Length || _text[_at] != c) return false;
        _at++;
        return true;
    }

    private ConstraintException Wrong(string problem)
    {
        var text = new StringBuilder();
        foreach (int c in _text.Take(60)) text.Append(c is >= 0xD800 and <= 0xDFFF ? "?" : char.ConvertFromUtf32(c));
        return new ConstraintException($"pattern '{text}', character {_at}: {problem}");
    }
}
