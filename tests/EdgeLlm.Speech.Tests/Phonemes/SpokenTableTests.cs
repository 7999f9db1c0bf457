using System.Globalization;
using System.Text;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Phonemes;

/// <summary>
/// Inputs with a lexicon, marks and SSML, their phonemes and pauses: spoken.tsv (kind, text, what is spoken). EDGELLM_UPDATE=1 writes what
/// is spoken now.
/// </summary>
public sealed class SpokenTableTests : IDisposable
{
    private const string Words =
        "# our words\nzyxt\tzɪkst\nPolish\tˈpoʊlɪʃ\n\nfoo-bar\tˈfuːbɑːr\nGPT-4o\tˌdʒiːpiːtiː ˈfɔːroʊ\nnode.js\tˈnoʊd dʒeɪ "
            + "ɛs\nŁódź\twuːtʃ\nuhr\tʊɹ\n";

    private readonly Dictionary<string, Phonemizer> _phonemizers = [];

    private static string Table => Path.Combine(SharedFolder.RepositoryRoot, "tests", "EdgeLlm.Speech.Tests", "Phonemes", "spoken.tsv");

    public void Dispose()
    {
        foreach (Phonemizer phonemizer in _phonemizers.Values) phonemizer.Dispose();
    }

    [Fact]
    public void Lexicon_marks_and_markup_are_spoken_as_the_table_says()
    {
        string folder = SharedFolder.Require("models", "voice-heart");
        TextParts parts = TextFolder.Read(folder);
        foreach (string kind in (string[])["plain", "lexicon", "marks", "ssml"])
        {
            _phonemizers.Add(kind, new Phonemizer(parts,
                new PhonemizerOptions { Lexicon = kind == "lexicon" ? UserLexicon.Parse(Words, "words") : null, Marks = kind == "marks" }));
        }
        string[] lines = File.ReadAllLines(Table);
        Assert.InRange(lines.Length, 60, 100);
        var spoken = new List<string>();
        foreach (string line in lines)
        {
            string[] fields = line.Split('\t');
            spoken.Add(
                $"{fields[0]}\t{fields[1]}\t{Spoken(_phonemizers[fields[0]], fields[1].Replace("\\n", "\n", StringComparison.Ordinal))}");
        }
        if (Environment.GetEnvironmentVariable("EDGELLM_UPDATE") == "1") File.WriteAllLines(Table, spoken);
        Assert.Equal(File.ReadAllLines(Table), spoken);
    }

    /// <summary>Sentences with what differs from an ordinary one: pauses, silence, rate; or the error.</summary>
    private static string Spoken(Phonemizer phonemizer, string text)
    {
        var spoken = new StringBuilder();
        try
        {
            foreach (SpokenSentence sentence in phonemizer.ReadMarkup(text))
            {
                if (spoken.Length > 0) spoken.Append(' ');
                spoken.Append(CultureInfo.InvariantCulture, $"<{sentence.Phonemes}>");
                if (sentence.Pause != SpeechPause.None) spoken.Append(' ').Append(sentence.Pause.ToString().ToLowerInvariant());
                if (sentence.Break is { } silence) spoken.Append(CultureInfo.InvariantCulture, $" {silence} s");
                if (sentence.Rate != 1) spoken.Append(CultureInfo.InvariantCulture, $" rate {sentence.Rate}");
            }
        }
        catch (PhonemeException exception)
        {
            return "error: " + exception.Message;
        }
        return spoken.ToString();
    }
}
