namespace EdgeLlm.Chat.Tools;

/// <summary>Looks, as an answer comes, for the text by which a call begins; not within thoughts. Stops at the first one.</summary>
internal sealed class CallTrigger
{
    private readonly ToolFormat _format;
    private readonly ThinkingFormat? _thinking;
    private readonly string[] _names;
    private string _text; // the end of the answer, in which something may begin
    private bool _isStart = true;
    private bool _isThinking;
    private bool _isOver;

    /// <param name="prompt">The prompt's text, or its end.</param>
    public CallTrigger(ToolFormat format, IEnumerable<string> names, ThinkingFormat? thinking, string prompt)
    {
        (_format, _thinking, _names) = (format, thinking, [.. names]);
        _isThinking = thinking?.IsOpenAfter(prompt) == true;
        _text = AnswerParser.SeedOf(format, prompt);
    }

    /// <summary>Takes the next text.</summary>
    /// <returns>The answer's text from where the call begins, or null.</returns>
    public string? Add(ReadOnlySpan<char> text)
    {
        if (_isOver) return null;
        _text = string.Concat(_text, text);
        while (true)
        {
            if (_isThinking)
            {
                int close = _text.IndexOf(_thinking!.Close, StringComparison.Ordinal);
                if (close < 0)
                {
                    _text = _text[^Math.Min(_text.Length, _thinking.Close.Length)..];
                    return null;
                }
                _text = _text[(close + _thinking.Close.Length)..];
                _isThinking = false;
            }
            int at = _format.FindTrigger(_text, _isStart, _names, out bool isWhole);
            bool opens = false;
            int open = _thinking?.FindOpen(_text, _isStart, out opens) ?? _text.Length;
            if (opens && open < at)
            {
                _text = _text[(open + _thinking!.Open.Length)..];
                _isThinking = true;
                continue;
            }
            if (at < _text.Length && isWhole)
            {
                _isOver = true;
                return _text[at..];
            }
            int keep = _text.Length - Math.Min(at, open);
            if (_text.AsSpan(0, _text.Length - keep).ContainsAnyExcept(" \t\r\n")) _isStart = false;
            _text = _text[^keep..];
            return null;
        }
    }
}
