using System.Text;
using static System.FormattableString;

namespace EdgeLlm.Tokenization;

/// <summary>A model's tokens, checked: every id in here is in range and every array long enough.</summary>
internal sealed class Vocabulary
{
    // Texts by which models that name no such id are known to end their answers (the same list as llama.cpp's).
    private static readonly string[] EndTexts =
    [
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<end_of_turn>", "<turn|>",
        "<|tool_response>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]", "<end_of_utterance>", "[e~[",
        "<｜end▁of▁sentence｜>", "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<|fim_repo|>", "<fim-repo>", "<|repo_name|>", "<reponame>",
        "<|file_sep|>",
    ];

    // As above, but ordinary text to some models; these count only where they are control tokens.
    private static readonly string[] EndTextsOfControlTokens = ["</s>", "<eos>", "[EOS]"];

    private readonly TokenIndex _index;
    private readonly TokenType[] _types;
    private readonly int[] _byteTokens = new int[256];
    private readonly int[] _endOfGeneration;

    public Vocabulary(TokenizerData data)
    {
        Data = data;
        int count = data.Tokens.Count;
        if (count == 0) throw new TokenizerException("tokenizer.ggml.tokens is empty");
        CheckLength("tokenizer.ggml.scores", data.Scores?.Length, count);
        CheckLength("tokenizer.ggml.token_type", data.TokenTypes?.Length, count);
        for (int id = 0; data.Scores is not null && id < count; id++)
        {
            if (float.IsFinite(data.Scores[id])) continue;
            throw new TokenizerException(Invariant($"tokenizer.ggml.scores[{id}] is {data.Scores[id]}, not a number"));
        }

        _index = new TokenIndex(data.Tokens);
        _types = new TokenType[count];
        for (int id = 0; id < count; id++) _types[id] = data.TokenTypes is { } types ? (TokenType)types[id] : TokenType.Normal;
        for (int value = 0; value < 256; value++)
        {
            int id = _byteTokens[value] = Find(Encoding.ASCII.GetBytes($"<0x{value:X2}>"));
            if (id >= 0 && data.TokenTypes is null) _types[id] = TokenType.Byte;
        }
        _endOfGeneration = [.. EndsOfGeneration().Distinct()];
    }

    public TokenizerData Data { get; }

    public int Count => _types.Length;

    public ReadOnlySpan<byte> this[int id] => Data.Tokens[id];

    public TokenType TypeOf(int id) => _types[id];

    /// <summary>Number of entries whose text a later entry has, too; these can't be found by their text.</summary>
    public int Duplicates => _index.Duplicates;

    /// <summary>The ids of the first two entries with the same text.</summary>
    public (int First, int Second)? FirstDuplicate => _index.FirstDuplicate;

    public float ScoreOf(int id) => Data.Scores is { } scores ? scores[id] : 0;

    /// <summary>The id of the token with these bytes, or -1.</summary>
    public int Find(ReadOnlySpan<byte> token) => _index.Find(token);

    /// <summary>As <see cref="Find"/>, but never a token that stands for something other than its text: text cannot become that.</summary>
    public int FindText(ReadOnlySpan<byte> token)
    {
        int id = Find(token);
        return id >= 0 && (_types[id] is TokenType.Control or TokenType.Unknown or TokenType.Byte || IsMarkup(id)) ? -1 : id;
    }

    /// <summary>
    /// Whether a user-defined token is more than white space or one character. Some models call runs of spaces or line breaks user defined;
    /// a user may type those, but not, say, an <c>&lt;|im_start|&gt;</c> that the file calls so.
    /// </summary>
    public bool IsMarkup(int id) => _types[id] == TokenType.UserDefined && !IsPlain(Data.Tokens[id]);

    /// <summary>Appends the tokens of a text's bytes if there are all of them.</summary>
    public bool AddBytes(ReadOnlySpan<byte> text, List<int> output)
    {
        foreach (byte value in text)
        {
            if (_byteTokens[value] < 0) return false;
        }
        foreach (byte value in text) output.Add(_byteTokens[value]);
        return true;
    }

    /// <summary>The id of <c>&lt;0xXX&gt;</c>, or -1.</summary>
    public int ByteToken(byte value) => _byteTokens[value];

    public bool IsEndOfGeneration(int id) => Array.IndexOf(_endOfGeneration, id) >= 0;

    /// <summary><paramref name="id"/> if it is one, or else <paramref name="otherwise"/> if that is one, or else null.</summary>
    public int? InRange(int? id, int? otherwise = null) =>
        (uint?)id < (uint)Count ? id : (uint?)otherwise < (uint)Count ? otherwise : null;

    private IEnumerable<int> EndsOfGeneration()
    {
        foreach (int? id in (int?[])[Data.EosId, Data.EotId, Data.EomId, Data.FimPaddingId, Data.FimRepositoryId,
            Data.FimSeparatorId, .. Data.EndIds])
        {
            if (InRange(id) is { } end) yield return end;
        }
        // In OpenAI's "harmony" <|end|> only ends a message of several.
        bool isHarmony = FindText("<|return|>") && (FindText("<|call|>") || FindText("<|calls|>"));
        foreach (string text in EndTexts)
        {
            int id = Find(Encoding.UTF8.GetBytes(text));
            if (id < 0 || isHarmony && text == "<|end|>") continue;
            _types[id] = TokenType.Control; // whatever the file says: a user who types it must not end the turn
            yield return id;
        }
        foreach (string text in EndTextsOfControlTokens)
        {
            int id = Find(Encoding.UTF8.GetBytes(text));
            if (id >= 0 && _types[id] == TokenType.Control) yield return id;
        }

        bool FindText(string text) => Find(Encoding.UTF8.GetBytes(text)) >= 0;
    }

    private static bool IsPlain(ReadOnlySpan<byte> token)
    {
        if (token.IsEmpty || Utf8.WidthAt(token, 0) == token.Length) return true;
        while (!token.IsEmpty)
        {
            Rune.DecodeFromUtf8(token, out Rune rune, out int length);
            if (!Rune.IsWhiteSpace(rune) && rune.Value != '▁') return false;
            token = token[length..];
        }
        return true;
    }

    private static void CheckLength(string field, int? length, int tokens)
    {
        if (length < tokens)
        {
            throw new TokenizerException(Invariant($"{field} has {length} values for {tokens} tokens"));
        }
    }
}
