using System.Runtime.CompilerServices;
using EdgeLlm.Chat.Jinja.Nodes;

namespace EdgeLlm.Chat.Jinja.Syntax;

/// <summary>Makes a tree of a template. The grammar, with its oddities, is that of Jinja's own parser.</summary>
internal sealed partial class Parser
{
    private readonly List<Token> _tokens;
    private readonly int _maximumDepth;

    // Filters and tests that do not exist. Jinja refuses a template for them, except where an if may keep them from being used.
    private readonly List<Token> _unknown = [];

    // Which of the special names the macro body being parsed reads.
    private readonly HashSet<string> _specialNames = [];

    private int _at;
    private int _depth;
    private int _loops;

    private Parser(List<Token> tokens, int maximumDepth)
    {
        _tokens = tokens;
        _maximumDepth = maximumDepth;
    }

    private Token Current => _tokens[_at];

    private Token Following => _tokens[Math.Min(_at + 1, _tokens.Count - 1)];

    /// <summary>Parses a template.</summary>
    /// <exception cref="ChatTemplateException">The source is not a template, or is larger or deeper than the limits allow.</exception>
    public static Statement[] Parse(string source, ChatTemplateLimits limits)
    {
        if (source.Length > limits.MaximumSourceLength)
            throw new ChatTemplateException($"longer than {limits.MaximumSourceLength} characters", 0);
        Parser parser = new(Lexer.Tokenize(source), limits.MaximumDepth);
        Statement[] statements = parser.ParseBody();
        parser.RefuseUnknown(0);
        return statements;
    }

    private Token Take() => _tokens[_at < _tokens.Count - 1 ? _at++ : _at];

    private bool TakeOperator(string symbol)
    {
        bool isThere = Current.IsOperator(symbol);
        if (isThere) Take();
        return isThere;
    }

    private bool TakeName(string name)
    {
        bool isThere = Current.IsName(name);
        if (isThere) Take();
        return isThere;
    }

    private void ExpectOperator(string symbol)
    {
        if (!TakeOperator(symbol)) throw Unexpected($"'{symbol}'");
    }

    private void ExpectName(string name)
    {
        if (!TakeName(name)) throw Unexpected($"'{name}'");
    }

    private string ExpectIdentifier() => Current.Kind == TokenKind.Name ? Take().Text : throw Unexpected("a name");

    private void Expect(TokenKind kind)
    {
        if (Current.Kind != kind) throw Unexpected(new Token(kind, 0, "").Description);
        Take();
    }

    private ChatTemplateException Unexpected(string expected) => Fail($"expected {expected}, got {Current.Description}");

    private ChatTemplateException Fail(string reason) => new(reason, Current.Line);

    /// <summary>Goes one level deeper into the grammar; every way around in it passes here.</summary>
    private void Enter()
    {
        if (++_depth > _maximumDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Fail($"nested deeper than {_maximumDepth} levels");
    }

    private void Leave() => _depth--;

    private void RefuseUnknown(int from)
    {
        if (_unknown.Count > from) throw new ChatTemplateException($"no filter or test named '{_unknown[from].Text}'", _unknown[from].Line);
    }

    private void AllowUnknown(int from) => _unknown.RemoveRange(from, _unknown.Count - from);
}
