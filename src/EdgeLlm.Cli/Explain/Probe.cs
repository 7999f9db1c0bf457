using System.Globalization;
using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.HuggingFace;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Cli.Explain;

/// <summary>Two texts that differ in what is asked about.</summary>
/// <param name="Place">File and line, for messages.</param>
/// <param name="Prompt">What comes before both, and is not scored; may be empty.</param>
internal sealed record ProbePair(string Place, string Prompt, string Good, string Bad, string Category)
{
    private const int MostPairs = 100_000;

    /// <exception cref="InvalidDataException">A line is not such a object; the message names it.</exception>
    public static IReadOnlyList<ProbePair> ReadFile(string file)
    {
        var pairs = new List<ProbePair>();
        string[] lines = InputFile.ReadText(file, InputFile.MostTextBytes).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i])) continue;
            if (pairs.Count == MostPairs) throw new InvalidDataException($"{file}: has more than {MostPairs} pairs");
            pairs.Add(Parse($"{file} line {i + 1}", lines[i]));
        }
        return pairs.Count > 0 ? pairs : throw new InvalidDataException($"{file}: has no pairs");
    }

    private static ProbePair Parse(string place, string line)
    {
        try
        {
            JsonPart pair = JsonPart.Parse(place, System.Text.Encoding.UTF8.GetBytes(line), "");
            string Text(string name, string other) => (pair.Find(name) ?? pair.Find(other) ?? pair.Require(name)).Text();
            return new ProbePair(place, pair.Find("prompt")?.Text() ?? "", Text("good", "sentence_good"), Text("bad", "sentence_bad"),
                pair.Find("category")?.Text() ?? "");
        }
        catch (ModelException exception)
        {
            throw new InvalidDataException(exception.Message, exception);
        }
    }
}

/// <param name="Good">Sum of the logarithms of the tokens' probabilities, in nats.</param>
/// <param name="Bad">The same of the other text.</param>
internal readonly record struct ProbeScore(double Good, double Bad)
{
    /// <summary>Above 0: the good text is the likelier one.</summary>
    public double Margin => Good - Bad;
}

/// <param name="Plain">By the model as it is.</param>
/// <param name="Changed">With adapters or control vectors; null: there are none.</param>
internal sealed record ProbeResult(ProbePair Pair, ProbeScore Plain, ProbeScore? Changed);

/// <summary>Scores pairs with a model, with adapters or without.</summary>
internal sealed class ProbeRun(LanguageModel model, Adaptation? adaptation)
{
    private float[] _logits = [];

    /// <exception cref="InvalidDataException">A text is longer than the context, or nothing of it can be scored.</exception>
    public ProbeScore Score(ProbePair pair, CancellationToken cancellation) =>
        new(Score(pair, pair.Good, cancellation), Score(pair, pair.Bad, cancellation));

    private double Score(ProbePair pair, string text, CancellationToken cancellation)
    {
        int[] before = model.Tokenizer.Encode(pair.Prompt, addSpecial: true),
            tokens = model.Tokenizer.Encode(pair.Prompt + text, addSpecial: true);
        int first = 0, vocabulary = model.Info.VocabularySize;
        while (first < before.Length && first < tokens.Length && before[first] == tokens[first]) first++;
        first = Math.Max(first, 1); // nothing comes before the first token
        if (tokens.Length <= first) throw new InvalidDataException($"{pair.Place}: '{Printable.Line(text, 40)}' has nothing to score");
        if (tokens.Length > model.ContextLength)
            throw new InvalidDataException($"{pair.Place}: {tokens.Length} tokens do not fit into the context of {model.ContextLength}");
        using KvCache cache = model.CreateCache();
        cache.Adaptation = adaptation;
        if (first > 1) model.ForwardWithoutLogits(tokens.AsSpan(0, first - 1), cache, cancellation);
        double sum = 0;
        int scored = first;
        foreach (int[] piece in tokens[(first - 1)..^1].Chunk(64))
        {
            if (_logits.Length < piece.Length * vocabulary) _logits = new float[64 * vocabulary];
            model.ForwardAll(piece, cache, _logits, cancellation);
            for (int t = 0; t < piece.Length; t++) sum += LogProbability(_logits.AsSpan(t * vocabulary, vocabulary), tokens[scored++]);
        }
        return sum;
    }

    private static double LogProbability(ReadOnlySpan<float> logits, int token)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) largest = Math.Max(largest, logit);
        foreach (float logit in logits) sum += Math.Exp(logit - largest);
        return logits[token] - largest - Math.Log(sum);
    }
}

/// <summary>Scores as a table and as JSON.</summary>
internal static class ProbeReport
{
    private const int Shown = 32;

    public static void WriteText(IReadOnlyList<ProbeResult> results, TextWriter output)
    {
        bool changed = results[0].Changed is not null;
        output.WriteLine($"{"good",-Shown}  {"bad",-Shown}  {"margin",9}{(changed ? $"  {"changed",9}" : "")}");
        foreach (ProbeResult result in results)
            output.WriteLine(
                $"{Printable.Line(result.Pair.Good.Trim(), Shown - 3),-Shown}  "
                    + $"{Printable.Line(result.Pair.Bad.Trim(), Shown - 3),-Shown}  "
                    + $"{Number(result.Plain.Margin),9}{(result.Changed is { } score ? $"  {Number(score.Margin),9}" : "")}");
        foreach (IGrouping<string, ProbeResult> group in results.GroupBy(result => result.Pair.Category)
            .OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            string name = group.Key.Length > 0 ? $"{Printable.Line(group.Key, 40)}: " : "";
            output.WriteLine(
                $"{name}{group.Count()} pairs, {Summary(group, result => result.Plain)}{(changed ? $"; changed: {Summary(group, result => result.Changed!.Value)}" : "")}");
        }
    }

    public static void WriteJson(IReadOnlyList<ProbeResult> results) => JsonOutput.Write(json =>
    {
        json.WriteStartObject();
        json.WriteObjects("pairs", results, result =>
        {
            if (result.Pair.Prompt.Length > 0) json.WriteString("prompt", result.Pair.Prompt);
            json.WriteString("good", result.Pair.Good);
            json.WriteString("bad", result.Pair.Bad);
            if (result.Pair.Category.Length > 0) json.WriteString("category", result.Pair.Category);
            WriteScore(json, "plain", result.Plain);
            if (result.Changed is { } score) WriteScore(json, "changed", score);
        });
        WriteSums(json, "plain", results.Select(result => result.Plain));
        if (results[0].Changed is not null) WriteSums(json, "changed", results.Select(result => result.Changed!.Value));
        json.WriteEndObject();
    });

    private static void WriteScore(Utf8JsonWriter json, string name, ProbeScore score)
    {
        json.WriteStartObject(name);
        json.WriteNumber("good", (double?)score.Good);
        json.WriteNumber("bad", (double?)score.Bad);
        json.WriteNumber("margin", (double?)score.Margin);
        json.WriteEndObject();
    }

    private static void WriteSums(Utf8JsonWriter json, string name, IEnumerable<ProbeScore> scores)
    {
        ProbeScore[] all = [.. scores];
        json.WriteStartObject(name);
        json.WriteNumber("good_is_likelier", all.Count(score => score.Margin > 0) / (double)all.Length);
        json.WriteNumber("mean_margin", (double?)all.Average(score => score.Margin));
        json.WriteEndObject();
    }

    private static string Summary(IEnumerable<ProbeResult> results, Func<ProbeResult, ProbeScore> score)
    {
        double[] margins = [.. results.Select(result => score(result).Margin)];
        return string.Create(CultureInfo.InvariantCulture,
            $"the good text is likelier in {100.0 * margins.Count(margin => margin > 0) / margins.Length:F0} %, mean margin "
                + $"{margins.Average():F3} nats");
    }

    private static string Number(double value) => value.ToString("F3", CultureInfo.InvariantCulture);
}
