using System.Text.Json;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Phonemes;

/// <summary>The phonemes of the reference front end, text by text, and those of docs/phonemes.md where ours are better.</summary>
public sealed class ReferenceTests(ITestOutputHelper output) : IDisposable
{
    private const int MostImprovements = 45, MostOthers = 8;

    private readonly Phonemizer _phonemizer =
        Phonemizer.Open(SharedFolder.Require("models", "voice-heart"), new PhonemizerOptions { Marks = true });

    private static string Document => Path.Combine(SharedFolder.RepositoryRoot, "docs", "phonemes.md");

    public void Dispose() => _phonemizer.Dispose();

    [Fact]
    public void Texts_have_the_phonemes_of_the_reference_or_better_ones()
    {
        Dictionary<string, Row> improvements = Rows().ToDictionary(static row => row.Text);
        var others = new List<string>();
        int count = 0;
        foreach (string line in File.ReadLines(SharedFolder.Require("golden", "tts", "g2p.jsonl")))
        {
            using var json = JsonDocument.Parse(line);
            string text = json.RootElement.GetProperty("text").GetString()!;
            string expected = string.Join(' ',
                json.RootElement.GetProperty("sentences").EnumerateArray()
                    .Select(static sentence => sentence.GetProperty("phonemes").GetString()));
            string ours = Phonemes(text);
            count++;
            if (improvements.TryGetValue(text, out Row? row)) Assert.Equal(expected, row.Reference);
            else if (ours != expected) others.Add($"{text}\n  {expected}\n  {ours}");
        }
        foreach (string other in others) output.WriteLine(other);
        Assert.Equal(266, count);
        Assert.InRange(others.Count, 0, MostOthers);
    }

    /// <summary>With EDGELLM_UPDATE=1 the document gets what is read now: look at the difference.</summary>
    [Fact]
    public void Texts_of_the_document_are_read_as_it_says()
    {
        Row[] rows = [.. Rows()];
        Assert.InRange(rows.Length, 40, MostImprovements);
        if (Environment.GetEnvironmentVariable("EDGELLM_UPDATE") == "1")
        {
            string document = File.ReadAllText(Document);
            foreach (Row row in rows) document = document.Replace(row.Line, row.With(Phonemes(row.Text)), StringComparison.Ordinal);
            File.WriteAllText(Document, document);
            rows = [.. Rows()];
        }
        Assert.All(rows, row => Assert.Equal(row.Ours, Phonemes(row.Text)));
        Assert.All(rows, static row => Assert.NotEqual(row.Reference, row.Ours));
        Assert.All(rows, static row => Assert.NotEmpty(row.Why));
    }

    [Fact]
    public void Unknown_words_have_the_phonemes_of_the_reference_net()
    {
        int count = 0;
        foreach (string line in File.ReadLines(SharedFolder.Require("golden", "tts", "oov.tsv")))
        {
            string[] fields = line.Split('\t');
            string ours = _phonemizer.ReadUnknown(fields[0]);
            count++;
            if (fields[0].Length <= UnknownWords.Window) Assert.Equal(fields[1], ours);
            else Assert.InRange(ours.Length, fields[1].Length + 1, 2 * fields[0].Length); // the reference cuts them
        }
        Assert.Equal(173, count);
    }

    private string Phonemes(string text) => string.Join(' ', _phonemizer.Read(text).Select(static sentence => sentence.Phonemes));

    /// <summary>The rows of the document's last table.</summary>
    private static IEnumerable<Row> Rows()
    {
        string document = File.ReadAllText(Document);
        foreach (string line in document[document.IndexOf("| text | reference", StringComparison.Ordinal)..].Split('\n',
            StringSplitOptions.RemoveEmptyEntries).Skip(2))
        {
            string[] cells = [.. line.Replace("\\|", "\u0001", StringComparison.Ordinal).Trim('|').Split('|')
                .Select(static cell => cell.Trim().Replace('\u0001', '|').Replace("\\\\", "\\", StringComparison.Ordinal))];
            yield return new Row(line, cells[0], cells[1], cells[2], cells[3]);
        }
    }

    private sealed record Row(string Line, string Text, string Reference, string Ours, string Why)
    {
        public string With(string ours) => $"| {Escaped(Text)} | {Escaped(Reference)} | {Escaped(ours)} | {Escaped(Why)} |";

        private static string Escaped(string text) =>
            text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("|", "\\|", StringComparison.Ordinal);
    }
}
