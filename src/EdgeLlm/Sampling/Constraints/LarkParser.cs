namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// The subset of Lark that llguidance takes: rules and TERMINALS (`name: a "text" | /regex/i`), `* + ? ~n ~n..m`, groups, `[optional]`,
/// ranges `"a".."z"`, aliases (without effect), `%ignore`, and `%import common.NAME` of the usual ones. Terminals are read without a lexer:
/// none takes a text away from another.
/// </summary>
internal sealed class LarkParser
{
    private static readonly Dictionary<string, string> Common = new()
    {
        ["DIGIT"] = "[0-9]",
        ["HEXDIGIT"] = "[0-9a-fA-F]",
        ["INT"] = "[0-9]+",
        ["SIGNED_INT"] = "[+-]?[0-9]+",
        ["DECIMAL"] = "[0-9]+\\.[0-9]*|\\.[0-9]+",
        ["FLOAT"] = "[0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?",
        ["NUMBER"] = "[0-9]+(\\.[0-9]*)?([eE][+-]?[0-9]+)?|\\.[0-9]+([eE][+-]?[0-9]+)?",
        ["SIGNED_NUMBER"] = "[+-]?([0-9]+(\\.[0-9]*)?([eE][+-]?[0-9]+)?|\\.[0-9]+([eE][+-]?[0-9]+)?)",
        ["SIGNED_FLOAT"] = "[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?)",
        ["LCASE_LETTER"] = "[a-z]",
        ["UCASE_LETTER"] = "[A-Z]",
        ["LETTER"] = "[A-Za-z]",
        ["WORD"] = "[A-Za-z]+",
        ["CNAME"] = "[A-Za-z_][A-Za-z_0-9]*",
        ["WS"] = "[ \\t\\f\\r\\n]+",
        ["WS_INLINE"] = "[ \\t]+",
        ["NEWLINE"] = "(\\r?\\n)+",
        ["CR"] = "\\r",
        ["LF"] = "\\n",
        ["ESCAPED_STRING"] = "\"([^\"\\\\\\n]|\\\\.)*\"",
    };

    private readonly GrammarText _text;
    private readonly CompileBudget _budget;
    private readonly Grammar _grammar = new();
    private readonly List<GrammarNode> _ignored = [];
    private bool _inTerminal;

    private LarkParser(string text, CompileBudget budget)
    {
        _text = new GrammarText(text, budget);
        _budget = budget;
    }

    /// <exception cref="ConstraintException">It is wrong or has what is not supported; the message names the line.</exception>
    public static Grammar Parse(string text, CompileBudget budget)
    {
        var parser = new LarkParser(text, budget);
        for (parser.SkipSpace(lines: true); !parser._text.IsAtEnd; parser.SkipSpace(lines: true)) parser.ParseStatement();
        // Every token is followed by what is ignored; before the first one it may be, too.
        int ignored = parser._grammar.NumberOf("%ignored");
        parser._grammar.Rules[ignored] = parser._ignored.Count > 0 ? GrammarNode.Either(parser._ignored).Star() : GrammarNode.Empty;
        Grammar grammar = parser._grammar.From("start");
        grammar.Root = grammar.Add(GrammarNode.Join([new RuleNode(ignored), new RuleNode(grammar.Root)]));
        return grammar;
    }

    private void ParseStatement()
    {
        if (_text.Take("%"))
        {
            ParseDirective();
            return;
        }
        _text.TakeWhile(c => c is '?' or '!');
        string name = _text.TakeWhile(IsOfName);
        if (name.Length == 0) throw _text.Wrong("a rule's name is expected");
        if (_text.Current == '{') throw _text.Wrong("templates are not supported");
        if (_text.Take(".")) _text.TakeWhile(c => char.IsAsciiDigit(c) || c == '-');
        if (_text.Current == '[') throw _text.Wrong("attributes of rules are not supported");
        SkipSpace(lines: false);
        if (!_text.Take(":")) throw _text.Wrong($"a : is expected after '{name}'");
        int rule = _grammar.NumberOf(name);
        if (_grammar.Rules[rule] is not null) throw _text.Wrong($"the rule '{name}' is there twice");
        _inTerminal = IsTerminal(name);
        _grammar.Rules[rule] = ParseChoice(nested: false, 0);
        if (!_text.IsAtEnd && _text.Current is not ('\n' or '\r')) throw _text.Wrong($"'{_text.Current}' is not expected here");
    }

    private void ParseDirective()
    {
        string directive = _text.TakeWhile(char.IsAsciiLetter);
        SkipSpace(lines: false);
        switch (directive)
        {
            case "ignore":
                _inTerminal = true;
                _ignored.Add(ParseChoice(nested: false, 0));
                break;
            case "import" when _text.Take("common."):
                string name = _text.TakeWhile(IsOfName), alias = name;
                SkipSpace(lines: false);
                if (_text.Take("->"))
                {
                    SkipSpace(lines: false);
                    alias = _text.TakeWhile(IsOfName);
                }
                if (!Common.TryGetValue(name, out string? pattern)) throw _text.Wrong($"common.{name} is not known");
                _grammar.Rules[_grammar.NumberOf(alias)] = RegexParser.Parse(pattern, _budget);
                break;
            default: throw _text.Wrong($"%{directive} is not supported");
        }
    }

    private GrammarNode ParseChoice(bool nested, int depth)
    {
        CompileBudget.CheckDepth(depth);
        var choices = new List<GrammarNode>();
        while (true)
        {
            choices.Add(ParseSequence(nested, depth));
            int before = _text.At;
            SkipSpace(lines: true);
            if (_text.Take("|")) continue;
            if (!nested) _text.At = before;
            return GrammarNode.Either(choices);
        }
    }

    private GrammarNode ParseSequence(bool nested, int depth)
    {
        var items = new List<GrammarNode>();
        while (true)
        {
            SkipSpace(nested);
            _budget.Spend(1);
            if (_text.Take("->"))
            {
                SkipSpace(lines: false);
                _text.TakeWhile(IsOfName);
                continue;
            }
            if (ParseItem(depth) is not { } item) return GrammarNode.Join(items);
            items.Add(Repeated(item));
        }
    }

    private GrammarNode? ParseItem(int depth)
    {
        if (_text.Take("\"")) return Token(ParseText());
        if (_text.Current == '/' && _text.Ahead(1) != '/') return Token(ParseRegex());
        if (_text.Take("("))
        {
            GrammarNode group = ParseChoice(nested: true, depth + 1);
            return _text.Take(")") ? group : throw _text.Wrong("a ( has no )");
        }
        if (_text.Take("["))
        {
            GrammarNode group = ParseChoice(nested: true, depth + 1);
            return _text.Take("]") ? group.Optional() : throw _text.Wrong("a [ has no ]");
        }
        if (_text.Current is '<' or '%' or '&') throw _text.Wrong($"'{_text.Current}' is not supported here");
        _text.TakeWhile(c => c == '!');
        if (!IsOfName(_text.Current)) return null;
        string name = _text.TakeWhile(IsOfName);
        GrammarNode rule = new RuleNode(_grammar.NumberOf(name));
        return IsTerminal(name) ? Token(rule) : rule;
    }

    /// <summary>A terminal: in a rule, what is ignored may follow it.</summary>
    private GrammarNode Token(GrammarNode node) =>
        _inTerminal ? node : GrammarNode.Join([node, new RuleNode(_grammar.NumberOf("%ignored"))]);

    private GrammarNode ParseText()
    {
        string text = _text.Quoted();
        if (_text.Take("i")) return GrammarNode.Text(text, ignoreCase: true);
        if (!_text.Take("..")) return GrammarNode.Text(text);
        if (!_text.Take("\"")) throw _text.Wrong("a range is two texts of one character");
        int[] low = [.. text.EnumerateRunes().Select(rune => rune.Value)],
            high = [.. _text.Quoted().EnumerateRunes().Select(rune => rune.Value)];
        if (low.Length != 1 || high.Length != 1 || low[0] > high[0])
            throw _text.Wrong("a range is two texts of one character, the lower first");
        return new SetNode(CharacterSet.Of((low[0], high[0])));
    }

    private GrammarNode ParseRegex()
    {
        _text.At++;
        var pattern = new System.Text.StringBuilder();
        while (_text.Current != '/')
        {
            if (_text.IsAtEnd || _text.Current == '\n') throw _text.Wrong("a regular expression has no closing /");
            if (_text.Current == '\\' && _text.Ahead(1) == '/') _text.At++; // \/ is a slash
            else if (_text.Current == '\\')
            {
                pattern.Append(_text.Current);
                _text.At++;
            }
            if (_text.IsAtEnd) continue;
            pattern.Append(_text.Current);
            _text.At++;
        }
        _text.At++;
        string flags = _text.TakeWhile(char.IsAsciiLetter);
        if (flags.Trim('i', 'u').Length > 0) throw _text.Wrong($"the flags '{flags}' are not supported; i is");
        try
        {
            return RegexParser.Parse((flags.Contains('i') ? "(?i)" : "") + pattern, _budget);
        }
        catch (ConstraintException exception)
        {
            throw _text.Wrong(exception.Message);
        }
    }

    private GrammarNode Repeated(GrammarNode item)
    {
        while (true)
        {
            if (_text.Take("*")) item = item.Star();
            else if (_text.Take("+")) item = new RepeatNode(item, 1, RepeatNode.NoLimit);
            else if (_text.Take("?")) item = item.Optional();
            else if (_text.Current == '~' || (_text.Current == ' ' && _text.Ahead(1) == '~'))
            {
                _text.TakeWhile(c => c is ' ' or '~');
                int min = _text.Number(), max = _text.Take("..") ? _text.Number() : min;
                if (max < min) throw _text.Wrong("a repeat has its bounds the wrong way round");
                item = new RepeatNode(item, min, max);
            }
            else return item;
        }
    }

    private static bool IsTerminal(string name) =>
        name.TrimStart('_') is var letters && letters.Length > 0 && char.IsAsciiLetterUpper(letters[0]);

    private static bool IsOfName(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';

    private void SkipSpace(bool lines)
    {
        while (true)
        {
            _text.TakeWhile(c => c is ' ' or '\t' || (lines && c is '\n' or '\r'));
            if (_text.Current == '/' && _text.Ahead(1) == '/') _text.TakeWhile(c => c is not ('\n' or '\r'));
            else return;
            if (!lines) return;
        }
    }
}
