namespace EdgeLlm.Generation;

/// <summary>
/// Lets text through up to a stop string, and holds back text that may become one. Allocates nothing once its buffer has grown to the
/// longest text.
/// </summary>
internal sealed class StopMatcher(IReadOnlyList<string> stops)
{
    private IReadOnlyList<string> _stops = stops;
    private char[] _buffer = new char[128]; // what was given last, then what is held back
    private int _held;
    private int _end;

    /// <summary>The stop string that came; null: none did.</summary>
    public string? Matched { get; private set; }

    /// <summary>
    /// Appends text; gives what is certain not to belong to a stop string, and whether one has come. Valid until the next call.
    /// </summary>
    public ReadOnlySpan<char> Append(ReadOnlySpan<char> text, out bool stopped)
    {
        stopped = false;
        _buffer.AsSpan(_held, _end - _held).CopyTo(_buffer);
        (_held, _end) = (0, _end - _held);
        if (_buffer.Length < _end + text.Length) Array.Resize(ref _buffer, 2 * (_end + text.Length));
        text.CopyTo(_buffer.AsSpan(_end));
        _end += text.Length;
        ReadOnlySpan<char> all = _buffer.AsSpan(0, _end);
        int first = -1, keep = 0;
        for (int i = 0; i < _stops.Count; i++)
        {
            int at = all.IndexOf(_stops[i], StringComparison.Ordinal);
            if (at >= 0 && (first < 0 || at < first)) (first, Matched) = (at, _stops[i]);
            keep = Math.Max(keep, LongestOverlap(all, _stops[i]));
        }
        stopped = first >= 0;
        if (stopped) _held = _end = 0;
        else _held = _end - keep;
        return stopped ? all[..first] : all[.._held];
    }

    /// <summary>Lets all text through from now on.</summary>
    public void Ignore() => _stops = [];

    /// <summary>The text that is still held back, at the end of the answer.</summary>
    public ReadOnlySpan<char> Flush()
    {
        ReadOnlySpan<char> rest = _buffer.AsSpan(_held, _end - _held);
        _held = _end;
        return rest;
    }

    /// <summary>The longest end of the text that a stop string begins with.</summary>
    private static int LongestOverlap(ReadOnlySpan<char> text, string stop)
    {
        for (int length = Math.Min(stop.Length - 1, text.Length); length > 0; length--)
        {
            if (text[^length..].SequenceEqual(stop.AsSpan(0, length))) return length;
        }
        return 0;
    }
}
