using System.Text.Json;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`list` and `rm`, and names in place of paths.</summary>
public sealed class StoreCommandsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Models_are_listed_with_what_they_are()
    {
        SampleGguf.Writer().Save(_folder.ModelPath("small.gguf"));
        await File.WriteAllTextAsync(_folder.ModelPath("broken.gguf"), "no model");
        CliResult result = await RunAsync("list", "--json");
        using JsonDocument document = JsonDocument.Parse(result.OutputBytes);
        JsonElement[] entries = [.. document.RootElement.EnumerateArray().Where(entry => entry.GetProperty("place").GetString() == "user")];
        Assert.Equal(["broken", "small"], entries.Select(entry => entry.GetProperty("name").GetString()));
        Assert.NotNull(entries[0].GetProperty("problem").GetString());
        Assert.Equal("sample", entries[1].GetProperty("architecture").GetString());
        Assert.Equal("F16", entries[1].GetProperty("quantization").GetString());
        Assert.Equal(new FileInfo(_folder.ModelPath("small.gguf")).Length, entries[1].GetProperty("size").GetInt64());
        Assert.Contains("small", (await RunAsync("list")).Output);
    }

    [Theory]
    [InlineData("small")]
    [InlineData("small.gguf")]
    public async Task A_name_stands_for_its_file(string name)
    {
        SampleGguf.Writer().Save(_folder.ModelPath("small.gguf"));
        Assert.Contains(_folder.ModelPath("small.gguf"), (await RunAsync("inspect", name)).Output);
    }

    [Fact]
    public async Task Without_yes_and_without_a_person_nothing_is_removed()
    {
        SampleGguf.Writer().Save(_folder.ModelPath("small.gguf"));
        CliResult result = await RunAsync("rm", "small");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("--yes", result.Error);
        Assert.True(File.Exists(_folder.ModelPath("small.gguf")));
    }

    [Theory]
    [InlineData("y\n", 0)]
    [InlineData("n\n", 1)]
    [InlineData("\n", 1)]
    [InlineData("", 1)]
    public async Task A_person_is_asked(string answer, int exitCode)
    {
        SampleGguf.Writer().Save(_folder.ModelPath("small.gguf"));
        CliResult result = await TestCli.RunAsync(["rm", "small"], System.Text.Encoding.UTF8.GetBytes(answer), _folder.Environment, personIn: true);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains("[y/N]", result.Output);
        Assert.Equal(exitCode != 0, File.Exists(_folder.ModelPath("small.gguf")));
    }

    [Fact]
    public async Task All_parts_of_a_split_model_go_together_and_no_other()
    {
        string[] parts = [_folder.ModelPath("big-00001-of-00002.gguf"), _folder.ModelPath("big-00002-of-00002.gguf")];
        foreach (string part in parts) await File.WriteAllTextAsync(part, "part");
        await File.WriteAllTextAsync(_folder.ModelPath("bigger.gguf"), "other");
        CliResult result = await RunAsync("rm", "big", "--yes");
        Assert.Equal(0, result.ExitCode);
        Assert.All(parts, part => Assert.False(File.Exists(part)));
        Assert.True(File.Exists(_folder.ModelPath("bigger.gguf")));
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("../outside.gguf")]
    [InlineData("..")]
    [InlineData("default")]
    [InlineData("nothing")]
    public async Task Nothing_outside_the_users_folder_is_removed(string name)
    {
        SampleGguf.Writer().Save(_folder.ModelPath("small.gguf"));
        string outside = Path.Combine(_folder.Models, "..", "outside.gguf");
        await File.WriteAllTextAsync(outside, "keep");
        Assert.Equal(1, (await RunAsync("rm", name, "--yes")).ExitCode);
        Assert.Equal(1, (await RunAsync("rm", outside, "--yes")).ExitCode);
        Assert.True(File.Exists(outside));
        Assert.True(File.Exists(_folder.ModelPath("small.gguf")));
    }

    [Fact]
    public void A_relative_XDG_DATA_HOME_is_ignored_and_names_are_no_paths()
    {
        Assert.True(Path.IsPathFullyQualified(ModelStore.OfThisMachine().UserFolder));
        Assert.False(StoredModel.IsName("a/b"));
        Assert.False(StoredModel.IsName("a\\b"));
        Assert.False(StoredModel.IsName(".hidden"));
        Assert.False(StoredModel.IsName(""));
        Assert.Equal("m", StoredModel.NameOf("/x/m-00002-of-00011.gguf"));
    }

    [Fact]
    public void Without_a_default_model_one_line_says_what_to_do()
    {
        var store = new ModelStore(_folder.Models, "/nonexistent", defaultModel: null);
        Assert.Contains("--model", Assert.Throws<FileNotFoundException>(() => store.PathOf(null)).Message);
        Assert.Empty(store.Models());
    }

    public void Dispose() => _folder.Dispose();

    private Task<CliResult> RunAsync(params string[] args) => TestCli.RunAsync(args, null, _folder.Environment);
}
