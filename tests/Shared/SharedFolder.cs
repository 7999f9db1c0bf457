namespace EdgeLlm.Tests;

/// <summary>The reference data that lies beside the project's folder. A test that needs it skips, saying so, where it is absent.</summary>
internal static class SharedFolder
{
    /// <summary>The repository's root: the nearest folder upwards with EdgeLlm.sln.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The full path of a file or folder of `../shared`, or the end of the test as skipped.</summary>
    public static string Require(params string[] parts)
    {
        string path = Path.Combine([RepositoryRoot, "..", "shared", .. parts]);
        Assert.SkipUnless(File.Exists(path) || Directory.Exists(path), $"needs {Path.GetFullPath(path)}, which is not on this machine");
        return Path.GetFullPath(path);
    }

    private static string FindRoot()
    {
        string? folder = Environment.GetEnvironmentVariable("EDGELLM_REPOSITORY") ?? AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "EdgeLlm.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException($"no EdgeLlm.sln above {AppContext.BaseDirectory}");
    }
}
