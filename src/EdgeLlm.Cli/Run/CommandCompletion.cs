namespace EdgeLlm.Cli.Run;

/// <summary>Completions of a command for the Tab key: the next word of one of the commands, or a file's name.</summary>
/// <param name="lines">The commands with their words; one that takes more ends with a space.</param>
/// <param name="filesAfter">Beginnings that a file's name follows, each with its space.</param>
internal sealed class CommandCompletion(IReadOnlyList<string> lines, IReadOnlyList<string> filesAfter)
{
    private const int MostFiles = 100;

    /// <summary>The texts that what is typed may become, each a word longer.</summary>
    public IReadOnlyList<string> For(string typed)
    {
        if (!typed.StartsWith('/') || typed.Contains('\n')) return [];
        if (filesAfter.LastOrDefault(start => typed.StartsWith(start, StringComparison.OrdinalIgnoreCase)) is { } command)
            return Files(typed[..command.Length], typed[command.Length..]);
        return
        [
            .. lines.Where(line => line.StartsWith(typed, StringComparison.OrdinalIgnoreCase))
                .Select(line => line.IndexOf(' ', typed.Length) is >= 0 and var end ? line[..(end + 1)]
                    : line).Distinct().Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>The reply to a command that is not among <paramref name="lines"/>.</summary>
    public static string Unknown(string name, IEnumerable<string> lines)
    {
        string? near = Suggestion.For(name[1..], lines.Select(line => line.Split(' ')[0][1..]).Distinct());
        return $"there is no command {Printable.Line(name, 100)}; {(near is null ? "/help lists them" : $"did you mean /{near}?")}";
    }

    /// <summary>A path as somebody types it, where no shell has replaced ~.</summary>
    public static string PathOf(string typed) =>
        typed.StartsWith("~/", StringComparison.Ordinal)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), typed[2..]) : typed;

    private static string[] Files(string command, string path)
    {
        string folder = path[..(path.LastIndexOf('/') + 1)], name = path[folder.Length..];
        try
        {
            return
            [
                .. new DirectoryInfo(folder.Length == 0 ? "." : PathOf(folder)).EnumerateFileSystemInfos()
                    .Where(entry => entry.Name.StartsWith(name, StringComparison.Ordinal)
                        && entry.Name.StartsWith('.') == name.StartsWith('.') && !entry.Name.Any(char.IsControl))
                    .Take(MostFiles).Select(entry => command + folder + entry.Name + (entry is DirectoryInfo ? "/" : ""))
                    .Order(StringComparer.Ordinal),
            ];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
