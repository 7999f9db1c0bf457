using System.Text;
using EdgeLlm.Gguf;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Turns English text into the phonemes of a voice: sentences, numbers and symbols in words, parts of speech, dictionaries, rules, and a small net for words
/// that neither has.
/// </summary>
/// <remarks>Not safe for several threads at once.</remarks>
public sealed class Phonemizer : IDisposable
{
    private readonly GgufFile? _file;
    private readonly Normalizer _normalizer;
    private readonly WordTokenizer _tokenizer;
    private readonly Tagger _tagger;
    private readonly SentenceReader _reader;
    private readonly UnknownWords _unknown;

    internal Phonemizer(TextParts parts, GgufFile? file = null)
    {
        _file = file;
        Signs = new VoiceSigns(parts);
        _normalizer = new Normalizer(new NormalizationRules(parts.Table(TextParts.Rules)));
        _tokenizer = new WordTokenizer(parts.Table(TextParts.Exceptions));
        _tagger = new Tagger(parts);
        _unknown = new UnknownWords(parts);
        _reader = new SentenceReader(new Lexicon(parts), _unknown);
    }

    /// <summary>The signs that the voice has.</summary>
    internal VoiceSigns Signs { get; }

    /// <summary>Opens the text part of a voice: a packed file, or the folder as it is published.</summary>
    /// <exception cref="ModelException">It is not a voice, or something in it is not as it should be.</exception>
    /// <exception cref="IOException">A file is missing or can't be read.</exception>
    public static Phonemizer Open(string path)
    {
        if (Directory.Exists(path)) return new Phonemizer(TextFolder.Read(path));
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new Phonemizer(TextParts.Of(file), file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The sentences of a text, each read when it is asked for.</summary>
    public IEnumerable<SpokenSentence> Read(string text)
    {
        foreach (string sentence in Sentences.Cut(ReadableText.Prepare(text))) yield return ReadSentence(sentence, SpeechPause.Sentence);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _unknown.Dispose();
        _file?.Dispose();
    }

    /// <summary>Phonemes that the net for unknown words gives a word.</summary>
    internal string ReadUnknown(string word) => _unknown.Read(word);

    private SpokenSentence ReadSentence(string sentence, SpeechPause pause)
    {
        string normalized = _normalizer.Normalize(sentence);
        var tokens = new List<WordToken>();
        _tokenizer.Cut(normalized, tokens);
        _tagger.Tag(tokens.ToArray());
        string phonemes = _reader.Read(tokens);
        return new SpokenSentence
        {
            Text = sentence,
            Normalized = normalized,
            Tokens = [.. tokens.Select(static token => new SpokenToken(token.Text, token.Tag, token.Space))],
            Phonemes = phonemes,
            Pieces = [.. PhonemePieces.Cut(phonemes).Select(piece => new SpokenPiece(piece, Signs.Ids(piece))).Where(static piece => piece.Ids.Count > 2)],
            Pause = pause,
        };
    }
}

/// <summary>The signs of a voice's phonemes and their numbers.</summary>
internal sealed class VoiceSigns
{
    private readonly Dictionary<char, int> _ids = [];

    public VoiceSigns(TextParts parts)
    {
        foreach (string line in Encoding.UTF8.GetString(parts[TextParts.Phonemes].Span).Split('\n'))
        {
            if (line.Length < 2 || !int.TryParse(line.AsSpan(1), out int id) || !_ids.TryAdd(line[0], id)) throw new ModelException(parts.Source, "the list of its phonemes is damaged");
        }
    }

    public bool Has(char sign) => _ids.ContainsKey(sign);

    /// <summary>0, the number of each sign that the voice has, 0.</summary>
    public int[] Ids(string phonemes)
    {
        var ids = new List<int>(phonemes.Length + 2) { 0 };
        foreach (char sign in phonemes)
        {
            if (_ids.TryGetValue(sign, out int id)) ids.Add(id);
        }
        ids.Add(0);
        return [.. ids];
    }
}
