using System.Text;
using System.Text.Json;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Files;

namespace EdgeLlm.Assistant.Tools;

/// <summary>Vectors of texts, each of length 1; from a model of embeddings.</summary>
internal delegate float[][] EmbedTexts(IReadOnlyList<string> texts, CancellationToken cancellation);

/// <summary>A passage of a note: some sentences, with the file that they are from.</summary>
/// <param name="File">Path within the folder.</param>
/// <param name="Text">At most <see cref="NoteIndex.MostPassage"/> characters.</param>
internal sealed record Passage(string File, string Text)
{
    /// <summary>How often each word is in it.</summary>
    public Dictionary<string, int> Words { get; } = TextTokens.Of(File + " " + Text).CountBy(static word => word).ToDictionary();

    /// <summary>Its vector; null: not made yet.</summary>
    public float[]? Vector { get; set; }
}

/// <summary>
/// Text files of a folder, cut into passages that are found by their words (BM25; Robertson and Zaragoza 2009, section 3) and, where there
/// is a model of embeddings, also by meaning; the two orders are joined by reciprocal ranks (Cormack et al. 2009). Files are read again
/// when one of them has changed. Safe for use by several threads.
/// </summary>
internal sealed class NoteIndex(string folder, EmbedTexts? embed) : IDisposable
{
    /// <summary>Most characters of a passage.</summary>
    public const int MostPassage = 600;

    private const int MostFiles = 2000, MostFileBytes = 1 << 20, MostBytes = 16 << 20, MostPassages = 20_000, Batch = 8, Depth = 8;
    private const double K1 = 1.2, B = .75, RankOffset = 60, LeastSimilarity = .3;

    private static readonly EnumerationOptions Walk = new()
    {
        RecurseSubdirectories = true,
        MaxRecursionDepth = Depth,
        AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint,
    };

    private readonly Lock _turn = new();
    private readonly CancellationTokenSource _stop = new();
    private List<Passage> _passages = [];
    private string _seen = "";
    private Task _embedding = Task.CompletedTask;

    /// <summary>Vectors that are still being made; complete where there are none to make.</summary>
    public Task Embedding => _embedding;

    /// <summary>Passages that fit a question, the best first.</summary>
    /// <exception cref="IOException">The folder can't be read.</exception>
    public IReadOnlyList<Passage> Search(string query, int most, CancellationToken cancellation)
    {
        List<Passage> passages = Refresh();
        var scores = new Dictionary<Passage, double>(ReferenceEqualityComparer.Instance);
        AddRanks(ByWords(passages, TextTokens.Of(query)));
        if (embed is not null && passages.Exists(static passage => passage.Vector is not null))
            AddRanks(ByMeaning(passages, embed([query], cancellation)[0]));
        return [.. scores.OrderByDescending(static one => one.Value).Take(most).Select(static one => one.Key)];

        void AddRanks(IEnumerable<Passage> order)
        {
            int rank = 0;
            foreach (Passage passage in order.Take(50)) scores[passage] = scores.GetValueOrDefault(passage) + 1 / (RankOffset + ++rank);
        }
    }

    /// <summary>Reads the folder now, so that the first search need not, and begins to make vectors.</summary>
    public void Prepare() => Refresh();

    public void Dispose()
    {
        _stop.Cancel();
        _embedding.ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
        _stop.Dispose();
    }

    private static IEnumerable<Passage> ByWords(List<Passage> passages, string[] query)
    {
        double average = passages.Count == 0 ? 1 : passages.Average(static passage => (double)passage.Words.Values.Sum());
        var weights = query.Distinct()
            .ToDictionary(static word => word, word => Weight(passages.Count, passages.Count(passage => passage.Words.ContainsKey(word))));
        return passages.Select(passage =>
            (Passage: passage, Score: weights.Sum(word => word.Value * Frequency(passage, word.Key, average))))
            .Where(static one => one.Score > 0).OrderByDescending(static one => one.Score).Select(static one => one.Passage);
    }

    private static double Weight(int all, int having) => having == 0 ? 0 : Math.Log(1 + (all - having + .5) / (having + .5));

    private static double Frequency(Passage passage, string word, double average)
    {
        int count = passage.Words.GetValueOrDefault(word);
        return count * (K1 + 1) / (count + K1 * (1 - B + B * passage.Words.Values.Sum() / average));
    }

    private static IEnumerable<Passage> ByMeaning(List<Passage> passages, float[] query) =>
        passages.Where(static passage => passage.Vector is not null)
            .Select(passage => (Passage: passage, Score: Vectors.Dot(passage.Vector!, query)))
            .Where(static one => one.Score >= LeastSimilarity).OrderByDescending(static one => one.Score).Select(static one => one.Passage);

    private List<Passage> Refresh()
    {
        lock (_turn)
        {
            if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"there is no folder {folder} of notes");
            FileInfo[] files = [.. new DirectoryInfo(folder).EnumerateFiles("*", Walk)
                .Where(static file => file.Extension.ToLowerInvariant() is ".txt" or ".md")
                .OrderBy(static file => file.FullName, StringComparer.Ordinal).Take(MostFiles)];
            string seen = string.Join('\n', files.Select(static file => $"{file.FullName} {file.Length} {file.LastWriteTimeUtc.Ticks}"));
            if (seen == _seen) return _passages;
            Dictionary<(string, string), Passage> before = [];
            foreach (Passage passage in _passages) before[(passage.File, passage.Text)] = passage;
            var passages = new List<Passage>();
            long bytes = 0;
            foreach (FileInfo file in files)
            {
                if (file.Length > MostFileBytes || (bytes += file.Length) > MostBytes || passages.Count >= MostPassages) continue;
                string name = Path.GetRelativePath(folder, file.FullName);
                foreach (string text in Cut(InputFile.ReadText(file.FullName, MostFileBytes)).Take(MostPassages - passages.Count))
                    passages.Add(before.GetValueOrDefault((name, text)) ?? new Passage(name, text));
            }
            (_passages, _seen) = (passages, seen);
            if (embed is not null) _embedding = EmbedAsync(_embedding, passages, embed);
            return passages;
        }
    }

    /// <summary>Makes the vectors that are missing, a few texts at a time, beside all else.</summary>
    private async Task EmbedAsync(Task before, List<Passage> passages, EmbedTexts make)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.Run(() =>
        {
            foreach (Passage[] some in passages.Where(static passage => passage.Vector is null).Chunk(Batch))
            {
                _stop.Token.ThrowIfCancellationRequested();
                try
                {
                    float[][] vectors = make([.. some.Select(static passage => passage.Text)], _stop.Token);
                    for (int i = 0; i < some.Length; i++) some[i].Vector = vectors[i];
                }
                catch (ArgumentException)
                {
                    // A text without a token, or too long for the model: it is found by its words.
                }
            }
        }, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Paragraphs, short ones joined and long ones cut at a space; a heading begins a passage.</summary>
    internal static IEnumerable<string> Cut(string text)
    {
        var passage = new StringBuilder();
        foreach (string paragraph in text.ReplaceLineEndings("\n").Split("\n\n").Select(static one => one.Trim())
            .Where(static one => one.Length > 0))
        {
            if (passage.Length > 0 && (paragraph[0] == '#' || passage.Length + paragraph.Length > MostPassage)) yield return End();
            string rest = paragraph;
            while (rest.Length > MostPassage)
            {
                if (passage.Length > 0) yield return End();
                int space = rest.LastIndexOf(' ', MostPassage - 1),
                    at = space > 0 ? space : char.IsHighSurrogate(rest[MostPassage - 1]) ? MostPassage - 1 : MostPassage;
                yield return rest[..at];
                rest = rest[at..].TrimStart();
            }
            if (passage.Length > 0) passage.Append('\n');
            passage.Append(rest);
        }
        if (passage.Length > 0) yield return End();

        string End()
        {
            string whole = passage.ToString();
            passage.Clear();
            return whole;
        }
    }
}

/// <summary>Searches the notes: text that nobody vouches for.</summary>
internal sealed class NotesTool(NoteIndex notes) : Tool(
    "search_notes", "Searches the notes and texts of this house; gives the passages that fit best.",
    """{"type":"object","properties":{"query":{"type":"string","minLength":1,"maxLength":200}},"required":["query"],"additionalProperties":false}""",
    ToolEffect.Reads)
{
    private const int Passages = 3, MostSpoken = 300;

    public override async Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        string query = arguments.GetProperty("query").GetString()!;
        IReadOnlyList<Passage> found =
            await Task.Run(() => notes.Search(query, Passages, cancellation), cancellation).ConfigureAwait(false);
        if (found.Count == 0) return ToolResult.Done("nothing was found", turn.Language.Say("notes.none"));
        string text = string.Join("\n\n",
            found.Select(static passage =>
                $"From {Printable.Line(passage.File, 100)}:\n{ForeignText.Clean(passage.Text, NoteIndex.MostPassage)}"));
        return ToolResult.Done(text, Printable.Line(found[0].Text.Replace('\n', ' '), MostSpoken)) with { IsUntrusted = true };
    }
}

/// <summary>Text of somebody whom nobody vouches for, made fit for a model.</summary>
internal static class ForeignText
{
    /// <summary>
    /// At most some characters; of control characters only ends of lines; no sign that begins a call or a turn of a model.
    /// </summary>
    public static string Clean(string text, int most)
    {
        var clean = new StringBuilder(Math.Min(text.Length, most));
        foreach (char character in text.ReplaceLineEndings("\n"))
        {
            if (clean.Length >= most) break;
            if (character == '<' || character == '>') clean.Append(character == '<' ? '(' : ')'); // neither <tool_call> nor <|im_start|>
            else if (character == '\n' || !char.IsControl(character)) clean.Append(character);
        }
        if (clean.Length > 0 && char.IsHighSurrogate(clean[^1])) clean.Length--;
        return clean.ToString();
    }
}

/// <summary>Vectors of length 1.</summary>
internal static class Vectors
{
    /// <summary>The cosine of two vectors of length 1; 0 where their lengths differ.</summary>
    public static double Dot(float[] first, float[] second)
    {
        if (first.Length != second.Length) return 0;
        double sum = 0;
        for (int i = 0; i < first.Length; i++) sum += (double)first[i] * second[i];
        return sum;
    }
}
