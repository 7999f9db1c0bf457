using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Syntax;

/// <summary>A token of the source.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Line">Line of its first character, from 1.</param>
/// <param name="Text">The text outside of tags, a name, an operator, or what a string literal stands for.</param>
/// <param name="Number">The value of a number.</param>
internal readonly record struct Token(TokenKind Kind, int Line, string Text, Value? Number = null)
{
    public bool IsOperator(string symbol) => Kind == TokenKind.Operator && Text == symbol;

    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    /// <summary>For messages.</summary>
    public string Description => Kind switch
    {
        TokenKind.Text => "template data",
        TokenKind.OutputBegin => "begin of print statement",
        TokenKind.OutputEnd => "end of print statement",
        TokenKind.BlockBegin => "begin of statement block",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.End => "end of template",
        TokenKind.Literal => "number",
        _ => $"'{Text}'",
    };
}
