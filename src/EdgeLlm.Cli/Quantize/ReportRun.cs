using EdgeLlm.Chat;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Report;
using EdgeLlm.Sampling;

namespace EdgeLlm.Cli.Quantize;

/// <summary>
/// Compares a model with what it was made from and writes the report beside it: OUTPUT.report.json and OUTPUT.report.html.
/// </summary>
internal static class ReportRun
{
    private const int Windows = 8;
    private const int EstimateWindows = 2;
    private const int WindowTokens = 512;
    private const int AnswerTokens = 64;

    private static readonly string[] Questions =
    [
        "What is the capital of Japan?", "Write two sentences about the sea.", "Explain in one short paragraph why the sky is blue.",
    ];

    /// <summary>The files that a report of an output consists of.</summary>
    public static string[] PathsFor(string output) => [output + ".report.json", output + ".report.html"];

    /// <param name="input">What the user called the source.</param>
    /// <param name="measures">Also compare predictions and answers, which takes as long as running both models for a while.</param>
    /// <param name="textPath">A text to compare predictions on; null: windows of our own that no calibration learned from.</param>
    public static async Task WriteAsync(GgufFile source, string input, string output, string? calibration, TimeSpan time, bool measures,
        string? textPath, CancellationToken cancellation)
    {
        try
        {
            using GgufFile file = GgufFile.Open(output);
            QuantizationReport report =
                await Task.Run(() => Describe(source, input, file, calibration, time, cancellation), cancellation).ConfigureAwait(false);
            if (measures)
            {
                await Console.Error.WriteLineAsync("edgellm: comparing predictions and answers with the source's for the report")
                    .ConfigureAwait(false);
                await WorkProgress.RunAsync(
                    async progress => report = await Task.Run(() => CompareAsync(report, source, textPath, progress, cancellation),
                        cancellation).ConfigureAwait(false)).ConfigureAwait(false);
            }
            else
            {
                report =
                    await Task.Run(
                        () => report with { Alternatives = AlternativeForms.Of(source, report.Overhead, divergences: null, cancellation) },
                        cancellation).ConfigureAwait(false);
            }
            string[] paths = PathsFor(output);
            AtomicFile.Write(paths[0], stream => ReportJson.Write(report, stream));
            AtomicFile.Write(paths[1], stream =>
            {
                using var writer = new StreamWriter(stream, leaveOpen: true);
                ReportHtml.Write(report, writer);
            });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ModelException or NotFiniteException
            or ChatTemplateException or InvalidDataException)
        {
            // The model itself is whole.
            await Console.Error.WriteLineAsync($"edgellm: no report: {exception.Message}").ConfigureAwait(false);
        }
    }

    private static QuantizationReport Describe(GgufFile source, string input, GgufFile file, string? calibration, TimeSpan time,
        CancellationToken cancellation) =>
        new()
        {
            Source = input,
            SourceBytes = source.FileSize,
            Output = file.Path,
            OutputBytes = file.FileSize,
            Model = file.Metadata.GetString("general.name", "a model without a name"),
            Method = file.Metadata.GetString("edgellm.quantization.method", ""),
            Calibration = calibration,
            Time = time,
            Lattices = file.Metadata.TryGet(ModelWriter.LatticesKey, out GgufValue? lattices) ? (int)lattices.Count : 0,
            Tensors = WeightComparison.Tensors(source, file, cancellation),
        };

    /// <summary>Adds what takes running the models: predictions, answers, and how other forms would change the predictions.</summary>
    private static async Task<QuantizationReport> CompareAsync(QuantizationReport report, GgufFile source, string? textPath,
        Action<string, double> progress, CancellationToken cancellation)
    {
        // Shares of the time that the parts take: predictions, answers, sensitivities.
        const double Predictions = 0.35, Answers = 0.3;
        TextWindows windows;
        var options = new ModelOptions { ContextLength = WindowTokens, ChatTemplate = ModelLoader.ReadChatTemplate(source) };
        using (LanguageModel before = LanguageModel.Load(source.Path, options), after = LanguageModel.Load(report.Output, options))
        {
            int length = Math.Min(WindowTokens, before.Info.ContextLength);
            windows = textPath is null ? HeldOut(source, length)
                : new TextWindows(before.Tokenizer, InputFile.ReadText(textPath, InputFile.MostTextBytes), length);
            string text = textPath is null ? "a text of ours that nothing was fitted to" : Path.GetFileName(textPath);
            report = report with
            {
                Measurement = Measure(before, after, windows, text, share => progress("predictions", Predictions * share), cancellation),
                Answers = await AskAsync(before, after, share => progress("answers", Predictions + Answers * share),
                    cancellation).ConfigureAwait(false),
            };
        }
        DivergenceEstimate? estimate = windows.Count == 0 ? null : DivergenceEstimate.Measure(source,
            new CalibrationText(windows.Tokens[..(Math.Min(EstimateWindows, windows.Count) * windows.Length)].ToArray(), windows.Length),
            share => progress("other forms", Predictions + Answers + (1 - Predictions - Answers) * share), cancellation);
        return report with { Alternatives = AlternativeForms.Of(source, report.Overhead, estimate, cancellation) };
    }

    private static Measurement? Measure(LanguageModel before, LanguageModel after, TextWindows windows, string text,
        Action<double> progress, CancellationToken cancellation)
    {
        if (windows.Count == 0) return null;
        using var pass = new WindowPass(after, windows.Length);
        using var reference = new WindowPass(before, windows.Length);
        var run = new PerplexityRun(windows, pass, reference);
        int count = Math.Min(Windows, windows.Count);
        progress(0);
        while (run.Windows < count && run.Next(cancellation)) progress(run.Windows / (double)count);
        PerplexityReport result = run.Report();
        DivergenceReport divergence = result.Divergence!;
        return new Measurement(text, result.Tokens, divergence.ReferencePerplexity, result.Perplexity, divergence.Mean, divergence.Median,
            divergence.Percentile99, divergence.SameTop);
    }

    /// <summary>Those windows of our own calibration text that are held out from calibration.</summary>
    private static TextWindows HeldOut(GgufFile source, int length)
    {
        CalibrationText text = CalibrationText.Read(source, text: null, length, new QuantizationSettings().Windows).HeldOut();
        return new TextWindows(text.Tokens.ToArray(), text.Length);
    }

    private static async Task<List<AnswerPair>> AskAsync(LanguageModel before, LanguageModel after, Action<double> progress,
        CancellationToken cancellation)
    {
        var pairs = new List<AnswerPair>();
        foreach (string question in Questions)
        {
            pairs.Add(new AnswerPair(question, await AskAsync(before, question, cancellation).ConfigureAwait(false),
                await AskAsync(after, question, cancellation).ConfigureAwait(false)));
            progress(pairs.Count / (double)Questions.Length);
        }
        return pairs;
    }

    private static async Task<string> AskAsync(LanguageModel model, string question, CancellationToken cancellation)
    {
        var options = new GenerationOptions { Sampling = SamplingOptions.Greedy, MaxTokens = AnswerTokens };
        var format = new ChatFormat(model);
        if (!format.HasTemplate)
        {
            using var generator = new TextGenerator(model);
            return string.Concat(await generator.GenerateAsync(model.Tokenizer.Encode(question, addSpecial: true), options, cancellation)
                .ToListAsync(cancellation).ConfigureAwait(false));
        }
        using var session = new ChatSession(model, format);
        await foreach (string _ in session.AskAsync(question, options, cancellation).ConfigureAwait(false)) { }
        return session.Messages[^1].Content;
    }
}
