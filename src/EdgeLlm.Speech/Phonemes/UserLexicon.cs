using System.Text;
using System.Text.Unicode;
using EdgeLlm.Files;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// A user's own words and how they are spoken. A file in UTF-8: a word, a tab, its phonemes in the International Phonetic Alphabet a line;
/// `#` begins a comment. A word in small letters is found in any case, another only as it is written.
/// </summary>
public sealed class UserLexicon
{
    private readonly string _source;
    private readonly Dictionary<string, (string Ipa, int Line)> _words = [];

    private UserLexicon(string source) => _source = source;

    /// <summary>Number of words.</summary>
    public int Count => _words.Count;

    /// <summary>Reads a lexicon's file.</summary>
    /// <exception cref="IOException">It can't be read, or has more than 16 MiB.</exception>
    /// <exception cref="PhonemeException">It is not UTF-8, or a line is not as it should be: the message has its number.</exception>
    public static UserLexicon Open(string path)
    {
        byte[] bytes = InputFile.Read(path, InputFile.MostSettingsBytes);
        return Utf8.IsValid(bytes) ? Parse(Encoding.UTF8.GetString(bytes), path)
            : throw new PhonemeException($"{Printable.Line(path)}: is not valid UTF-8");
    }

    /// <summary>Reads a lexicon's text.</summary>
    /// <param name="source">What messages call it.</param>
    /// <exception cref="PhonemeException">A line is not as it should be.</exception>
    public static UserLexicon Parse(string text, string source)
    {
        var lexicon = new UserLexicon(Printable.Line(source));
        int number = 0;
        foreach (string untrimmed in text.TrimStart('\uFEFF').Split('\n'))
        {
            number++;
            string line = untrimmed.TrimEnd('\r', ' ');
            if (line.Length == 0 || line[0] == '#' || string.IsNullOrWhiteSpace(line)) continue;
            int tab = line.IndexOf('\t', StringComparison.Ordinal);
            if (tab < 0) throw lexicon.Error(number, "has no tab between the word and its phonemes");
            string word = ReadableText.Compose(line[..tab].Trim()), ipa = line[(tab + 1)..].Trim();
            if (word.Length == 0) throw lexicon.Error(number, "has no word before the tab");
            if (word.Any(char.IsWhiteSpace)) throw lexicon.Error(number, $"'{Printable.Line(word, 60)}' is more than one word");
            if (ipa.Length == 0) throw lexicon.Error(number, $"'{Printable.Line(word, 60)}' has no phonemes");
            if (!lexicon._words.TryAdd(word, (ipa, number)))
                throw lexicon.Error(number, $"'{Printable.Line(word, 60)}' is there already, in line {lexicon._words[word].Line}");
        }
        return lexicon;
    }

    /// <summary>The words in a voice's signs.</summary>
    /// <exception cref="PhonemeException">A word has a sign that the voice lacks.</exception>
    internal Dictionary<string, string> For(VoiceSigns voice)
    {
        var words = new Dictionary<string, string>(_words.Count);
        foreach ((string word, (string ipa, int line)) in _words)
        {
            try
            {
                words.Add(word, IpaSigns.Read(ipa, voice));
            }
            catch (PhonemeException exception)
            {
                throw Error(line, $"'{Printable.Line(word, 60)}': {exception.Message}");
            }
        }
        return words;
    }

    private PhonemeException Error(int line, string problem) => new($"{_source}, line {line}: {problem}");
}
