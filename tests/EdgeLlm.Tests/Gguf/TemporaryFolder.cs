namespace EdgeLlm.Tests.Gguf;

/// <summary>A folder that lives as long as a test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("edgellm-gguf-").FullName;

    public string PathOf(string name) => Path.Combine(_path, name);

    public string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(PathOf(name), bytes);
        return PathOf(name);
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
