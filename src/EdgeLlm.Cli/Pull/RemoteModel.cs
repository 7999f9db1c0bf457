using System.Text.RegularExpressions;

namespace EdgeLlm.Cli.Pull;

/// <summary>A model of a repository: one GGUF file, or all parts of one that is split.</summary>
internal sealed partial record RemoteModel(string Name, string? Quantization, IReadOnlyList<RepositoryFile> Files)
{
    public long Size => Files.Sum(file => file.Size);

    /// <summary>The models among a repository's files. What is beside a model (projectors, importance matrices) is none.</summary>
    /// <exception cref="PullException">A path would leave the folder.</exception>
    public static IReadOnlyList<RemoteModel> Of(string repository, IEnumerable<RepositoryFile> files)
    {
        RepositoryFile[] models = [.. files.Where(file => file.Path.EndsWith(StoredModel.Extension, StringComparison.Ordinal))];
        foreach (RepositoryFile file in models) file.RequireSafe(repository);
        return
        [
            .. models.Where(file => !Companion().IsMatch(file.Name))
                .GroupBy(file => (Folder: file.Path[..^file.Name.Length], Name: StoredModel.NameOf(file.Name)))
                .Select(group => new RemoteModel(group.Key.Name, QuantizationOf(group.Key.Name), [.. group.OrderBy(file => file.Path, StringComparer.Ordinal)])),
        ];
    }

    /// <exception cref="PullException">A part is missing.</exception>
    public void RequireComplete()
    {
        if (SplitCount().Match(Files[0].Name) is { Success: true } match && int.Parse(match.Groups[1].ValueSpan) is var count && Files.Count != count)
            throw new PullException($"{Name} is split into {count} files, of which the repository has {Files.Count}");
    }

    private static string? QuantizationOf(string name) => QuantizationName().Matches(name) is { Count: > 0 } matches ? matches[^1].Groups[1].Value.ToUpperInvariant() : null;

    [GeneratedRegex("(?:^|[-._])((?:I?Q[0-9]|TQ[0-9]|MXFP4|NVFP4)(?:_[A-Z0-9]+)*|BF16|FP?16|FP?32)(?=[-.]|$)", RegexOptions.IgnoreCase)]
    private static partial Regex QuantizationName();

    [GeneratedRegex("mmproj|imatrix", RegexOptions.IgnoreCase)]
    private static partial Regex Companion();

    [GeneratedRegex(@"-of-([0-9]{5})\.gguf\z")]
    private static partial Regex SplitCount();
}
