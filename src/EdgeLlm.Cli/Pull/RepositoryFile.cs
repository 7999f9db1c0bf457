using EdgeLlm.Cli.Output;

namespace EdgeLlm.Cli.Pull;

/// <summary>A file of a repository.</summary>
/// <param name="Path">With `/` between folders.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">In lower-case hexadecimal; null where the repository states none (files that are not in its large-file storage).</param>
internal sealed record RepositoryFile(string Path, long Size, string? Sha256)
{
    private const int LongestName = 200;

    /// <summary>The name under which it is stored: without its folders.</summary>
    public string Name => Path[(Path.LastIndexOf('/') + 1)..];

    /// <summary>Whether the whole path stays below any folder that it is put into, on any system.</summary>
    public bool IsSafe =>
        Path.Split('/').All(part => StoredModel.IsName(part) && part.IndexOfAny(['<', '>', '"', '|', '?', '*']) < 0) && Name.Length <= LongestName;

    /// <exception cref="PullException">The path is made to leave the folder.</exception>
    public void RequireSafe(string repository)
    {
        if (!IsSafe) throw new PullException($"{repository} lists a file '{Printable.Line(Path, 80)}', a name that could leave the folder of models: refused");
    }
}
