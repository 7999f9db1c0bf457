using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Models;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Files of kept logits (`perplexity --keep-logits`): read as a reference, whatever numbers they hold.</summary>
internal static class LogitsStoreTarget
{
    private const int WindowLength = 8;

    private static readonly Lazy<(LanguageModel Model, TextWindows Windows, byte[] File)> Sample = new(Create);

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        (LanguageModel model, TextWindows windows, byte[] file) = Sample.Value;
        byte[] mutant = [.. file];
        if (dice.OneIn(2)) mutant = dice.Damage(mutant);
        else
        {
            for (int count = dice.Pick(1, 10, 1000); count > 0; count--)
                BitConverter.GetBytes((float)dice.Number()).CopyTo(mutant, 32 + dice.Below((mutant.Length - 32) / 4) * 4);
        }
        string path = current.PathOf("kept.logits");
        File.WriteAllBytes(path, mutant);
        current.Begin(mutant.Length);
        using IPredictions kept = LogitsStore.Open(path, model, windows);
        Walk(kept, windows);
        return null;
    }

    private static void Walk(IPredictions predictions, TextWindows windows)
    {
        for (int window = 0; window < windows.Count; window++)
        {
            ReadOnlySpan<int> tokens = windows[window];
            predictions.Begin(tokens[..windows.FirstPrediction], CancellationToken.None);
            predictions.Continue(tokens[windows.FirstPrediction..^1], CancellationToken.None);
            _ = predictions.Logits(0).Length;
        }
    }

    private static (LanguageModel, TextWindows, byte[]) Create()
    {
        var model = LanguageModel.Load(Samples.ModelPath, new ModelOptions { Threads = 1 });
        var windows = new TextWindows(Enumerable.Range(3, 3 * WindowLength), WindowLength);
        string path = Path.GetFullPath("sample.logits");
        File.Delete(path);
        using (IPredictions made = LogitsStore.Open(path, model, windows)) Walk(made, windows);
        return (model, windows, File.ReadAllBytes(path));
    }
}
