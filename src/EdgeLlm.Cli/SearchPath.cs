namespace EdgeLlm.Cli;

/// <summary>The folders in which programs of the machine are looked for.</summary>
internal static class SearchPath
{
    /// <summary>
    /// The folders, separated by colons. Tests give others: PATH itself is that of all processes that any test starts.
    /// </summary>
    public static string? Folders { get; set; } = Environment.GetEnvironmentVariable("PATH");

    /// <summary>The path of a program, or null where no folder has it.</summary>
    public static string? Find(string program) =>
        (Folders ?? "").Split(Path.PathSeparator).Where(static folder => folder.Length > 0)
            .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
