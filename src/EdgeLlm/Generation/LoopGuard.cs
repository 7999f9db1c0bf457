namespace EdgeLlm.Generation;

/// <summary>
/// Notices an answer that repeats itself without end: its last tokens are 8 times the same block, 64 tokens or more together. Small models
/// get there at low temperatures. A list, a table or a refrain has something new in each line; eight equal blocks have not.
/// </summary>
internal sealed class LoopGuard
{
    /// <summary>Tokens of the longest block that is looked for.</summary>
    public const int LongestBlock = 64;

    private const int Repeats = 8;

    // Fewer tokens would not make 64 eight times over; a shorter block that repeats is one of these lengths several times over.
    private const int ShortestBlock = 64 / Repeats;

    private readonly int[] _recent = new int[LongestBlock]; // a ring
    private readonly int[] _equal = new int[LongestBlock + 1]; // [block]: how many of the last tokens equal the one a block before
    private int _count;

    /// <summary>Takes the next token of the answer, and says whether the answer is in a loop.</summary>
    public bool Add(int token)
    {
        bool loops = false;
        for (int block = ShortestBlock; block <= LongestBlock; block++)
        {
            bool equal = _count >= block && _recent[(_count - block) % LongestBlock] == token;
            _equal[block] = equal ? _equal[block] + 1 : 0;
            loops |= _equal[block] >= (Repeats - 1) * block;
        }
        _recent[_count++ % LongestBlock] = token;
        return loops;
    }
}
