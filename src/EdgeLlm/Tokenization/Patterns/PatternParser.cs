namespace EdgeLlm.Tokenization.Patterns;

/// <summary>Whose expressions are read: what some signs mean differs.</summary>
internal enum Dialect
{
    /// <summary>Those that GGUF's names of pre-tokenizers stand for, as llama.cpp has them.</summary>
    LlamaCpp,

    /// <summary>Those of a tokenizer.json, which Hugging Face's tokenizers give to Oniguruma with Ruby's syntax (its doc/RE).</summary>
    Oniguruma,
}

/// <summary>
/// Reads an expression: characters, classes, groups (with <c>(?i:</c>, atomic ones), <c>|</c>, quantifiers, lazy and possessive ones, <c>^
/// $ \A \z</c>, look-ahead, and look-behind at one character. What it does not know is an error: captures that are referred to, named
/// groups, word boundaries, POSIX brackets.
/// </summary>
internal sealed partial class PatternParser(string expression, Dialect dialect = Dialect.LlamaCpp)
{
    private const int MostRepetitions = 1000;
    private const int MostDepth = 50;
    private const int MostLetters = 4000; // calls nest as deep as an expression is long

    private int _position;
    private int _unboundedRuns;
    private int _depth;
    private bool _ignoresCase;

    private bool AtEnd => _position == expression.Length;

    /// <exception cref="NotSupportedException">It has something that is not known here.</exception>
    public Pattern Parse()
    {
        if (expression.Length > MostLetters) throw new NotSupportedException($"an expression of {expression.Length} letters");
        PatternNode root = ParseAlternation().First;
        return AtEnd ? new Pattern(root, _unboundedRuns) : throw Unsupported();
    }

    /// <summary>Reads an expression that is one class.</summary>
    public CodePointClass ParseOnlyClass()
    {
        CodePointClass set = ParseClass();
        return AtEnd ? set : throw Unsupported();
    }

    /// <summary>An expression that matches a text.</summary>
    public static Pattern Literal(string text)
    {
        PatternNode? first = null, last = null;
        foreach (System.Text.Rune rune in text.EnumerateRunes())
        {
            ClassRun next = new(new CodePointClass(0, false, [(rune.Value, rune.Value)], negated: false), 1, 1, -1);
            last?.ContinueWith(next);
            first ??= next;
            last = next;
        }
        return new Pattern(first ?? throw new NotSupportedException("an empty text"), 0);
    }

    private (PatternNode First, PatternNode Last) ParseAlternation()
    {
        if (++_depth > MostDepth) throw Unsupported();
        bool ignoredCase = _ignoresCase; // (?i) holds to the end of its group
        List<(PatternNode First, PatternNode Last)> branches = [ParseSequence()];
        while (TryTake("|")) branches.Add(ParseSequence());
        (_ignoresCase, _depth) = (ignoredCase, _depth - 1);
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
            if (TryTake("(?i)"))
            {
                _ignoresCase = true;
                continue;
            }
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
        if (ParseAssertion() is { } assertion) return (assertion, assertion);
        if (TryTake("(?>"))
        {
            AtomicGroup atomic = new(ParseAlternation().First);
            Take(")");
            return Quantify(atomic, atomic);
        }
        bool ignoredCase = _ignoresCase;
        bool beginsIgnoring = TryTake("(?i:");
        if (beginsIgnoring || TryTake("(?:") || TryTake("("))
        {
            if (expression[_position - 1] == '(' && !AtEnd && expression[_position] == '?') throw Unsupported();
            _ignoresCase |= beginsIgnoring;
            (PatternNode first, PatternNode last) = ParseAlternation();
            Take(")");
            _ignoresCase = ignoredCase;
            return Quantify(first, last);
        }
        ClassRun single = NewRun(ParseClass(), 1, 1);
        return Quantify(single, single);
    }

    /// <summary>Parses an assertion: <c>^ $ \A \z</c>, look-ahead, look-behind; or null.</summary>
    private PatternNode? ParseAssertion()
    {
        CodePointClass nothing = new(0, false, [], negated: true), noBreak = new(0, false, [('\n', '\n')], negated: true);
        bool ofLine = dialect == Dialect.Oniguruma; // Ruby's: a line's begin and end
        if (TryTake("$")) return new Lookahead(ofLine ? noBreak : nothing, negative: true);
        if (dialect == Dialect.Oniguruma && TryTake("^")) return new Lookbehind(noBreak, negative: true);
        if (TryTake("\\A")) return new Lookbehind(nothing, negative: true);
        if (TryTake("\\z")) return new Lookahead(nothing, negative: true);
        if (TryTake("(?<=") || TryTake("(?<!"))
        {
            bool isNegative = expression[_position - 1] == '!';
            CodePointClass before = ParseClass();
            Take(")");
            return new Lookbehind(before, isNegative);
        }
        if (!TryTake("(?=") && !TryTake("(?!")) return null;
        bool negative = expression[_position - 1] == '!';
        PatternNode inside = ParseAlternation().First;
        Take(")");
        return inside is ClassRun { Single: { } set, IsLast: true } ? new Lookahead(set, negative) : new GroupLookahead(inside, negative);
    }

    private (PatternNode First, PatternNode Last) Quantify(PatternNode first, PatternNode last)
    {
        while (ParseQuantifier() is var (minimum, maximum, isInterval))
        {
            bool isLazy = TryTake("?");
            // After an interval a plus is Ruby's repetition of it.
            bool isPossessive = !isLazy && !isInterval && TryTake("+");
            if ((minimum, maximum) == (1, 1)) continue;
            PatternNode node;
            if (first == last && (first as ClassRun)?.Single is { } set) node = NewRun(set, minimum, maximum, isLazy, isPossessive);
            else if (isLazy) throw Unsupported();
            else node = isPossessive ? new AtomicGroup(new GroupLoop(first, minimum, maximum)) : new GroupLoop(first, minimum, maximum);
            first = last = node;
        }
        return (first, last);
    }

    private ClassRun NewRun(CodePointClass set, int minimum, int maximum, bool isLazy = false, bool isPossessive = false) =>
        new(set, minimum, maximum, maximum == int.MaxValue && !isLazy ? _unboundedRuns++ : -1)
        {
            IsLazy = isLazy,
            IsPossessive = isPossessive
        };

    private (int Minimum, int Maximum, bool IsInterval)? ParseQuantifier()
    {
        if (TryTake("?")) return (0, 1, false);
        if (TryTake("*")) return (0, int.MaxValue, false);
        if (TryTake("+")) return (1, int.MaxValue, false);
        if (!TryTake("{")) return null;
        int minimum = TryTake(",") ? 0 : ParseNumber();
        int maximum = expression[_position - 1] == ',' ? ParseNumber() : minimum;
        if (TryTake(",")) maximum = !AtEnd && expression[_position] == '}' ? int.MaxValue : ParseNumber();
        Take("}");
        if (minimum > MostRepetitions || maximum is > MostRepetitions and < int.MaxValue || maximum < minimum) throw Unsupported();
        return (minimum, maximum, true);
    }

    private int ParseNumber()
    {
        int start = _position;
        while (!AtEnd && char.IsAsciiDigit(expression[_position])) _position++;
        return int.TryParse(expression.AsSpan(start, _position - start), System.Globalization.CultureInfo.InvariantCulture, out int number)
            ? number : throw Unsupported();
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
