using EdgeLlm.Files;

namespace EdgeLlm.Cli;

/// <summary>
/// Refuses a file to be written before any work is done, where it would be refused after it, or would replace what must stay.
/// </summary>
internal static class OutputFile
{
    /// <param name="force">Whether a file that is there already may be replaced.</param>
    /// <param name="inputs">Files that are read: none of them is ever replaced, by whatever name or link.</param>
    /// <exception cref="FileException">It can't be written, is there already, or is one of <paramref name="inputs"/>.</exception>
    public static void Require(string path, bool force, IEnumerable<string> inputs)
    {
        string target = AtomicFile.TargetOf(path);
        RequireNoInput(path, target, inputs);
        RequireNoInput(path, AtomicFile.TemporaryPath(target), inputs);
        if (!force && FileStatus.Of(target) is not null) throw new FileException(path, "is there already; --force replaces it");
        AtomicFile.RequireWritable(path);
    }

    /// <summary>Checks a file whose name the user did not give: an earlier run's is replaced, a link is not followed.</summary>
    /// <exception cref="FileException">It can't be written, is a link, or is one of <paramref name="inputs"/>.</exception>
    public static void RequireBeside(string path, IEnumerable<string> inputs)
    {
        if (FileStatus.Of(path, followLinks: false)?.Kind == FileKind.Link)
            throw new FileException(path, "is a link, and would be replaced: remove it");
        Require(path, force: true, inputs);
    }

    /// <summary>Refuses an output on whose way, in <paramref name="place"/>, something is that is read.</summary>
    /// <param name="path">What messages call the output.</param>
    /// <exception cref="FileException">One of <paramref name="inputs"/> is there.</exception>
    public static void RequireNoInput(string path, string place, IEnumerable<string> inputs)
    {
        if (FileStatus.Of(place) is not { } there
            || inputs.FirstOrDefault(input => FileStatus.Of(input)?.Identity == there.Identity) is not { } input)
            return;
        throw new FileException(path,
            $"{(input == path ? "is the file that is read" : $"writing it would replace {input}, which is read")}; name another file to "
                + "write");
    }
}
