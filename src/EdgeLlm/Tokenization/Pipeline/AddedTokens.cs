using System.Buffers;
using System.Text;
using EdgeLlm.Tokenization.Patterns;

namespace EdgeLlm.Tokenization.Pipeline;

/// <summary>
/// Finds tokens in a text: at each place, from its start, the longest. What they take of the white space beside them belongs to them.
/// </summary>
internal sealed class AddedTokens
{
    private static readonly CodePointClass WordCharacter = new PatternParser(@"\w", Dialect.Oniguruma).ParseOnlyClass();

    private readonly Vocabulary _vocabulary;
    private readonly Dictionary<int, AddedToken> _tokens = [];
    private readonly List<int> _ids = []; // of the entries of _index
    private readonly Utf8Strings _texts = new();
    private readonly PrefixIndex _index;
    private readonly SearchValues<byte> _firstBytes;

    /// <param name="normalize">What changes the tokens' texts as it changes those that they are looked for in; null: nothing.</param>
    public AddedTokens(Vocabulary vocabulary, IEnumerable<AddedToken> tokens, Func<byte[], byte[]>? normalize)
    {
        _vocabulary = vocabulary;
        foreach (AddedToken token in tokens)
        {
            byte[] text = vocabulary[token.Id].ToArray();
            if (normalize is not null) text = normalize(text);
            if (text.Length == 0) continue;
            _tokens[token.Id] = token;
            _ids.Add(token.Id);
            _texts.Add(text);
        }
        _index = new PrefixIndex(_texts, Enumerable.Range(0, _texts.Count));
        _firstBytes = SearchValues.Create([.. Enumerable.Range(0, _texts.Count).Select(i => _texts[i][0]).Distinct()]);
    }

    /// <summary>
    /// Cuts a text. User-defined tokens are always taken, the others if <paramref name="parseSpecial"/>; none that touches one of
    /// <paramref name="literals"/> but those that are nothing but white space.
    /// </summary>
    public List<SpecialTokens.Fragment> Split(ReadOnlySpan<byte> text, bool parseSpecial, ReadOnlySpan<(int Start, int End)> literals)
    {
        List<SpecialTokens.Fragment> fragments = [];
        List<int> found = [];
        int done = 0;
        for (int position = 0; position < text.Length;)
        {
            int skipped = text[position..].IndexOfAny(_firstBytes);
            if (skipped < 0) break;
            position += skipped;
            _index.Find(text[position..], found);
            int match = found.FindLastIndex(entry => IsTaken(_ids[entry], parseSpecial));
            if (match < 0)
            {
                position++;
                continue;
            }
            int id = _ids[found[match]], start = position, end = position + _texts[found[match]].Length;
            position = end;
            AddedToken token = _tokens[id];
            if (token.IsSingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..]))) continue;
            if (!IsPlain(id) && SpecialTokens.Touches(literals, start, end)) continue;
            while (token.StripsLeft && start > done && Rune.DecodeLastFromUtf8(text[done..start], out Rune before, out int width)
                == OperationStatus.Done && Rune.IsWhiteSpace(before))
                start -= width;
            while (token.StripsRight && end < text.Length
                && Rune.DecodeFromUtf8(text[end..], out Rune after, out int width) == OperationStatus.Done && Rune.IsWhiteSpace(after))
                end += width;
            if (start > done) fragments.Add(new SpecialTokens.Fragment(done, start - done, -1));
            fragments.Add(new SpecialTokens.Fragment(start, end - start, id));
            done = end;
        }
        if (done < text.Length) fragments.Add(new SpecialTokens.Fragment(done, text.Length - done, -1));
        return fragments;
    }

    private bool IsTaken(int id, bool parseSpecial) => parseSpecial || _vocabulary.TypeOf(id) == TokenType.UserDefined;

    private bool IsPlain(int id) => _vocabulary.TypeOf(id) == TokenType.UserDefined && !_vocabulary.IsMarkup(id);

    private static bool StartsWithWord(ReadOnlySpan<byte> text) => !text.IsEmpty && WordCharacter.WidthAt(text, 0) > 0;

    private static bool EndsWithWord(ReadOnlySpan<byte> text) =>
        !text.IsEmpty && WordCharacter.WidthAt(text, Utf8.Previous(text, text.Length)) > 0;
}
