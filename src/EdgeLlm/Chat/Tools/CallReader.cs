using System.Text;

namespace EdgeLlm.Chat.Tools;

/// <summary>Reads calls in a <see cref="ToolFormat"/>, as they come, from their trigger to the end of the last one.</summary>
internal sealed class CallReader(ToolFormat format, IReadOnlyList<ToolDefinition> tools, List<AnswerPart> given)
{
    private const int MostNameLength = 128;

    private readonly Stack<CallPart> _parts = new(); // of the call, still to come
    private readonly StringBuilder _raw = new(); // what was read since the trigger, until a call is announced
    private readonly StringBuilder _arguments = new();
    private readonly List<ChatToolCall> _calls = [];
    private ParameterReader? _parameters;
    private ToolDefinition? _tool;
    private string _id = "";
    private bool _isBetween;
    private bool _skipsSpace;
    private int _depth;
    private bool _inString;
    private bool _escaped;
    private int _triedLength;

    /// <summary>How reading stopped.</summary>
    public enum Outcome
    {
        /// <summary>More text is needed.</summary>
        Waits,

        /// <summary>The calls are over.</summary>
        Ends,

        /// <summary>It is not a call.</summary>
        Fails,
    }

    public IReadOnlyList<ChatToolCall> Calls => _calls;

    /// <summary>Whether a call of this section was announced.</summary>
    public bool HasAnnounced { get; private set; }

    /// <summary>Begins a section of calls.</summary>
    public void Begin()
    {
        _parts.Clear();
        _raw.Clear();
        Push(format.Call);
        Push(format.Begin);
        (_isBetween, _skipsSpace, _tool, HasAnnounced) = (false, false, null, false);
    }

    /// <summary>Text that was read and belongs to no call.</summary>
    public string TakeRaw()
    {
        string raw = _raw.ToString();
        _raw.Clear();
        return raw;
    }

    /// <summary>Gives a whole call.</summary>
    public void Give(string name, string arguments)
    {
        _tool = tools.First(tool => tool.Name == name);
        Announce();
        Argue(arguments);
        EndCall();
    }

    /// <summary>Reads as far as it can; gives the rest.</summary>
    public string Read(string pending, bool isEnd, out Outcome outcome)
    {
        while (true)
        {
            if (_parts.Count == 0 && !_isBetween) EndCall();
            if (_isBetween)
            {
                if (!format.HasList)
                {
                    outcome = Outcome.Ends;
                    return pending;
                }
                if (ReadBetween(ref pending, isEnd, out outcome)) continue;
                return pending;
            }
            int before = pending.Length;
            string all = pending;
            bool isDone = Step(ref pending, isEnd, out bool fails);
            if (!HasAnnounced) _raw.Append(all, 0, before - pending.Length);
            if (fails)
            {
                if (_tool is not null && HasOpenCall)
                {
                    // Its name and arguments are known: what should come after them does not matter.
                    _parts.Clear();
                    EndCall();
                    outcome = Outcome.Ends;
                    return pending;
                }
                outcome = HasAnnounced ? Outcome.Ends : Outcome.Fails;
                return pending;
            }
            if (isDone) continue;
            outcome = Outcome.Waits;
            if (!isEnd) return pending;
            if (HasOpenCall)
            {
                FlushParameters();
                EndCall(); // cut off: as far as it came
                outcome = Outcome.Ends;
                return "";
            }
            outcome = Outcome.Fails;
            return pending;
        }
    }

    private bool HasOpenCall { get; set; }

    /// <returns>Whether the part is done.</returns>
    private bool Step(ref string pending, bool isEnd, out bool fails)
    {
        fails = false;
        CallPart part = _parts.Peek();
        if (_skipsSpace && part is not ParametersPart) pending = pending.TrimStart();
        switch (part)
        {
            case TextPart text:
                switch (FlexibleText.Match(pending, text.Text, out int length))
                {
                    case TextMatch.No:
                        fails = true;
                        return false;
                    case TextMatch.Partly:
                        fails = isEnd && !HasOpenCall;
                        return false;
                    default:
                        pending = pending[length..];
                        _skipsSpace = text.Text.Length > 0 && char.IsWhiteSpace(text.Text[^1]);
                        _parts.Pop();
                        return true;
                }
            case EitherPart either:
                return Choose(either, ref pending, isEnd, out fails);
            case IdPart:
                int id = CountOf(pending, c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');
                if (id == pending.Length && !isEnd) return false;
                pending = pending[id..];
                _parts.Pop();
                return true;
            case NamePart:
                return ReadName(ref pending, isEnd, out fails);
            case JsonPart:
                return ReadJson(ref pending, out fails);
            case ValuesPart values:
                return ReadValues(values.Notation, ref pending, isEnd, out fails);
            default:
                return ReadParameters((ParametersPart)part, ref pending, isEnd, out fails);
        }
    }

    private bool Choose(EitherPart either, ref string pending, bool isEnd, out bool fails)
    {
        fails = false;
        bool waits = false;
        CallPart[]? chosen = either.Ways.FirstOrDefault(way => way.Length == 0);
        foreach (CallPart[] way in either.Ways.Where(way => way.Length > 0))
        {
            TextMatch match = FlexibleText.Match(pending, ((TextPart)way[0]).Text, out _);
            if (match == TextMatch.Whole)
            {
                _parts.Pop();
                Push(way);
                return true;
            }
            waits |= match == TextMatch.Partly;
        }
        if (waits && !isEnd) return false;
        fails = chosen is null;
        if (!fails) _parts.Pop();
        return !fails;
    }

    private bool ReadName(ref string pending, bool isEnd, out bool fails)
    {
        fails = false;
        int length = CountOf(pending, ToolDefinition.IsOfName);
        if (length == pending.Length && length <= MostNameLength && !isEnd) return false;
        string name = pending[..length];
        _tool = tools.FirstOrDefault(tool => tool.Name == name);
        fails = _tool is null;
        if (fails) return false;
        pending = pending[length..];
        _skipsSpace = false;
        _parts.Pop();
        return true;
    }

    private bool ReadJson(ref string pending, out bool fails)
    {
        fails = false;
        if (!HasOpenCall)
        {
            pending = pending.TrimStart();
            if (pending.Length == 0) return false;
            fails = pending[0] != '{';
            if (fails) return false;
            Announce();
            (_depth, _inString, _escaped) = (0, false, false);
        }
        int at = 0;
        bool isWhole = false;
        for (; at < pending.Length && !isWhole; at++)
        {
            char c = pending[at];
            if (_escaped) _escaped = false;
            else if (_inString && c == '\\') _escaped = true;
            else if (c == '"') _inString = !_inString;
            else if (!_inString && (c is '{' or '[')) _depth++;
            else if (!_inString && (c is '}' or ']')) isWhole = --_depth == 0;
        }
        Argue(pending[..at]);
        pending = pending[at..];
        if (isWhole) _parts.Pop();
        return isWhole;
    }

    private bool ReadValues(ValueNotation notation, ref string pending, bool isEnd, out bool fails)
    {
        fails = false;
        pending = pending.TrimStart();
        if (!isEnd && pending.AsSpan(Math.Min(_triedLength, pending.Length)).IndexOf(notation.Close, StringComparison.Ordinal) < 0)
        {
            _triedLength = Math.Max(0, pending.Length - notation.Close.Length);
            return false;
        }
        _triedLength = Math.Max(0, pending.Length - notation.Close.Length + 1);
        string? json = ValueReader.Read(pending, notation, out int length, out bool isCut);
        if (isCut && !isEnd) return false;
        fails = json is null;
        if (fails) return false;
        _triedLength = 0;
        Announce();
        Argue(json!);
        pending = pending[length..];
        _parts.Pop();
        return true;
    }

    private bool ReadParameters(ParametersPart part, ref string pending, bool isEnd, out bool fails)
    {
        if (_parameters is null)
        {
            Announce();
            _parameters = new ParameterReader(part, _tool!);
            Argue("{");
        }
        bool isDone = _parameters.Read(ref pending, isEnd, Argue, out fails);
        if (fails) FlushParameters();
        if (!isDone) return false;
        FlushParameters();
        _skipsSpace = true;
        _parts.Pop();
        return true;
    }

    private void FlushParameters()
    {
        if (_parameters is null) return;
        _parameters = null;
        Argue("}");
    }

    /// <returns>Whether another call follows.</returns>
    private bool ReadBetween(ref string pending, bool isEnd, out Outcome outcome)
    {
        outcome = Outcome.Waits;
        string first = format.Call[0] is TextPart text ? text.Text : "";
        bool separates = first.Length > 0 || !string.IsNullOrWhiteSpace(format.Separator);
        TextMatch another = separates ? FlexibleText.Match(pending, format.Separator + first, out _) : TextMatch.No;
        if (another == TextMatch.Whole)
        {
            FlexibleText.Match(pending, format.Separator, out int length);
            pending = pending[length..].TrimStart();
            Push(format.Call);
            (_isBetween, _skipsSpace, _tool) = (false, true, null);
            return true;
        }
        TextMatch end = string.IsNullOrWhiteSpace(format.End) ? TextMatch.No : FlexibleText.Match(pending, format.End, out _);
        if (end == TextMatch.Whole)
        {
            FlexibleText.Match(pending, format.End, out int length);
            pending = pending[length..];
            outcome = Outcome.Ends;
            return false;
        }
        if (!isEnd && (another == TextMatch.Partly || end == TextMatch.Partly)) return false;
        if (isEnd && (another == TextMatch.Partly || end == TextMatch.Partly)) pending = "";
        outcome = Outcome.Ends;
        return false;
    }

    private void Announce()
    {
        if (HasOpenCall) return;
        HasOpenCall = HasAnnounced = true;
        _skipsSpace = false;
        _raw.Clear();
        _arguments.Clear();
        _id = format.NewId();
        given.Add(new AnswerPart(AnswerPartKind.CallBegin, _tool!.Name, _calls.Count, _id) { Tool = _tool.Name });
    }

    private void Argue(string text)
    {
        if (text.Length == 0) return;
        _arguments.Append(text);
        given.Add(new AnswerPart(AnswerPartKind.CallArguments, text, _calls.Count) { Tool = _tool!.Name });
    }

    private void EndCall()
    {
        _isBetween = true;
        if (!HasOpenCall) return;
        HasOpenCall = false;
        given.Add(new AnswerPart(AnswerPartKind.CallEnd, "", _calls.Count) { Tool = _tool!.Name });
        _calls.Add(new ChatToolCall(_id, _tool!.Name, _arguments.ToString()));
    }

    private void Push(CallPart[] parts)
    {
        for (int i = parts.Length - 1; i >= 0; i--) _parts.Push(parts[i]);
    }

    private static int CountOf(string text, Func<char, bool> belongs)
    {
        int count = 0;
        while (count < text.Length && belongs(text[count])) count++;
        return count;
    }
}
