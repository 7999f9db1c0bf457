namespace EdgeLlm.Tokenization;

/// <summary>
/// Of all ways to write a text in tokens the one with the highest sum of scores (log probabilities), found by Viterbi's algorithm:
/// SentencePiece's Unigram.
/// </summary>
internal sealed class UnigramModel
{
    private const float UnknownPenalty = 10; // below the lowest score, as in SentencePiece

    private readonly Vocabulary _vocabulary;
    private readonly PrefixIndex _index;
    private readonly int _unknown;
    private readonly double _unknownScore;
    private readonly bool _fallsBackToBytes;

    /// <param name="fallsBackToBytes">Whether what is unknown is written in byte tokens, where there are all of them.</param>
    /// <param name="isUsed">Which tokens text may become.</param>
    public UnigramModel(Vocabulary vocabulary, int unknown, bool fallsBackToBytes, Func<int, bool> isUsed)
    {
        (_vocabulary, _unknown, _fallsBackToBytes) =
            (vocabulary, unknown, fallsBackToBytes && Enumerable.Range(0, 256).All(value => vocabulary.ByteToken((byte)value) >= 0));
        _index = new PrefixIndex(vocabulary.Data.Tokens,
            Enumerable.Range(0, vocabulary.Count).Where(id => isUsed(id) && !vocabulary[id].IsEmpty));
        _unknownScore = Enumerable.Range(0, vocabulary.Count)
            .Where(id => vocabulary.TypeOf(id) == TokenType.Normal).Select(vocabulary.ScoreOf).DefaultIfEmpty().Min() - UnknownPenalty;
    }

    /// <summary>Appends the ids of a text.</summary>
    public void Encode(ReadOnlySpan<byte> input, List<int> output)
    {
        // The best way to reach each position: its score, the last token and where that starts.
        var scores = new double[input.Length + 1];
        var tokens = new int[input.Length + 1];
        var starts = new int[input.Length + 1];
        scores.AsSpan(1).Fill(double.NegativeInfinity);
        List<int> found = [];
        for (int position = 0; position < input.Length;)
        {
            int width = Utf8.WidthAt(input, position);
            bool characterIsToken = false;
            _index.Find(input[position..], found);
            foreach (int id in found)
            {
                int length = _vocabulary[id].Length;
                characterIsToken |= length == width;
                Reach(position + length, id, _vocabulary.TypeOf(id) == TokenType.UserDefined ? 0 : _vocabulary.ScoreOf(id), position);
            }
            if (!characterIsToken) Reach(position + width, _unknown, _unknownScore, position);
            position += width;
        }

        int first = output.Count;
        bool wasUnknown = false;
        for (int end = input.Length; end > 0; end = starts[end])
        {
            bool isUnknown = tokens[end] == _unknown;
            if (isUnknown && _fallsBackToBytes)
            {
                for (int i = end - 1; i >= starts[end]; i--) output.Add(_vocabulary.ByteToken(input[i]));
            }
            else if (!isUnknown || !wasUnknown)
            {
                output.Add(tokens[end]);
            }
            wasUnknown = isUnknown;
        }
        output.Reverse(first, output.Count - first);

        void Reach(int position, int token, double score, int from)
        {
            if (scores[from] + score <= scores[position]) return;
            (scores[position], tokens[position], starts[position]) = (scores[from] + score, token, from);
        }
    }
}
