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

    public string PathOf(string name) => Path.Combine(Root, name.TrimStart('/'));

    /// <summary>Writes a file and gives its path.</summary>
    public string Write(string name, string text)
    {
        string path = PathOf(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
