namespace EdgeLlm.Sampling;

/// <summary>The last tokens of a text, as one contiguous span: twice the room, and a move to the front when it is used up.</summary>
internal sealed class TokenWindow(int capacity)
{
    private readonly int[] _tokens = new int[2 * capacity];
    private int _start;
    private int _end;

    /// <summary>Oldest first.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(_start, _end - _start);

    public bool IsFull => _end - _start == capacity;

    /// <summary>Appends a token; of a full window the oldest leaves.</summary>
    public void Add(int token)
    {
        if (IsFull) _start++;
        if (_end == _tokens.Length)
        {
            Tokens.CopyTo(_tokens);
            _end -= _start;
            _start = 0;
        }
        _tokens[_end++] = token;
    }

    public void Clear() => _start = _end = 0;
}
