using System.CommandLine;
using System.Globalization;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Cli.Run;
using EdgeLlm.Files;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm perplexity`: how well a model predicts a text, and how near it is to another model.</summary>
internal static class PerplexityCommand
{
    private const int DefaultContext = 512;

    public static Command Create()
    {
        var text = new Option<string>("--text")
        {
            Description =
                "The text, UTF-8; nothing in it is a special token. It is cut into windows of --context tokens, each scored on its "
                    + "second half; a rest shorter than a window is dropped",
            HelpName = "FILE",
            Required = true,
        };
        Option<int?> context = SharedOptions.Between(TextWindows.MinimumLength, ModelOptions.MaximumContextLength, "--context", "TOKENS",
            $"Tokens of a window (default: {DefaultContext})");
        var against = new Option<string?>("--against")
        {
            Description = "A reference model with the same vocabulary: how far the predictions are from its own",
            HelpName = "MODEL",
        };
        var keep = new Option<string?>("--keep-logits")
        {
            Description =
                "With --against: where the reference's logits are kept; written by the first run, read by the next ones (4 bytes a "
                    + "prediction and token of the vocabulary)",
            HelpName = "FILE",
        };
        var json = new Option<bool>("--json")
        {
            Description =
                "One JSON object: perplexity, windows, tokens (predicted ones) and, with --against, reference_perplexity, kl_mean, "
                    + "kl_median, kl_99 (nats) and same_top (0 to 1)",
        };
        var command = new Command("perplexity",
            "Measure how well a model predicts a text, as llama-perplexity does.")
        {
            SharedOptions.Model, text, context, against, keep, json,
        };
        var adapters = new AdapterArguments();
        adapters.AddTo(command);
        var againstAdapters = new Option<bool>("--against-with-lora")
        {
            Description = "With --against: the reference has the adapters and control vectors, too (default: it has none)",
        };
        command.Options.Add(againstAdapters);
        command.SetAction(async (result, cancellation) =>
        {
            string path = SharedOptions.ModelPathOf(result), textFile = result.GetValue(text)!;
            string? keepPath = result.GetValue(keep);
            string? referencePath = result.GetValue(against) is { } name ? ModelStore.OfThisMachine().PathOf(name) : null;
            var options = new ModelOptions { ContextLength = result.GetValue(context) ?? DefaultContext };
            // Elsewhere than here, so that Ctrl-C is listened to meanwhile.
            PerplexityReport report =
                await Task.Run(() => Measure(path, referencePath, keepPath, options, textFile,
                    model => adapters.Open(result, model).For(model), result.GetValue(againstAdapters), cancellation),
                    cancellation).ConfigureAwait(false);
            if (!result.GetValue(json))
            {
                report.WriteText(Console.Out);
                return;
            }
            using Stream output = StandardStreams.OpenOutput();
            report.WriteJson(output);
        });
        return command;
    }

    private static PerplexityReport Measure(string path, string? referencePath, string? keepPath, ModelOptions options, string textFile,
        Func<LanguageModel, Adaptation?> adapt, bool adaptsReference, CancellationToken cancellation)
    {
        string text = InputFile.ReadText(textFile, InputFile.MostTextBytes);
        using LanguageModel model = LanguageModel.Load(path, options);
        using LanguageModel? reference = referencePath is null ? null : LanguageModel.Load(referencePath, options);
        TextWindows windows = Cut(text, model, options.ContextLength);
        if (windows.Count == 0)
            throw new InvalidDataException(
                $"{textFile}: {windows.Tokens.Length} tokens are less than a window of {windows.Length}: take a longer text or a smaller "
                    + "--context");
        if (reference is not null) RequireSameTokens(windows, text, model, reference);

        using var pass = new WindowPass(model, windows.Length, adapt(model));
        Adaptation? ofReference = adaptsReference && reference is not null ? adapt(reference) : null;
        using IPredictions? referencePass = reference is null ? null
            : keepPath is null ? new WindowPass(reference, windows.Length, ofReference)
            : LogitsStore.Open(keepPath, reference, windows, ofReference);
        var run = new PerplexityRun(windows, pass, referencePass);
        while (run.Next(cancellation)) ShowProgress(run, windows.Count);
        return run.Report();
    }

    private static TextWindows Cut(string text, LanguageModel model, int length)
    {
        Tokenizer tokenizer = model.Tokenizer;
        if (tokenizer.VocabularySize > model.Info.VocabularySize)
            throw new ModelException(model.Path,
                $"its tokenizer has {tokenizer.VocabularySize} tokens, more than its embedding's {model.Info.VocabularySize}");
        return new TextWindows(tokenizer, text, length);
    }

    private static void RequireSameTokens(TextWindows windows, string text, LanguageModel model, LanguageModel reference)
    {
        if (reference.Info.VocabularySize != model.Info.VocabularySize)
            throw new ModelException(reference.Path,
                $"its vocabulary of {reference.Info.VocabularySize} is not the {model.Info.VocabularySize} of {model.Path}: predictions "
                    + "can't be compared");
        if (!Cut(text, reference, windows.Length).Tokens.SequenceEqual(windows.Tokens))
            throw new ModelException(reference.Path,
                $"its tokenizer splits the text otherwise than that of {model.Path}: predictions can't be compared");
    }

    /// <summary>One line that is written over and over, for a person only.</summary>
    private static void ShowProgress(PerplexityRun run, int windows)
    {
        if (Console.IsErrorRedirected) return;
        string line = string.Create(CultureInfo.InvariantCulture, $"\rwindow {run.Windows} of {windows}, perplexity {run.Perplexity:F4}");
        Console.Error.Write(run.Windows < windows ? line : $"\r{new string(' ', line.Length)}\r");
    }
}
