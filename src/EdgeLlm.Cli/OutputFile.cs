using EdgeLlm.Files;

namespace EdgeLlm.Cli;

/// <summary>Refuses a file to be written before any work is done, where it would be refused after it, or would replace what must stay.</summary>
internal static class OutputFile
{
    /// <param name="force">Whether a file that is there already may be replaced.</param>
    /// <param name="inputs">Files that are read: none of them is ever replaced, by whatever name or link.</param>
    /// <exception cref="FileException">It can't be written, is there already, or is one of <paramref name="inputs"/>.</exception>
    public static void Require(string path, bool force, IEnumerable<string> inputs)
    {
        if (FileStatus.Of(AtomicFile.TargetOf(path)) is { } there)
        {
            if (inputs.FirstOrDefault(input => FileStatus.Of(input)?.Identity == there.Identity) is { } input)
                throw new FileException(path, $"is {(input == path ? "the file that is read" : $"the same file as {input}, which is read")}; name another file to write");
            if (!force) throw new FileException(path, "is there already; --force replaces it");
        }
        AtomicFile.RequireWritable(path);
    }
}
