using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Syntax;

internal enum TokenKind { Text, OutputBegin, OutputEnd, BlockBegin, BlockEnd, Name, Literal, String, Operator, End }

/// <summary>
/// Splits a template into tokens, with the white space rules of Jinja's <c>trim_blocks</c> (the line break after a block is
/// dropped) and <c>lstrip_blocks</c> (so are the spaces before a block that begins a line), as Hugging Face sets them.
/// </summary>
internal sealed partial class Lexer
{
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=",
        "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private readonly Stack<char> _open = [];
    private int _at;
    private int _line = 1;

    // Whether what was read last ended a line, so that spaces after it may belong to a block.
    private bool _isLineStart = true;

    private Lexer(string source)
    {
        string normalized = source.Replace("\r\n", "\n").Replace('\r', '\n');
        _source = normalized.EndsWith('\n') ? normalized[..^1] : normalized;
    }

    public static List<Token> Tokenize(string source)
    {
        Lexer lexer = new(source);
        while (lexer._at < lexer._source.Length) lexer.ReadTextAndTag();
        lexer._tokens.Add(new Token(TokenKind.End, lexer._line, ""));
        return lexer._tokens;
    }

    private void ReadTextAndTag()
    {
        int tag = FindTag();
        if (tag < 0)
        {
            AddText(_source[_at..]);
            _at = _source.Length;
            return;
        }
        char kind = _source[tag + 1];
        char sign = CharAt(tag + 2) is '-' or '+' ? CharAt(tag + 2) : '\0';
        int textEnd = tag;
        if (sign == '-') textEnd = TrimEnd(_at, tag);
        else if (sign != '+' && kind != '{') textEnd = StripIndentation(_at, tag);
        int line = _line;
        AddText(_source[_at..textEnd]);
        _line = line;
        AdvanceTo(tag + (sign == '\0' ? 2 : 3));
        _isLineStart = false;
        if (kind == '#') SkipComment();
        else if (kind == '%' && IsRaw()) ReadRaw();
        else ReadTag(kind);
    }

    private int FindTag()
    {
        for (int at = _at; (at = _source.IndexOf('{', at)) >= 0; at++)
            if (CharAt(at + 1) is '%' or '{' or '#') return at;
        return -1;
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0) throw new ChatTemplateException("Missing end of comment tag", _line);
        char sign = end > _at ? _source[end - 1] : '\0';
        AdvanceTo(end);
        EndTag(sign, trimsLine: true);
    }

    /// <summary>Whether a block that has just begun is <c>{% raw %}</c>; if so, it is skipped.</summary>
    private bool IsRaw()
    {
        int at = SkipSpaces(_at);
        if (string.CompareOrdinal(_source, at, "raw", 0, 3) != 0) return false;
        at = SkipSpaces(at + 3);
        char sign = CharAt(at) == '-' ? '-' : '\0';
        if (sign != '\0') at++;
        if (string.CompareOrdinal(_source, at, "%}", 0, 2) != 0) return false;
        AdvanceTo(at);
        EndTag(sign, trimsLine: false);
        return true;
    }

    private void ReadRaw()
    {
        for (int tag = _at; (tag = _source.IndexOf("{%", tag, StringComparison.Ordinal)) >= 0; tag++)
        {
            char sign = CharAt(tag + 2) is '-' or '+' ? CharAt(tag + 2) : '\0';
            int at = SkipSpaces(tag + (sign == '\0' ? 2 : 3));
            if (string.CompareOrdinal(_source, at, "endraw", 0, 6) != 0) continue;
            at = SkipSpaces(at + 6);
            char endSign = CharAt(at) is '-' or '+' ? CharAt(at) : '\0';
            if (endSign != '\0') at++;
            if (string.CompareOrdinal(_source, at, "%}", 0, 2) != 0) continue;
            int textEnd = sign switch { '-' => TrimEnd(_at, tag), '+' => tag, _ => StripIndentation(_at, tag) };
            AddText(_source[_at..textEnd]);
            _line -= CountLines(_at, textEnd);
            AdvanceTo(at);
            EndTag(endSign, trimsLine: true);
            return;
        }
        if (_at < _source.Length) throw new ChatTemplateException("Missing end of raw directive", _line);
    }

    private void ReadTag(char kind)
    {
        bool isBlock = kind == '%';
        _tokens.Add(new Token(isBlock ? TokenKind.BlockBegin : TokenKind.OutputBegin, _line, ""));
        string close = isBlock ? "%}" : "}}";
        while (true)
        {
            AdvanceTo(SkipSpaces(_at));
            if (_at >= _source.Length) return;
            char sign = _source[_at] == '-' || (isBlock && _source[_at] == '+') ? _source[_at] : '\0';
            int end = sign == '\0' ? _at : _at + 1;
            if (_open.Count == 0 && string.CompareOrdinal(_source, end, close, 0, 2) == 0)
            {
                _tokens.Add(new Token(isBlock ? TokenKind.BlockEnd : TokenKind.OutputEnd, _line, ""));
                AdvanceTo(end);
                EndTag(sign, trimsLine: isBlock);
                return;
            }
            ReadToken();
        }
    }

    /// <summary>Steps over the two characters that close a tag, and over the white space after them that goes with it.</summary>
    private void EndTag(char sign, bool trimsLine)
    {
        int end = _at + 2;
        if (sign == '-') end = SkipSpaces(end);
        else if (trimsLine && sign != '+' && CharAt(end) == '\n') end++;
        AdvanceTo(end);
        _isLineStart = _source[end - 1] == '\n';
    }

    private void AddText(string text)
    {
        if (text.Length > 0) _tokens.Add(new Token(TokenKind.Text, _line, text));
        _line += text.AsSpan().Count('\n');
    }

    private void AdvanceTo(int position)
    {
        _line += CountLines(_at, position);
        _at = position;
    }

    private int CountLines(int start, int end) => _source.AsSpan(start, end - start).Count('\n');

    /// <summary>The end of the text before a tag, without the spaces between it and the beginning of its line.</summary>
    private int StripIndentation(int start, int tag)
    {
        int lineStart = tag;
        while (lineStart > start && _source[lineStart - 1] != '\n')
        {
            if (!PythonText.IsSpace(_source[--lineStart])) return tag;
        }
        return lineStart > start || _isLineStart ? lineStart : tag;
    }

    private int TrimEnd(int start, int end)
    {
        while (end > start && PythonText.IsSpace(_source[end - 1])) end--;
        return end;
    }

    private int SkipSpaces(int at)
    {
        while (at < _source.Length && PythonText.IsSpace(_source[at])) at++;
        return at;
    }

    private char CharAt(int at) => at < _source.Length ? _source[at] : '\0';
}
