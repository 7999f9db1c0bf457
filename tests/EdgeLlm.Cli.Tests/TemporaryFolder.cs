namespace EdgeLlm.Cli.Tests;

/// <summary>A folder that lives as long as a test, and passes for the user's data folder.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("edgellm-cli-").FullName;

    /// <summary>Where models lie when <see cref="Environment"/> holds.</summary>
    public string Models => Path.Combine(Root, "edgellm", "models");

    public Dictionary<string, string?> Environment => new() { ["XDG_DATA_HOME"] = Root };

    public string ModelPath(string name)
    {
        Directory.CreateDirectory(Models);
        return Path.Combine(Models, name);
    }

    public void Write(string name, string text)
    {
        string path = Path.Combine(Root, name.TrimStart('/'));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
