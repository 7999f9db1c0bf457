namespace EdgeLlm.Sampling.Constraints;

/// <summary>GBNF, llama.cpp's grammars: `name ::= "text" [a-z]* (other | .) {2,3}`, comments after `#`, from the rule `root`.</summary>
internal sealed class GbnfParser
{
    private readonly GrammarText _text;
    private readonly CompileBudget _budget;
    private readonly Grammar _grammar = new();

    private GbnfParser(string text, CompileBudget budget)
    {
        _text = new GrammarText(text, budget);
        _budget = budget;
    }

    /// <exception cref="ConstraintException">It is wrong; the message names the line.</exception>
    public static Grammar Parse(string text, CompileBudget budget)
    {
        var parser = new GbnfParser(text, budget);
        for (parser.SkipSpace(lines: true); !parser._text.IsAtEnd; parser.SkipSpace(lines: true)) parser.ParseRule();
        return parser._grammar.From("root");
    }

    private void ParseRule()
    {
        int rule = Name() is { Length: > 0 } name ? _grammar.NumberOf(name) : throw _text.Wrong("a rule's name is expected");
        SkipSpace(lines: false);
        if (!_text.Take("::=")) throw _text.Wrong("::= is expected after a rule's name");
        SkipSpace(lines: true);
        if (_grammar.Rules[rule] is not null) throw _text.Wrong($"the rule '{_grammar.Names[rule]}' is there twice");
        _grammar.Rules[rule] = ParseChoice(nested: false, 0);
        if (!_text.IsAtEnd && _text.Current is not ('\n' or '\r')) throw _text.Wrong($"'{_text.Current}' is not expected here");
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
            if (_text.Take("|"))
            {
                SkipSpace(lines: true);
                continue;
            }
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
            GrammarNode item;
            if (_text.Take("\"")) item = GrammarNode.Text(_text.Quoted());
            else if (_text.Take("[")) item = new SetNode(_text.Class());
            else if (_text.Take(".")) item = new SetNode(CharacterSet.All);
            else if (_text.Take("("))
            {
                item = ParseChoice(nested: true, depth + 1);
                SkipSpace(lines: true);
                if (!_text.Take(")")) throw _text.Wrong("a ( has no )");
            }
            else if (_text.Current is '<' or '!') throw _text.Wrong("tokens (<...>) are not supported; write the text");
            else if (IsOfName(_text.Current)) item = new RuleNode(_grammar.NumberOf(Name()));
            else return GrammarNode.Join(items);
            items.Add(Repeated(item));
        }
    }

    private GrammarNode Repeated(GrammarNode item)
    {
        while (true)
        {
            SkipSpace(lines: false);
            if (_text.Take("*")) item = item.Star();
            else if (_text.Take("+")) item = new RepeatNode(item, 1, RepeatNode.NoLimit);
            else if (_text.Take("?")) item = item.Optional();
            else if (_text.Take("{"))
            {
                SkipSpace(lines: false);
                int min = _text.Current == ',' ? 0 : _text.Number(), max = min;
                SkipSpace(lines: false);
                if (_text.Take(","))
                {
                    SkipSpace(lines: false);
                    max = _text.Current == '}' ? RepeatNode.NoLimit : _text.Number();
                    SkipSpace(lines: false);
                }
                if (!_text.Take("}")) throw _text.Wrong("a { has no }");
                if (max != RepeatNode.NoLimit && max < min) throw _text.Wrong("a repeat has its bounds the wrong way round");
                item = new RepeatNode(item, min, max);
            }
            else return item;
        }
    }

    private string Name() => _text.TakeWhile(IsOfName);

    private static bool IsOfName(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '_';

    private void SkipSpace(bool lines)
    {
        while (true)
        {
            _text.TakeWhile(c => c is ' ' or '\t' || (lines && c is '\n' or '\r'));
            if (_text.Current != '#') return;
            _text.TakeWhile(c => c is not ('\n' or '\r'));
            if (!lines) return;
        }
    }
}
