using EdgeLlm.Chat;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Report;
using EdgeLlm.Sampling;

namespace EdgeLlm.Cli.Quantize;

/// <summary>Compares a model with what it was made from and writes the report beside it: OUTPUT.report.json and OUTPUT.report.html.</summary>
internal static class ReportRun
{
    private const int Windows = 8;
    private const int WindowTokens = 512;
    private const int AnswerTokens = 64;

    private static readonly string[] Questions =
    [
        "What is the capital of Japan?", "Write two sentences about the sea.", "Explain in one short paragraph why the sky is blue.",
    ];

    /// <param name="input">What the user called the source.</param>
    /// <param name="measures">Also compare predictions and answers, which takes as long as running both models for a while.</param>
    /// <param name="textPath">A text to compare predictions on; null: windows of our own that no calibration learned from.</param>
    public static async Task WriteAsync(GgufFile source, string input, string output, string? calibration, TimeSpan time, bool measures, string? textPath, CancellationToken cancellation)
    {
        try
        {
            QuantizationReport report = await Task.Run(() => CreateAsync(source, input, output, calibration, time, measures, textPath, cancellation), cancellation).ConfigureAwait(false);
            AtomicFile.Write(output + ".report.json", stream => ReportJson.Write(report, stream));
            AtomicFile.Write(output + ".report.html", stream =>
            {
                using var writer = new StreamWriter(stream, leaveOpen: true);
                ReportHtml.Write(report, writer);
            });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ModelException or NotFiniteException or ChatTemplateException or InvalidDataException)
        {
            // The model itself is whole.
            await Console.Error.WriteLineAsync($"edgellm: no report: {exception.Message}").ConfigureAwait(false);
        }
    }

    private static async Task<QuantizationReport> CreateAsync(GgufFile source, string input, string output, string? calibration, TimeSpan time, bool measures, string? textPath, CancellationToken cancellation)
    {
        using GgufFile file = GgufFile.Open(output);
        List<TensorReport> tensors = WeightComparison.Tensors(source, file, cancellation);
        var report = new QuantizationReport
        {
            Source = input,
            SourceBytes = source.FileSize,
            Output = output,
            OutputBytes = file.FileSize,
            Model = file.Metadata.GetString("general.name", "a model without a name"),
            Method = file.Metadata.GetString("edgellm.quantization.method", ""),
            Calibration = calibration,
            Time = time,
            Tensors = tensors,
            Alternatives = WeightComparison.Alternatives(source, file.FileSize - tensors.Sum(tensor => tensor.Bytes), cancellation),
        };
        if (!measures) return report;
        await Console.Error.WriteLineAsync("edgellm: comparing predictions and answers with the source's for the report").ConfigureAwait(false);
        var options = new ModelOptions { ContextLength = WindowTokens };
        using LanguageModel before = LanguageModel.Load(source.Path, options), after = LanguageModel.Load(output, options);
        return report with { Measurement = Measure(source, before, after, textPath, cancellation), Answers = await AskAsync(before, after, cancellation).ConfigureAwait(false) };
    }

    private static Measurement? Measure(GgufFile source, LanguageModel before, LanguageModel after, string? textPath, CancellationToken cancellation)
    {
        int length = Math.Min(WindowTokens, before.Config.ContextLength);
        TextWindows windows = textPath is null ? HeldOut(source, length) : new TextWindows(before.Tokenizer, File.ReadAllText(textPath), length);
        if (windows.Count == 0) return null;
        using var pass = new WindowPass(after, length);
        using var reference = new WindowPass(before, length);
        var run = new PerplexityRun(windows, pass, reference);
        while (run.Windows < Windows && run.Next(cancellation)) { }
        PerplexityReport result = run.Report();
        DivergenceReport divergence = result.Divergence!;
        return new Measurement(textPath is null ? "a text of ours that nothing was fitted to" : Path.GetFileName(textPath), result.Tokens, divergence.ReferencePerplexity, result.Perplexity,
            divergence.Mean, divergence.Median, divergence.Percentile99, divergence.SameTop);
    }

    /// <summary>Those windows of our own calibration text that are held out from calibration.</summary>
    private static TextWindows HeldOut(GgufFile source, int length)
    {
        var text = CalibrationText.Read(source, text: null, length, new QuantizationSettings().Windows);
        return new TextWindows([.. Enumerable.Range(0, text.Count).Where(CalibrationText.IsHeldOut).SelectMany(window => text[window].ToArray())], length);
    }

    private static async Task<List<AnswerPair>> AskAsync(LanguageModel before, LanguageModel after, CancellationToken cancellation)
    {
        var pairs = new List<AnswerPair>();
        foreach (string question in Questions)
            pairs.Add(new AnswerPair(question, await AskAsync(before, question, cancellation).ConfigureAwait(false), await AskAsync(after, question, cancellation).ConfigureAwait(false)));
        return pairs;
    }

    private static async Task<string> AskAsync(LanguageModel model, string question, CancellationToken cancellation)
    {
        using var session = new ChatSession(model);
        var options = new GenerationOptions { Sampling = SamplingOptions.Greedy, MaxTokens = AnswerTokens };
        await foreach (string _ in session.AskAsync(question, options, cancellation).ConfigureAwait(false)) { }
        return session.Messages[^1].Content;
    }
}
