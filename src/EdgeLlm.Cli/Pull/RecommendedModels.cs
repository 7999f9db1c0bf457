using System.Globalization;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Pull;

/// <summary>A model that is worth getting.</summary>
/// <param name="Megabytes">Of 10^6 bytes.</param>
/// <param name="Commercial">Whether it may be used commercially: `yes`, or the conditions.</param>
internal sealed record RecommendedModel(string Repository, string File, double Megabytes, string Licence, string Commercial, string GoodFor)
{
    public bool IsFree => Commercial == "yes";

    /// <summary>Argument of `pull` for this very file.</summary>
    public string Reference => $"{Repository}:{RemoteModel.QuantizationOf(StoredModel.NameOf(File)) ?? File}";
}

/// <summary>Good small models that this version runs: models.tsv, a list of its day.</summary>
/// <param name="Date">The day, such as 2026-11-29.</param>
internal sealed record RecommendedModels(string Date, IReadOnlyList<RecommendedModel> Models)
{
    private const string DateLine = "# as of ";

    public static RecommendedModels Load()
    {
        using Stream stream = typeof(RecommendedModels).Assembly.GetManifestResourceStream("EdgeLlm.Cli.Pull.models.tsv")!;
        using var reader = new StreamReader(stream);
        string[] lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string date = lines.First(line => line.StartsWith(DateLine, StringComparison.Ordinal))[DateLine.Length..].Trim();
        IEnumerable<string[]> rows = lines.Where(line => line[0] != '#').Skip(1).Select(line => line.Split('\t'));
        return new RecommendedModels(date, [.. rows.Select(ModelOf)]);
    }

    /// <summary>
    /// The smallest model whose name begins with another library's (`llama3.2:1b`, `SmolLM2-135M-Instruct`) and has its other parts, or
    /// null. One whose first words are that name comes before one whose name only begins so: `qwen3` is not Qwen3.5.
    /// </summary>
    public RecommendedModel? Find(string name)
    {
        string[] parts = [.. name.Split(':', '-').Select(Letters).Where(part => part.Length > 0 && part != "latest")];
        return Models.Where(Has).OrderBy(model => IsFirstWords(model) ? 0 : 1).ThenBy(model => model.Megabytes).FirstOrDefault();

        bool Has(RecommendedModel model)
        {
            string letters = Letters(model.Repository.Split('/')[1]);
            return parts.Length > 0 && letters.StartsWith(parts[0], StringComparison.Ordinal)
                && parts.All(part => letters.Contains(part, StringComparison.Ordinal));
        }

        bool IsFirstWords(RecommendedModel model)
        {
            string[] words = [.. model.Repository.Split('/')[1].Split('-').Select(Letters)];
            return Enumerable.Range(1, words.Length).Any(count => string.Concat(words.Take(count)) == parts[0]);
        }
    }

    private static RecommendedModel ModelOf(string[] row) =>
        new(row[0], row[1], double.Parse(row[2], CultureInfo.InvariantCulture), row[3], row[4], row[5]);

    private static string Letters(string text) => string.Concat(text.Where(char.IsAsciiLetterOrDigit)).ToLowerInvariant();
}
