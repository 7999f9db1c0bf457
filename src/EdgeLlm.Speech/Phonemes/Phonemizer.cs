using System.Text.RegularExpressions;
using EdgeLlm.Gguf;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>How a text is read.</summary>
public sealed record PhonemizerOptions
{
    /// <summary>Words that are read as the user says, or null.</summary>
    public UserLexicon? Lexicon { get; init; }

    /// <summary>Whether `[word](/phonemes/)` is read as the phonemes say. Otherwise only the word is read, as of any link.</summary>
    public bool Marks { get; init; }

    /// <summary>Receives each run of letters that are left out because the voice does not know their script.</summary>
    public Action<string>? Skipped { get; init; }
}

/// <summary>
/// Turns English text into the phonemes of a voice: sentences, numbers and symbols in words, parts of speech, dictionaries, rules, and a
/// small net for words that neither has.
/// </summary>
/// <remarks>Not safe for several threads at once.</remarks>
public sealed partial class Phonemizer : IDisposable
{
    private readonly GgufFile? _file;
    private readonly PhonemizerOptions _options;
    private readonly VoiceSigns _signs;
    private readonly Normalizer _normalizer;
    private readonly WordTokenizer _tokenizer;
    private readonly Tagger _tagger;
    private readonly Lexicon _lexicon;
    private readonly SentenceReader _reader;
    private readonly UnknownWords _unknown;

    internal Phonemizer(TextParts parts, PhonemizerOptions? options = null, GgufFile? file = null)
    {
        (_file, _options) = (file, options ?? new PhonemizerOptions());
        _signs = new VoiceSigns(parts);
        Dictionary<string, string>? own = _options.Lexicon?.For(_signs);
        _normalizer = new Normalizer(new NormalizationRules(parts.Table(TextParts.Rules)));
        _tokenizer = new WordTokenizer(parts.Table(TextParts.Exceptions));
        _tagger = new Tagger(parts);
        _lexicon = new Lexicon(parts, own);
        _unknown = new UnknownWords(parts);
        _reader = new SentenceReader(_lexicon, _unknown);
    }

    /// <summary>The signs that the voice has.</summary>
    internal VoiceSigns Signs => _signs;

    /// <summary>Work so far: look-ups in dictionaries.</summary>
    internal long LookUps => _lexicon.Work;

    /// <summary>Work so far: multiply-adds of the net for unknown words.</summary>
    internal long MultiplyAdds => _unknown.Work;

    /// <summary>Opens the text part of a voice: a packed file, or the folder as it is published.</summary>
    /// <exception cref="ModelException">It is not a voice, or something in it is not as it should be.</exception>
    /// <exception cref="PhonemeException">The user's lexicon has a sign that the voice lacks.</exception>
    /// <exception cref="IOException">A file is missing or can't be read.</exception>
    public static Phonemizer Open(string path, PhonemizerOptions? options = null)
    {
        if (Directory.Exists(path)) return new Phonemizer(TextFolder.Read(path), options);
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new Phonemizer(TextParts.Of(file), options, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The sentences of a text, each read when it is asked for. The text may be of any length.</summary>
    /// <param name="text">The text.</param>
    /// <param name="markdown">Whether the text is Markdown, whose marks are not read.</param>
    /// <exception cref="PhonemeException">A mark has a sign that the voice lacks.</exception>
    public IEnumerable<SpokenSentence> Read(string text, bool markdown = false)
    {
        foreach (TextSentence sentence in SentenceSplitter.Split(text, markdown)) yield return Read(sentence);
    }

    /// <summary>The sentences of SSML where the text begins with `&lt;speak`, else of the text.</summary>
    /// <exception cref="PhonemeException">The SSML is not well formed or asks for more than it may.</exception>
    public IEnumerable<SpokenSentence> ReadMarkup(string text)
    {
        if (!SpeechMarkup.Is(text)) return Read(text);
        return ReadParts(SpeechMarkup.Read(text));
    }

    /// <summary>Reads a sentence, as <see cref="SentenceSplitter"/> cuts them.</summary>
    /// <exception cref="PhonemeException">A mark has a sign that the voice lacks.</exception>
    public SpokenSentence Read(TextSentence sentence) => Read(sentence, rate: 1, silence: null);

    /// <summary>
    /// Phonemes in the International Phonetic Alphabet or in the voice's signs as one sentence: what `say --phonemes` speaks.
    /// </summary>
    /// <exception cref="PhonemeException">They have a sign that the voice lacks.</exception>
    public SpokenSentence ReadPhonemes(string ipa)
    {
        string phonemes = IpaSigns.Read(ipa, _signs);
        return new SpokenSentence { Text = ipa, Normalized = ipa, Tokens = [], Phonemes = phonemes, Pieces = Pieces(phonemes) };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _unknown.Dispose();
        _file?.Dispose();
    }

    /// <summary>Phonemes that the net for unknown words gives a word.</summary>
    internal string ReadUnknown(string word) => _unknown.Read(word);

    private IEnumerable<SpokenSentence> ReadParts(IReadOnlyList<MarkupPart> parts)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            TextSentence[] sentences = [.. SentenceSplitter.Split(parts[i].Text)];
            for (int k = 0; k < sentences.Length; k++)
            {
                TextSentence sentence = sentences[k];
                bool endsPart = k == sentences.Length - 1;
                if (endsPart && i < parts.Count - 1 && parts[i].Text.AsSpan().TrimEnd() is [.., '.' or '!' or '?' or '…'])
                    sentence = sentence with { Pause = SpeechPause.Sentence };
                yield return Read(sentence, parts[i].Rate, endsPart ? parts[i].Break : null);
            }
            if (sentences.Length == 0 && parts[i].Break is not null)
                yield return new SpokenSentence
                {
                    Text = "",
                    Normalized = "",
                    Tokens = [],
                    Phonemes = "",
                    Pieces = [],
                    Break = parts[i].Break
                };
        }
    }

    private SpokenSentence Read(TextSentence sentence, double rate, double? silence)
    {
        var tokens = new List<WordToken>();
        string text = sentence.Text, normalized = "";
        int copied = 0;
        if (_options.Marks)
        {
            foreach (Match mark in Mark().Matches(text))
            {
                normalized += AddTokens(text[copied..mark.Index], tokens);
                copied = mark.Index + mark.Length;
                bool space = copied < text.Length && char.IsWhiteSpace(text[copied]);
                tokens.Add(
                    new WordToken(mark.Groups[1].Value, space) { Tag = "NN", Phonemes = IpaSigns.Read(mark.Groups[2].Value, _signs) });
                normalized += mark.Groups[1].Value + (space ? " " : "");
            }
        }
        normalized += AddTokens(text[copied..], tokens);
        Homographs.CorrectTags(tokens, _lexicon.IsVerb);
        Homographs.Choose(tokens);
        string phonemes = _reader.Read(tokens);
        if (phonemes.Length > 0 && phonemes[^1] is not ('.' or '!' or '?' or '…') && LastHalfOfDay().IsMatch(text)) phonemes += ".";
        return new SpokenSentence
        {
            Text = text,
            Normalized = normalized,
            Tokens = [.. tokens.Select(static token => new SpokenToken(token.Text, token.Tag, token.Space))],
            Phonemes = phonemes,
            Pieces = Pieces(phonemes),
            Pause = sentence.Pause,
            Break = silence,
            Rate = rate,
        };
    }

    /// <summary>Adds the tokens of a text, with their tags.</summary>
    /// <returns>The text in words.</returns>
    private string AddTokens(string text, List<WordToken> tokens)
    {
        string readable = ReadableText.Prepare(Link().Replace(text, "$1"), _options.Skipped);
        string normalized = _normalizer.Normalize(readable);
        int first = tokens.Count;
        _tokenizer.Cut(normalized, tokens);
        _tagger.Tag(tokens.GetRange(first, tokens.Count - first).ToArray());
        bool space = tokens.Count > first && readable.Length > 0 && char.IsWhiteSpace(readable[^1]);
        if (space) tokens[^1].Space = true; // before a mark
        return space ? normalized + " " : normalized;
    }

    private IReadOnlyList<SpokenPiece> Pieces(string phonemes) =>
        [.. PhonemePieces.Cut(phonemes).Select(piece => new SpokenPiece(piece, _signs.Ids(piece)))
            .Where(static piece => piece.Ids.Count > 2)];

    [GeneratedRegex(@"\[([^\[\]]{1,200})\]\(/([^()/]{1,200})/\)")]
    private static partial Regex Mark();

    // Its dot is the sentence's, too.
    [GeneratedRegex(@"(?<![\p{L}\p{N}_.])\d{0,2} ?[aApP]\.?[mM]\.\s*$")]
    private static partial Regex LastHalfOfDay();

    [GeneratedRegex(@"\[([^\[\]]{1,400})\]\((?:[^()\s]|\([^()\s]{0,200}\)){0,2000}\)")]
    private static partial Regex Link();
}
