using EdgeLlm.Cli.Output;

namespace EdgeLlm.Cli.Pull;

/// <summary>Which model of a repository to take, and why, in one line.</summary>
internal sealed record ModelChoice(RemoteModel Model, string Reason)
{
    // Of about four bits: hardly worse than the original, and as fast as memory allows. The first is the one that most people take.
    private static readonly string[] Preferred = ["Q4_K_M", "Q4_0", "Q4_K_S", "Q4_1", "IQ4_NL", "IQ4_XS", "Q4_K_L", "Q4_K"];

    private static readonly string[] Unquantized = ["F16", "FP16", "BF16", "F32", "FP32"];

    /// <summary>The model that a text means: a path, a file's name with or without `.gguf`, or a quantization.</summary>
    /// <exception cref="PullException">There is none, or several.</exception>
    public static ModelChoice Named(IReadOnlyList<RemoteModel> models, string repository, string text)
    {
        foreach (Func<RemoteModel, bool> means in (Func<RemoteModel, bool>[])
        [
            model => model.Files.Any(file => file.Path == text),
            model => model.Files.Any(file => file.Name == text) || model.Name == text,
            model => model.Quantization == text.ToUpperInvariant(),
        ])
        {
            RemoteModel[] found = [.. models.Where(means)];
            if (found.Length == 1) return new ModelChoice(found[0], $"{found[0].Name}, {Quantity.Bytes(found[0].Size)}");
            if (found.Length > 1) throw new PullException($"{repository} has several models for '{text}': {Names(found)}");
        }
        throw new PullException($"{repository} has no model '{Printable.Line(text, 80)}'; it has {Names(models)}");
    }

    /// <summary>
    /// The best for this much memory: of four bits where one fits, else the largest quantized one that fits, else the smallest of those
    /// that are not quantized.
    /// </summary>
    /// <exception cref="PullException">None fits.</exception>
    public static ModelChoice BestFor(long memory, IReadOnlyList<RemoteModel> models, string repository)
    {
        RemoteModel[] fitting = [.. models.Where(model => Fits(model.Size, memory)).OrderBy(model => model.Name, StringComparer.Ordinal)];
        if (fitting.Length == 0)
        {
            RemoteModel smallest = models.MinBy(model => model.Size)!;
            throw new PullException($"no model of {repository} fits in 60 % of this machine's {Quantity.Bytes(memory)}: "
                + $"the smallest, {smallest.Name}, has {Quantity.Bytes(smallest.Size)} (name a file to take it all the same)");
        }
        RemoteModel? four = Preferred.Select(name => fitting.FirstOrDefault(model => model.Quantization == name))
            .FirstOrDefault(model => model is not null);
        RemoteModel? quantized = fitting.Where(model => !Unquantized.Contains(model.Quantization)).MaxBy(model => model.Size);
        RemoteModel best = four ?? quantized ?? fitting.MinBy(model => model.Size)!;
        string why = four is not null ? "about 4 bits a weight are the best of speed and quality"
            : Unquantized.Contains(best.Quantization) ? "nothing smaller is there" : "the largest quantized one that fits";
        string fits = $"it fits in 60 % of this machine's {Quantity.Bytes(memory)} (REPO:FILE takes another)";
        return new ModelChoice(best, $"{best.Name}, {Quantity.Bytes(best.Size)}, of {models.Count}: {why}, and {fits}");
    }

    /// <summary>Whether there is room beside the weights for a context and its computation: an estimate before the file is there.</summary>
    private static bool Fits(long size, long memory) => size + (size / 8) + 64_000_000 <= memory * 0.6;

    private static string Names(IReadOnlyList<RemoteModel> models)
    {
        const int most = 12;
        string names = string.Join(", ", models.Take(most).Select(model => Printable.Line(model.Name)));
        return models.Count > most ? $"{names} and {models.Count - most} more" : names;
    }
}
