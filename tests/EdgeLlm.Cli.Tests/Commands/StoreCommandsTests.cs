using System.Text.Json;
using EdgeLlm.Models;
using EdgeLlm.Tests;

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
        CliResult result =
            await TestCli.RunAsync(["rm", "small"], System.Text.Encoding.UTF8.GetBytes(answer), _folder.Environment, personIn: true);
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
    [InlineData("SmolLM2-135M-Instruct")]
    [InlineData("smal")]
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

    [Theory]
    [InlineData("SMALL")]
    [InlineData("Small.GGUF")]
    [InlineData("small:latest")]
    [InlineData("SMAL")]
    public async Task A_name_counts_in_any_case_and_by_its_beginning(string name)
    {
        SampleGguf.Writer().Save(_folder.ModelPath("small.gguf"));
        Assert.Contains(_folder.ModelPath("small.gguf"), (await RunAsync("inspect", name)).Output);
    }

    [Fact]
    public async Task An_exact_name_counts_more_than_one_in_another_case_and_than_a_beginning()
    {
        foreach (string name in (string[])["small", "SMALL", "smaller"]) SampleGguf.Writer().Save(_folder.ModelPath(name + ".gguf"));
        Assert.Contains(_folder.ModelPath("SMALL.gguf"), (await RunAsync("inspect", "SMALL")).Output);
        Assert.Contains(_folder.ModelPath("small.gguf"), (await RunAsync("inspect", "small")).Output);
        CliResult several = await RunAsync("inspect", "sma");
        Assert.Equal(1, several.ExitCode);
        Assert.Contains("begin with 'sma': SMALL, small, smaller", several.Error);
    }

    [Theory]
    [InlineData("smoll-2b", "smol-2b")]
    [InlineData("SMOL-2b-q4", "smol-2b-q4_1")]
    [InlineData("mosl-2b", "smol-2b")]
    [InlineData("SmolLM2-135M-Instuct", "SmolLM2-135M-Instruct")]
    public async Task A_name_that_is_near_one_is_answered_with_that(string name, string meant)
    {
        SampleGguf.Writer().Save(_folder.ModelPath("smol-2b.gguf"));
        SampleGguf.Writer().Save(_folder.ModelPath("smol-2b-q4_1.gguf"));
        CliResult result = await RunAsync("inspect", name);
        if (meant.StartsWith(name, StringComparison.OrdinalIgnoreCase)) Assert.Contains(_folder.ModelPath(meant), result.Output);
        else Assert.Equal($"edgellm: there is no model '{name}': did you mean {meant}?\n", result.Error);
    }

    [Fact]
    public async Task A_name_that_is_near_none_is_answered_with_where_to_look()
    {
        CliResult result = await RunAsync("run", "-m", "mistral-large", "hi");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("`edgellm list`", result.Error);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task The_default_model_has_one_name()
    {
        string path = DefaultModelFile.Path!;
        Assert.Contains("SmolLM2-135M-Instruct ", (await RunAsync("list")).Output);
        foreach (string name in (string[])["SmolLM2-135M-Instruct", "smollm2-135m-instruct:latest", "smollm2", "default"])
            Assert.Contains(path, (await RunAsync("inspect", name)).Output);
        Assert.StartsWith("SmolLM2-135M-Instruct\n", (await RunAsync("inspect")).Output);
        CliResult talk = await TestCli.RunAsync(["run"], "/bye\n"u8.ToArray(), _folder.Environment, personIn: true);
        Assert.StartsWith("SmolLM2-135M-Instruct, ", talk.Output);
        Assert.StartsWith("SmolLM2-135M-Instruct (", (await RunAsync("serve", "--check")).Output);
    }

    [Fact]
    public async Task A_folder_without_a_model_is_answered_with_what_is_missing()
    {
        string folder = Path.GetDirectoryName(_folder.Write("it's a folder/config.json", "{}"))!;
        Assert.Contains($"{folder} is a Hugging Face folder without weights that are read here (model.safetensors or pytorch_model.bin)",
            (await RunAsync("run", "-m", folder, "hi")).Error);
        SampleGguf.Writer().Save(_folder.ModelPath("small.gguf"));
        Assert.Contains("such as " + _folder.ModelPath("small.gguf"), (await RunAsync("run", "-m", _folder.Models, "hi")).Error);
        Assert.Contains("without a model", (await RunAsync("run", "-m", _folder.Root, "hi")).Error);
    }

    [Fact]
    public async Task A_hugging_face_folder_is_a_model_to_all_commands_that_read_one()
    {
        string folder = SharedFolder.Require("golden", "logits", "llama3-rope"), ids = _folder.Write("ids", "1 5 300 17\n"),
            output = _folder.PathOf("logits.safetensors");
        Assert.Contains("a Hugging Face folder", (await RunAsync("inspect", folder)).Output);
        Assert.Contains("llama3-rope", (await RunAsync("serve", "--check", "--model", folder)).Output);
        Assert.StartsWith("logits_0 4 ", (await RunAsync("logits", "--model", folder, "--ids", ids, "--output", output)).Output);
        Assert.Equal(0, (await RunAsync("run", folder, "--raw", "--max-tokens", "3", "Once upon")).ExitCode);
        Assert.Matches("^[0-9 ]+\n$",
            (await TestCli.RunAsync(["tokenize", "--model", folder], "Once upon"u8.ToArray(), _folder.Environment)).Output);
    }

    [Fact]
    public async Task A_link_counts_as_the_file_that_it_leads_to()
    {
        string target = _folder.Write("elsewhere/model", "");
        SampleGguf.Writer().Save(target);
        File.CreateSymbolicLink(_folder.ModelPath("linked.gguf"), target);
        File.CreateSymbolicLink(_folder.ModelPath("again.gguf"), _folder.ModelPath("linked.gguf"));
        File.CreateSymbolicLink(_folder.ModelPath("nowhere.gguf"), _folder.PathOf("absent"));
        File.CreateSymbolicLink(_folder.ModelPath("circle.gguf"), _folder.ModelPath("circle.gguf"));
        using JsonDocument document = JsonDocument.Parse((await RunAsync("list", "--json")).OutputBytes);
        var entries = document.RootElement.EnumerateArray().ToDictionary(entry => entry.GetProperty("name").GetString()!);
        Assert.Equal(new FileInfo(target).Length, entries["linked"].GetProperty("size").GetInt64());
        Assert.Equal(new FileInfo(target).Length, entries["again"].GetProperty("size").GetInt64());
        Assert.Equal(File.GetLastWriteTimeUtc(target), entries["again"].GetProperty("modified").GetDateTime());
        Assert.All((string[])["nowhere", "circle"],
            name => Assert.Equal("can't be read", entries[name].GetProperty("problem").GetString()));

        Assert.Contains("stays", (await RunAsync("rm", "linked", "--yes")).Output);
        Assert.True(File.Exists(target));
    }

    [Fact]
    public async Task The_systems_models_are_removed_only_when_asked_for()
    {
        string folder = _folder.PathOf("system"), path = Path.Combine(folder, "shared.gguf");
        Directory.CreateDirectory(folder);
        SampleGguf.Writer().Save(path);
        var environment = new Dictionary<string, string?>(_folder.Environment) { [TestCli.SystemFolder] = folder };
        CliResult refused = await TestCli.RunAsync(["rm", "shared", "--yes"], null, environment);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("rm --system", refused.Error);
        Assert.True(File.Exists(path));
        Assert.Equal(0, (await TestCli.RunAsync(["rm", "--system", "shared", "--yes"], null, environment)).ExitCode);
        Assert.False(File.Exists(path));
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
