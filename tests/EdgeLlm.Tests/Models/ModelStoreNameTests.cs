using EdgeLlm.Models;

namespace EdgeLlm.Tests.Models;

public sealed class ModelStoreNameTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The program's own model has one name, by whatever path it is given.</summary>
    [Fact]
    public void The_default_model_is_called_the_same_by_a_relative_and_an_absolute_path()
    {
        string file = Path.GetFullPath(_folder.PathOf("default-model.gguf")),
            relative = Path.GetRelativePath(Environment.CurrentDirectory, file);
        foreach (string path in new[] { file, relative,
            Path.Combine(Path.GetDirectoryName(relative)!, ".", "x", "..", Path.GetFileName(file)) })
            Assert.Equal("SmolLM2-135M-Instruct", ModelStore.NameOf(path, file));
        Assert.Equal("default-model", ModelStore.NameOf(_folder.PathOf("other/default-model.gguf"), file));
        Assert.Equal("default-model", ModelStore.NameOf(file, null));
    }
}
