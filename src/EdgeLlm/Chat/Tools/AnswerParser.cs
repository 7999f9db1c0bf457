using System.Text;

namespace EdgeLlm.Chat.Tools;

/// <summary>
/// Reads an answer as it comes: what of it is text, what are thoughts, what are calls of tools. Whatever a model writes, each character is
/// given once: what is not a call of a tool that is there stays text. Not for several threads at once.
/// </summary>
public sealed class AnswerParser
{
    private readonly ToolFormat? _format;
    private readonly ThinkingFormat? _thinking;
    private readonly string[] _names;
    private readonly CallReader? _calls;
    private readonly List<AnswerPart> _given = [];
    private readonly StringBuilder _space = new(); // white space that is held back: a call may follow
    private string _pending = "";
    private State _state;
    private bool _isStart = true; // no text has been given yet
    private bool _trimsStart;

    /// <param name="format">How calls are written; null: none are read.</param>
    /// <param name="tools">The tools that may be called.</param>
    /// <param name="thinking">How thoughts are marked; null: they are text.</param>
    /// <param name="prompt">The prompt's text, or its end: it may have opened thoughts, or a call.</param>
    public AnswerParser(ToolFormat? format, IReadOnlyList<ToolDefinition> tools, ThinkingFormat? thinking = null, string prompt = "")
    {
        ArgumentNullException.ThrowIfNull(tools);
        ArgumentNullException.ThrowIfNull(prompt);
        _format = tools.Count > 0 ? format : null;
        _thinking = thinking;
        _names = [.. tools.Select(tool => tool.Name)];
        _calls = _format is null ? null : new CallReader(_format, tools, _given);
        if (thinking?.IsOpenAfter(prompt) == true) (_state, _trimsStart) = (State.Thinking, true);
        else if (_format is not null) _pending = SeedOf(_format, prompt);
    }

    private enum State
    {
        Content,
        Thinking,
        Call,
        Raw, // looks like a call that is written otherwise: decided at the end
    }

    /// <summary>The calls whose arguments have come.</summary>
    public IReadOnlyList<ChatToolCall> Calls => _calls?.Calls ?? [];

    /// <summary>The beginning of an answer's text that a prompt holds already.</summary>
    internal static string SeedOf(ToolFormat format, string prompt) =>
        format.NamesFollowTriggers
            && format.Triggers.FirstOrDefault(trigger => prompt.EndsWith(trigger, StringComparison.Ordinal)) is { } open ? open : "";

    /// <summary>Takes the next text. The list is valid until the next call.</summary>
    public IReadOnlyList<AnswerPart> Add(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        _given.Clear();
        _pending += text;
        Read(isEnd: false);
        return _given;
    }

    /// <summary>Gives what was held back, at the end of the answer.</summary>
    public IReadOnlyList<AnswerPart> End()
    {
        _given.Clear();
        Read(isEnd: true);
        if (_state == State.Raw) ReadRaw();
        if (Calls.Count == 0) GiveSpace();
        return _given;
    }

    private void Read(bool isEnd)
    {
        if (_format is null && _thinking is null)
        {
            if (_pending.Length > 0) _given.Add(new AnswerPart(AnswerPartKind.Content, _pending));
            _pending = "";
            return;
        }
        bool goesOn = true;
        while (goesOn && _state != State.Raw)
        {
            goesOn = _state switch
            {
                State.Content => ReadContent(isEnd),
                State.Thinking => ReadThoughts(isEnd),
                _ => ReadCall(isEnd),
            };
        }
    }

    /// <returns>Whether something else begins.</returns>
    private bool ReadContent(bool isEnd)
    {
        string text = _pending;
        (int at, int length, bool isWhole, State next) = (text.Length, 0, false, State.Content);
        if (_format is not null)
        {
            at = _format.FindTrigger(text, _isStart, _names, out isWhole);
            next = State.Call;
            foreach (string dropped in _format.Dropped) Look(dropped, State.Content);
        }
        if (_thinking is not null)
        {
            int open = _thinking.FindOpen(text, _isStart, out bool whole);
            Take(open, open < text.Length, whole, _thinking.Open.Length, State.Thinking);
        }
        bool found = at < text.Length && isWhole, waits = at < text.Length && !isWhole;
        if (waits && isEnd) at = text.Length;
        GiveContent(text.AsSpan(0, at));
        _pending = text[at..];
        if (!found) return false;
        _state = next;
        if (next == State.Call) _calls!.Begin();
        else _pending = _pending[length..];
        if (next != State.Call) _trimsStart = true;
        return true;

        void Look(string mark, State state)
        {
            int place = text.IndexOf(mark, StringComparison.Ordinal);
            bool whole = place >= 0;
            if (!whole) place = text.Length - FlexibleText.LongestOverlap(text, mark);
            Take(place, place < text.Length, whole, mark.Length, state);
        }

        // At one place what may still become the longer one is waited for; of two that are there the longer one counts.
        void Take(int place, bool isThere, bool whole, int size, State state)
        {
            bool isBetter = isThere && (place < at || (place == at && (!whole ? !isEnd && isWhole : isWhole && size > length)));
            if (isBetter) (at, length, isWhole, next) = (place, size, whole, state);
        }
    }

    private bool ReadThoughts(bool isEnd)
    {
        string text = _pending;
        if (_trimsStart) text = text.TrimStart();
        int at = text.IndexOf(_thinking!.Close, StringComparison.Ordinal);
        int end = at >= 0 ? at : isEnd ? text.Length : text.Length - FlexibleText.LongestOverlap(text, _thinking.Close);
        string thoughts = text[..end], kept = thoughts.TrimEnd(); // white space before the close is not part of it
        if (kept.Length > 0)
        {
            _trimsStart = false;
            _given.Add(new AnswerPart(AnswerPartKind.Reasoning, kept));
        }
        if (at < 0)
        {
            _pending = isEnd ? "" : text[kept.Length..];
            return false;
        }
        _pending = text[(at + _thinking.Close.Length)..];
        (_state, _trimsStart) = (State.Content, true);
        return true;
    }

    private bool ReadCall(bool isEnd)
    {
        if (_calls!.HasAnnounced) _space.Clear();
        _pending = _calls!.Read(_pending, isEnd, out CallReader.Outcome outcome);
        if (_calls.HasAnnounced)
        {
            _space.Clear();
            _isStart = false;
        }
        switch (outcome)
        {
            case CallReader.Outcome.Waits:
                return false;
            case CallReader.Outcome.Ends:
                (_state, _trimsStart) = (State.Content, true);
                return _pending.Length > 0;
            default:
                return Fail();
        }
    }

    /// <summary>Ends a call that began like one but is not: it is kept for a closer look where it may be JSON, else it is text.</summary>
    private bool Fail()
    {
        string text = _calls!.TakeRaw() + _pending;
        _pending = "";
        if (CallFallback.MayBeCall(text))
        {
            _pending = text;
            _state = State.Raw;
            return false;
        }
        // The mark is text; what follows may still have a call in it.
        int mark = Math.Max(1, text.IndexOfAny(['>', ']', '{', '.', ' ', '\n']) + 1);
        mark = Math.Min(mark, text.Length);
        GiveContent(text.AsSpan(0, mark));
        _isStart = false;
        _pending = text[mark..];
        _state = State.Content;
        return _pending.Length > 0;
    }

    private void ReadRaw()
    {
        string text = _pending;
        _pending = "";
        _state = State.Content;
        if (CallFallback.Read(text, _names) is { Count: > 0 } calls)
        {
            _space.Clear();
            foreach ((string name, string arguments) in calls) _calls!.Give(name, arguments);
        }
        else
        {
            GiveContent(text);
        }
    }

    /// <summary>Gives text, but for the white space at its end.</summary>
    private void GiveContent(ReadOnlySpan<char> text)
    {
        if (_trimsStart && (text = text.TrimStart()).IsEmpty) return;
        ReadOnlySpan<char> words = text.TrimEnd();
        if (words.Length > 0)
        {
            _trimsStart = false;
            _isStart = false;
            string piece = string.Concat(_space.ToString(), words);
            _space.Clear();
            _given.Add(new AnswerPart(AnswerPartKind.Content, piece));
        }
        _space.Append(text[words.Length..]);
    }

    private void GiveSpace()
    {
        if (_space.Length > 0) _given.Add(new AnswerPart(AnswerPartKind.Content, _space.ToString()));
        _space.Clear();
    }
}
