namespace EdgeLlm.Cli;

/// <summary>
/// Memory of the program between runs, in the user's state folder (`$XDG_STATE_HOME/edgellm`, else `~/.local/state/edgellm`).
/// </summary>
internal static class StateFolder
{
    /// <summary>Hashes of models, so that they need not be computed again.</summary>
    public static string Identities => FileNamed("identities");

    /// <summary>The path of a file or folder in it; nothing is made.</summary>
    public static string FileNamed(string name)
    {
        // The specification has relative paths ignored (XDG Base Directory).
        string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
        if (!Path.IsPathFullyQualified(state ?? ""))
            state =
                Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify),
                    ".local", "state");
        return Path.Combine(state!, "edgellm", name);
    }
}
