using System.Text.RegularExpressions;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Pull;

/// <summary>A model of a repository: one GGUF file, or all parts of one that is split.</summary>
internal sealed partial record RemoteModel(string Name, string? Quantization, IReadOnlyList<RepositoryFile> Files)
{
    public long Size => Files.Sum(file => file.Size);

    /// <summary>The models among a repository's files. What is beside a model (projectors, importance matrices) is none.</summary>
    /// <exception cref="PullException">A path would leave the folder.</exception>
    public static IReadOnlyList<RemoteModel> Of(string repository, IEnumerable<RepositoryFile> files)
    {
        RepositoryFile[] models =
            [.. files.DistinctBy(file => file.Path).Where(file => file.Path.EndsWith(StoredModel.Extension, StringComparison.Ordinal))];
        foreach (RepositoryFile file in models) file.RequireSafe(repository);
        return
        [
            .. models.Where(file => !Companion().IsMatch(file.Name))
                .GroupBy(file => (Folder: file.Path[..^file.Name.Length], Name: StoredModel.NameOf(file.Name)))
                .Select(group => (group.Key.Name, Files: group.OrderBy(file => file.Path, StringComparer.Ordinal)))
                .Select(model => new RemoteModel(model.Name, QuantizationOf(model.Name), [.. model.Files])),
        ];
    }

    /// <exception cref="PullException">A part is missing, or there are too many.</exception>
    public void RequireComplete()
    {
        if (!SplitNumber().Match(Files[0].Name).Success) return;
        int[] counts = [.. Files.Select(file => int.Parse(SplitNumber().Match(file.Name).Groups["count"].Value)).Distinct()];
        int[] numbers = [.. Files.Select(file => int.Parse(SplitNumber().Match(file.Name).Groups["number"].Value)).Order()];
        if (counts.Length > 1 || !numbers.SequenceEqual(Enumerable.Range(1, counts[0])))
            throw new PullException($"{Name} is split into {counts[0]} files, of which the repository has {Files.Count}");
    }

    /// <summary>The quantization that a model's name ends with, in capitals (`Q4_K_M`), or null.</summary>
    public static string? QuantizationOf(string name) =>
        QuantizationName().Matches(name) is { Count: > 0 } matches ? matches[^1].Groups[1].Value.ToUpperInvariant() : null;

    [GeneratedRegex("(?:^|[-._])((?:I?Q[0-9]|TQ[0-9]|MXFP4|NVFP4)(?:_[A-Z0-9]+)*|BF16|FP?16|FP?32)(?=[-.]|$)", RegexOptions.IgnoreCase)]
    private static partial Regex QuantizationName();

    [GeneratedRegex("mmproj|imatrix", RegexOptions.IgnoreCase)]
    private static partial Regex Companion();

    [GeneratedRegex(@"-(?<number>[0-9]{5})-of-(?<count>[0-9]{5})\.gguf\z")]
    private static partial Regex SplitNumber();
}
