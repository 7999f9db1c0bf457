using EdgeLlm.Tokenization;

namespace EdgeLlm.HuggingFace;

/// <summary>A vocabulary being put together: a token for each row of the model's embedding.</summary>
/// <param name="file">Where the tokens come from, for messages.</param>
/// <param name="rows">Rows of the embedding.</param>
internal sealed class VocabularyTable(string file, int rows)
{
    private const float UnusedScore = -10_000; // as llama.cpp's converter has it

    private readonly List<string?> _tokens = [];
    private readonly List<TokenType> _types = [];
    private readonly List<float> _scores = [];
    private readonly Dictionary<string, int> _ids = [];

    public int Count => _tokens.Count;

    /// <summary>Rows of the embedding.</summary>
    public int Rows => rows;

    public IReadOnlyDictionary<string, int> Ids => _ids;

    /// <summary>Puts a token at its id, in the place of one that is there.</summary>
    /// <exception cref="ModelException">The embedding has no row for it.</exception>
    public void Set(long id, string token, TokenType type, float score)
    {
        if (id < 0 || id >= rows)
            throw new ModelException(file,
                $"token '{FolderFile.Printable(token)}' has the id {id}, and the model's embedding has {rows} rows");
        while (_tokens.Count <= id)
        {
            _tokens.Add(null);
            _types.Add(TokenType.Unused);
            _scores.Add(UnusedScore);
        }
        int index = (int)id;
        if (_tokens[index] is { } before) _ids.Remove(before);
        (_tokens[index], _types[index], _scores[index]) = (token, type, score);
        _ids[token] = index;
    }

    /// <summary>
    /// Note on a token that was added after the embedding got its size (a `[PAD]` one past it is common) and is left out.
    /// </summary>
    public static string NoteBeyond(string file, string token, long id, int rows) =>
        $"{file}: token '{FolderFile.Printable(token)}' has the id {id}, and the model's embedding has {rows} rows: the model can't know "
            + "it, and it is left out";

    public void SetType(int id, TokenType type) => _types[id] = type;

    public void SetScore(int id, float score) => _scores[id] = score;

    public void SetText(int id, string text) => _tokens[id] = text;

    public string? TextOf(int id) => _tokens[id];

    public TokenType TypeOf(int id) => _types[id];

    public float ScoreOf(int id) => _scores[id];

    public int? Find(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    /// <summary>All tokens; rows without one get a name that no text has.</summary>
    public Utf8Strings Tokens() =>
        Utf8Strings.From([.. Enumerable.Range(0, rows).Select(id => id < Count && _tokens[id] is { } token ? token : $"[PAD{id}]")]);

    public int[] Types() => [.. Enumerable.Range(0, rows).Select(id => (int)(id < Count ? _types[id] : TokenType.Unused))];

    public float[] Scores() => [.. Enumerable.Range(0, rows).Select(id => id < Count ? _scores[id] : UnusedScore)];
}
