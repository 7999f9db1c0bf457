using System.Globalization;
using System.Text;

namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// Reads an expression: characters, <c>[classes]</c> with ranges, <c>\s \S \d \p{..}</c>, <c>(groups)</c>, <c>|</c>, the quantifiers
/// <c>? * + {n} {n,m}</c>, <c>$</c>, and look-ahead at one character.
/// </summary>
internal sealed class PatternParser(string expression)
{
    // llama.cpp's notion of \p{Han}: the ideographs, not the whole script.
    private static readonly (int, int)[] Han =
    [
        (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
        (0x2B820, 0x2CEAF), (0x2CEB0, 0x2EBEF), (0x2F800, 0x2FA1F),
    ];

    private int _position;
    private int _unboundedRuns;

    private bool AtEnd => _position == expression.Length;

    public Pattern Parse()
    {
        PatternNode root = ParseAlternation().First;
        return AtEnd ? new Pattern(root, _unboundedRuns) : throw Unsupported();
    }

    /// <summary>Reads an expression that is one class.</summary>
    public CodePointClass ParseOnlyClass()
    {
        CodePointClass set = ParseClass();
        return AtEnd ? set : throw Unsupported();
    }

    private (PatternNode First, PatternNode Last) ParseAlternation()
    {
        List<(PatternNode First, PatternNode Last)> branches = [ParseSequence()];
        while (TryTake("|")) branches.Add(ParseSequence());
        if (branches.Count == 1) return branches[0];
        Alternation alternation = new([.. branches.Select(branch => branch.First)], [.. branches.Select(branch => branch.Last)]);
        return (alternation, alternation);
    }

    private (PatternNode First, PatternNode Last) ParseSequence()
    {
        List<PatternNode> nodes = [];
        List<PatternNode> ends = [];
        while (!AtEnd && expression[_position] is not ('|' or ')'))
        {
            (PatternNode first, PatternNode last) = ParseQuantified();
            if (nodes is [.., Lookahead lookahead] && first is ClassRun { Single: { } set } && lookahead.Fold(set) is { } folded)
            {
                first = last = NewRun(folded, 1, 1);
                nodes.RemoveAt(nodes.Count - 1);
                ends.RemoveAt(ends.Count - 1);
            }
            nodes.Add(first);
            ends.Add(last);
        }
        if (nodes.Count == 0) throw Unsupported();
        for (int i = 1; i < nodes.Count; i++) ends[i - 1].ContinueWith(nodes[i]);
        return (nodes[0], ends[^1]);
    }

    private (PatternNode First, PatternNode Last) ParseQuantified()
    {
        if (TryTake("$"))
        {
            Lookahead atEnd = new(new CodePointClass(0, false, [], negated: true), negative: true);
            return (atEnd, atEnd);
        }
        if (TryTake("(?=") || TryTake("(?!"))
        {
            Lookahead lookahead = new(ParseLookaheadClass(out bool negative), negative);
            return (lookahead, lookahead);
        }
        PatternNode node;
        if (TryTake("(?:") || TryTake("("))
        {
            (PatternNode first, PatternNode last) = ParseAlternation();
            Take(")");
            CodePointClass? single = first == last ? (first as ClassRun)?.Single : null;
            (int minimum, int maximum) = ParseQuantifier();
            if ((minimum, maximum) == (1, 1)) return (first, last);
            node = single is null ? new GroupLoop(first, minimum, maximum) : NewRun(single, minimum, maximum);
        }
        else
        {
            CodePointClass set = ParseClass();
            (int minimum, int maximum) = ParseQuantifier();
            node = NewRun(set, minimum, maximum);
        }
        return (node, node);
    }

    private ClassRun NewRun(CodePointClass set, int minimum, int maximum) =>
        new(set, minimum, maximum, maximum == int.MaxValue ? _unboundedRuns++ : -1);

    private CodePointClass ParseLookaheadClass(out bool negative)
    {
        negative = expression[_position - 1] == '!';
        CodePointClass set = ParseClass();
        Take(")");
        return set;
    }

    private (int Minimum, int Maximum) ParseQuantifier()
    {
        if (TryTake("?")) return (0, 1);
        if (TryTake("*")) return (0, int.MaxValue);
        if (TryTake("+")) return (1, int.MaxValue);
        if (!TryTake("{")) return (1, 1);
        int minimum = ParseNumber();
        int maximum = TryTake(",") ? ParseNumber() : minimum;
        Take("}");
        return (minimum, maximum);
    }

    private int ParseNumber()
    {
        int start = _position;
        while (!AtEnd && char.IsAsciiDigit(expression[_position])) _position++;
        return int.TryParse(expression.AsSpan(start, _position - start), CultureInfo.InvariantCulture, out int number)
            ? number
            : throw Unsupported();
    }

    private CodePointClass ParseClass()
    {
        if (TryTake("\\S")) return new CodePointClass(0, whiteSpace: true, [], negated: true);
        bool bracketed = TryTake("["), negated = bracketed && TryTake("^");
        if (!bracketed && !AtEnd && "*+?{}[]().|^".Contains(expression[_position])) throw Unsupported();

        uint categories = 0;
        bool whiteSpace = false;
        List<(int, int)> ranges = [];
        do
        {
            if (TryTake("\\s")) whiteSpace = true;
            else if (TryTake("\\d")) categories |= CategoryBits("Nd");
            else if (TryTake("\\p{Han}")) ranges.AddRange(Han);
            else if (TryTake("\\p{")) categories |= ParseCategory();
            else ranges.Add(ParseRange(bracketed));
        }
        while (bracketed && !TryTake("]"));
        return new CodePointClass(categories, whiteSpace, ranges, negated);
    }

    private (int First, int Last) ParseRange(bool bracketed)
    {
        int first = ParseCodePoint();
        bool isRange = bracketed && _position + 1 < expression.Length && expression[_position] == '-' && expression[_position + 1] != ']';
        if (!isRange) return (first, first);
        _position++;
        return (first, ParseCodePoint());
    }

    private int ParseCodePoint()
    {
        if (TryTake("\\r")) return '\r';
        if (TryTake("\\n")) return '\n';
        if (TryTake("\\t")) return '\t';
        if (TryTake("\\") && !AtEnd && char.IsAsciiLetterOrDigit(expression[_position])) throw Unsupported();
        if (AtEnd) throw Unsupported();
        Rune rune = Rune.GetRuneAt(expression, _position);
        _position += rune.Utf16SequenceLength;
        return rune.Value;
    }

    private uint ParseCategory()
    {
        int end = expression.IndexOf('}', _position);
        uint bits = end < 0 ? 0 : CategoryBits(expression[_position..end]);
        if (bits == 0) throw Unsupported();
        _position = end + 1;
        return bits;
    }

    /// <summary>The categories whose two-letter name starts with <paramref name="prefix"/>, as bits.</summary>
    private static uint CategoryBits(string prefix)
    {
        const string InOrderOfUnicodeCategory = "LuLlLtLmLoMnMcMeNdNlNoZsZlZpCcCfCsCoPcPdPsPePiPfPoSmScSkSoCn";
        uint bits = 0;
        for (int i = 0; i < InOrderOfUnicodeCategory.Length / 2; i++)
        {
            if (InOrderOfUnicodeCategory.AsSpan(2 * i, 2).StartsWith(prefix, StringComparison.Ordinal)) bits |= 1u << i;
        }
        return bits;
    }

    private bool TryTake(string text)
    {
        if (!expression.AsSpan(_position).StartsWith(text, StringComparison.Ordinal)) return false;
        _position += text.Length;
        return true;
    }

    private void Take(string text)
    {
        if (!TryTake(text)) throw Unsupported();
    }

    private NotSupportedException Unsupported() => new($"at {_position} in the expression {expression}");
}
