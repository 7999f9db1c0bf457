namespace EdgeLlm.Cli;

/// <summary>What stands on both ends of the program: a person or another program. Text goes through <see cref="Console"/>; bytes through here.</summary>
internal static class Terminal
{
    /// <summary>Standard input as bytes. Tests put theirs here.</summary>
    public static Func<Stream> OpenInput { get; set; } = Console.OpenStandardInput;

    /// <summary>Standard output as bytes. Tests put theirs here.</summary>
    public static Func<Stream> OpenOutput { get; set; } = Console.OpenStandardOutput;

    /// <summary>Whether a person can answer questions.</summary>
    public static Func<bool> HasPersonIn { get; set; } = static () => !Console.IsInputRedirected;

    /// <summary>Whether a person reads standard output: colours, tables and progress are for them.</summary>
    public static Func<bool> HasPersonOut { get; set; } = static () => !Console.IsOutputRedirected;
}
