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

    [Fact]
    public void More_models_that_come_with_the_program_have_names_and_the_default_stays_the_default()
    {
        string folder = _folder.PathOf("speech"), file = _folder.PathOf("default-model.gguf");
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "hears.gguf"), []);
        var store = new ModelStore(_folder.PathOf("user"), _folder.PathOf("system"), file) { ProgramFolder = folder };
        Assert.Equal(["SmolLM2-135M-Instruct", "hears"], store.Models().Select(model => model.Name));
        Assert.Equal((ModelPlace.Program, Path.Combine(folder, "hears.gguf")), (store.Find("Hears")!.Place, store.PathOf("hears")));
        Assert.Equal(file, store.Find("default")!.Path);
        Assert.Null(new ModelStore(_folder.PathOf("user"), _folder.PathOf("system")) { ProgramFolder = folder }.Find("default"));
    }
}
