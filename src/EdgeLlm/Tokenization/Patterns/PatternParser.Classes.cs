using System.Globalization;
using System.Text;

namespace EdgeLlm.Tokenization.Patterns;

internal sealed partial class PatternParser
{
    private const int MostOfEitherCase = 1 << 12;
    private const int MostComputed = 32; // each looks at all code points

    // llama.cpp's notion of \p{Han}: the ideographs, not the whole script.
    private static readonly (int, int)[] Ideographs =
    [
        (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
        (0x2B820, 0x2CEAF), (0x2CEB0, 0x2EBEF), (0x2F800, 0x2FA1F),
    ];

    // Scripts.txt, Han.
    private static readonly (int, int)[] HanScript =
    [
        (0x2E80, 0x2E99), (0x2E9B, 0x2EF3), (0x2F00, 0x2FD5), (0x3005, 0x3005), (0x3007, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B),
        (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
        (0xF900, 0xFA6D), (0xFA70, 0xFAD9), (0x16FE2, 0x16FE3), (0x16FF0, 0x16FF1), (0x20000, 0x2A6DF), (0x2A700, 0x2B739),
        (0x2B740, 0x2B81D), (0x2B820, 0x2CEA1),
        (0x2CEB0, 0x2EBE0), (0x2EBF0, 0x2EE5D), (0x2F800, 0x2FA1D), (0x30000, 0x3134A), (0x31350, 0x323AF),
    ];

    // Letters of one case pair that are not found by turning another into capitals or small letters.
    private static readonly (int Letter, int Other)[] FurtherCases =
        [('s', 0x17F), ('k', 0x212A), (0xE5, 0x212B), (0x3C9, 0x2126), (0x3B8, 0x3F4), (0xDF, 0x1E9E), (0x3C3, 0x3C2)];

    private int _computed;

    private CodePointClass ParseClass()
    {
        if (TryTake(".")) return new CodePointClass(0, false, [('\n', '\n')], negated: true);
        if (TryTake("[")) return ParseBracket();
        if (!AtEnd && "*+?{}[]()|^$".Contains(expression[_position])) throw Unsupported();
        ClassParts parts = new();
        ParseItem(parts, isBracketed: false);
        return ToClass(parts, negated: false);
    }

    /// <summary>
    /// Parses the rest of a class after <c>[</c>: ranges, classes, other brackets, and their intersections by <c>&amp;&amp;</c>.
    /// </summary>
    private CodePointClass ParseBracket()
    {
        if (++_depth > MostDepth) throw Unsupported();
        bool negated = TryTake("^");
        ClassParts parts = new();
        CodePointClass? left = null;
        bool isEmpty = true;
        while (isEmpty || !TryTake("]"))
        {
            isEmpty = false;
            if (TryTake("[:")) throw Unsupported();
            if (TryTake("["))
            {
                parts.Others.Add(ParseBracket());
            }
            else if (TryTake("&&"))
            {
                left = Both(left, ToClass(parts, negated: false));
                parts = new ClassParts();
            }
            else
            {
                ParseItem(parts, isBracketed: true);
            }
        }
        _depth--;
        if (left is null) return ToClass(parts, negated);
        CodePointClass both = Both(left, ToClass(parts, negated: false));
        return negated ? Where(codePoint => !both.Contains(codePoint)) : both;

        CodePointClass Both(CodePointClass? one, CodePointClass other) =>
            one is null ? other : Where(codePoint => one.Contains(codePoint) && other.Contains(codePoint));
    }

    private void ParseItem(ClassParts parts, bool isBracketed)
    {
        if (TryTake("\\s")) parts.WhiteSpace = true;
        else if (TryTake("\\S")) parts.Others.Add(new CodePointClass(0, whiteSpace: true, [], negated: true));
        else if (TryTake("\\d")) parts.Categories |= CategoryBits("Nd");
        else if (TryTake("\\D")) parts.Others.Add(new CodePointClass(CategoryBits("Nd"), false, [], negated: true));
        else if (TryTake("\\w")) parts.Others.Add(WordCharacters(negated: false));
        else if (TryTake("\\W")) parts.Others.Add(WordCharacters(negated: true));
        else if (TryTake("\\p{^") || TryTake("\\P{")) parts.Others.Add(ParseProperty(negated: true));
        else if (TryTake("\\p{")) AddProperty(parts);
        else AddRange(parts, isBracketed);
    }

    private void AddRange(ClassParts parts, bool isBracketed)
    {
        int first = ParseCodePoint(), last = first;
        bool isRange = isBracketed && _position + 1 < expression.Length && expression[_position] == '-' && expression[_position + 1] != ']';
        if (isRange)
        {
            _position++;
            last = ParseCodePoint();
            if (last < first) throw Unsupported();
        }
        parts.Ranges.Add((first, last));
        if (!_ignoresCase) return;
        if (last - first > MostOfEitherCase) throw Unsupported();
        for (int letter = first; letter <= last; letter++) AddOtherCases(parts, letter);
    }

    private static void AddOtherCases(ClassParts parts, int letter)
    {
        if (!Rune.TryCreate(letter, out Rune rune)) return;
        int small = Rune.ToLowerInvariant(rune).Value, capital = Rune.ToUpperInvariant(rune).Value;
        foreach ((int one, int other) in FurtherCases)
        {
            if (other == letter) (small, capital) = (one, Rune.ToUpperInvariant(new Rune(one)).Value);
            if (one == small) parts.Ranges.Add((other, other));
        }
        parts.Ranges.Add((small, small));
        parts.Ranges.Add((capital, capital));
    }

    private int ParseCodePoint()
    {
        if (TryTake("\\r")) return '\r';
        if (TryTake("\\n")) return '\n';
        if (TryTake("\\t")) return '\t';
        if (TryTake("\\f")) return '\f';
        if (TryTake("\\v")) return '\v';
        if (TryTake("\\x{")) return ParseHexadecimal(expression.IndexOf('}', _position) - _position, skipped: 1);
        if (TryTake("\\x")) return ParseHexadecimal(2, skipped: 0);
        if (TryTake("\\u")) return ParseHexadecimal(4, skipped: 0);
        if (TryTake("\\") && !AtEnd && char.IsAsciiLetterOrDigit(expression[_position])) throw Unsupported();
        if (AtEnd || !Rune.TryGetRuneAt(expression, _position, out Rune rune)) throw Unsupported();
        _position += rune.Utf16SequenceLength;
        return rune.Value;
    }

    private int ParseHexadecimal(int length, int skipped)
    {
        if (length is < 1 or > 8 || _position + length > expression.Length
            || !int.TryParse(expression.AsSpan(_position, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                out int codePoint) || (uint)codePoint > 0x10FFFF)
            throw Unsupported();
        _position += length + skipped;
        return codePoint;
    }

    private void AddProperty(ClassParts parts)
    {
        if (TryTake("Han}")) parts.Ranges.AddRange(dialect == Dialect.Oniguruma ? HanScript : Ideographs);
        else parts.Categories |= ParseCategory();
    }

    private CodePointClass ParseProperty(bool negated)
    {
        ClassParts parts = new();
        AddProperty(parts);
        return ToClass(parts, negated);
    }

    private CodePointClass Where(Predicate<int> condition) =>
        ++_computed <= MostComputed ? CodePointClass.Where(condition) : throw Unsupported();

    private CodePointClass ToClass(ClassParts parts, bool negated)
    {
        CodePointClass plain = new(parts.Categories, parts.WhiteSpace, parts.Ranges, negated: false);
        bool hasPlain = parts.Categories != 0 || parts.WhiteSpace || parts.Ranges.Count > 0;
        if (parts.Others.Count == 0) return negated ? new CodePointClass(parts.Categories, parts.WhiteSpace, parts.Ranges, negated) : plain;
        if (parts.Others.Count == 1 && !hasPlain && !negated) return parts.Others[0];
        return Where(codePoint => (plain.Contains(codePoint) || parts.Others.Exists(other => other.Contains(codePoint))) != negated);
    }

    private uint ParseCategory()
    {
        int end = expression.IndexOf('}', _position);
        uint bits = end < 0 ? 0 : CategoryBits(expression[_position..end]);
        if (bits == 0) throw Unsupported();
        _position = end + 1;
        return bits;
    }

    /// <summary>
    /// Letters, marks, decimal digits, numbers that are letters, what joins words, and circled letters: Unicode's "word".
    /// </summary>
    private static CodePointClass WordCharacters(bool negated) =>
        new(CategoryBits("L") | CategoryBits("M") | CategoryBits("Nd") | CategoryBits("Nl") | CategoryBits("Pc"), false,
            [(0x24B6, 0x24E9)], negated);

    /// <summary>The categories whose two-letter name starts with <paramref name="prefix"/>, as bits.</summary>
    private static uint CategoryBits(string prefix)
    {
        const string InOrderOfUnicodeCategory = "LuLlLtLmLoMnMcMeNdNlNoZsZlZpCcCfCsCoPcPdPsPePiPfPoSmScSkSoCn";
        uint bits = 0;
        for (int i = 0; prefix.Length is 1 or 2 && i < InOrderOfUnicodeCategory.Length / 2; i++)
        {
            if (InOrderOfUnicodeCategory.AsSpan(2 * i, 2).StartsWith(prefix, StringComparison.Ordinal)) bits |= 1u << i;
        }
        return bits;
    }

    /// <summary>Parts of a class.</summary>
    private sealed class ClassParts
    {
        public uint Categories { get; set; }

        public bool WhiteSpace { get; set; }

        public List<(int, int)> Ranges { get; } = [];

        /// <summary>Classes that can't be said in the others' terms: negated ones, and brackets in brackets.</summary>
        public List<CodePointClass> Others { get; } = [];
    }
}
