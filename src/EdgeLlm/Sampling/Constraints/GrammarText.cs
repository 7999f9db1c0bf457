using System.Text;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>The text of a grammar, read from its beginning: what GBNF and Lark have in common.</summary>
internal sealed class GrammarText(string text, CompileBudget budget)
{
    private const int MostRepeats = 10_000;

    private readonly string _text = text;

    public int At { get; set; }

    public bool IsAtEnd => At >= _text.Length;

    public char Current => At < _text.Length ? _text[At] : '\0';

    public char Ahead(int count) => At + count < _text.Length ? _text[At + count] : '\0';

    public bool Take(string word)
    {
        if (string.CompareOrdinal(_text, At, word, 0, word.Length) != 0) return false;
        At += word.Length;
        return true;
    }

    public string TakeWhile(Func<char, bool> belongs)
    {
        int start = At;
        while (At < _text.Length && belongs(_text[At])) At++;
        budget.Spend(4 * (At - start) + 1);
        return _text[start..At];
    }

    public int Number()
    {
        string digits = TakeWhile(char.IsAsciiDigit);
        if (digits.Length == 0) throw Wrong("a number is missing");
        return int.TryParse(digits, out int number) && number <= MostRepeats ? number : throw Wrong($"a repeat is over {MostRepeats}");
    }

    /// <summary>A text between quotes, whose first was taken.</summary>
    public string Quoted()
    {
        var content = new StringBuilder();
        while (Current != '"')
        {
            if (IsAtEnd) throw Wrong("a text has no closing quote");
            content.Append(char.ConvertFromUtf32(Character()));
        }
        At++;
        return content.ToString();
    }

    /// <summary>A class of characters, whose bracket was taken.</summary>
    public CharacterSet Class()
    {
        bool negated = Take("^");
        var ranges = new List<(int, int)>();
        while (Current != ']')
        {
            if (IsAtEnd) throw Wrong("a [ has no ]");
            int low = Character(), high = low;
            if (Current == '-' && Ahead(1) is not (']' or '\0'))
            {
                At++;
                high = Character();
                if (high < low) throw Wrong("a range's ends are the wrong way round");
            }
            ranges.Add((low, high));
        }
        At++;
        CharacterSet set = CharacterSet.Of(ranges);
        return negated ? set.Negate() : set;
    }

    public ConstraintException Wrong(string problem)
    {
        int line = 1 + _text.AsSpan(0, Math.Min(At, _text.Length)).Count('\n');
        return new ConstraintException($"grammar, line {line}: {problem}");
    }

    private int Character()
    {
        budget.Spend(1);
        if (Current != '\\')
        {
            if (!Rune.TryGetRuneAt(_text, At, out Rune rune)) throw Wrong("half of a surrogate pair");
            At += rune.Utf16SequenceLength;
            return rune.Value;
        }
        At++;
        char c = Current;
        At++;
        return c switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\f',
            'x' => Hex(2),
            'u' => Hex(4),
            'U' => Hex(8),
            '\0' => throw Wrong("it ends with a \\"),
            _ when char.IsAsciiLetterOrDigit(c) => throw Wrong($"\\{c} is not an escape"),
            _ => c,
        };
    }

    private int Hex(int digits)
    {
        if (At + digits > _text.Length
            || !uint.TryParse(_text.AsSpan(At, digits), System.Globalization.NumberStyles.AllowHexSpecifier,
                System.Globalization.CultureInfo.InvariantCulture, out uint value)
            || !Rune.IsValid(value)) throw Wrong("an escape is not a character's number");
        At += digits;
        return (int)value;
    }
}
