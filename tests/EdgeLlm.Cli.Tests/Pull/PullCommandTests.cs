namespace EdgeLlm.Cli.Tests.Pull;

public sealed class PullCommandTests : IDisposable
{
    private const string Name = "tiny-Q4_0.gguf";

    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _model = SampleGguf.Bytes();

    [Fact]
    public async Task A_model_comes_under_its_own_name_and_can_be_listed()
    {
        using var hub = LocalHub.With(new() { [Name] = _model, ["README.md"] = [1] });
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Contains("tiny-Q4_0, 1", result.Output);
        Assert.Contains("checksum right", result.Output);
        Assert.Contains("its architecture 'sample' is not one that runs here", result.Output);
        Assert.Equal([Name], FilesHere());
        Assert.Equal(_model, await File.ReadAllBytesAsync(_folder.ModelPath(Name)));
        Assert.Contains("tiny-Q4_0", (await TestCli.RunAsync(["list"], null, _folder.Environment)).Output);
    }

    [Fact]
    public async Task An_adapter_comes_into_a_folder_of_its_own_and_list_shows_its_base()
    {
        byte[] config = "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"owner/base\"}"u8.ToArray();
        using var hub = LocalHub.With(new()
        {
            ["adapter_config.json"] = config,
            ["adapter_model.safetensors"] = [1, 2, 3],
            ["README.md"] = [1],
            ["training_args.bin"] = [9],
            ["checkpoint-1/adapter_config.json"] = config
        });
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Contains("--lora", result.Output);
        string folder = Path.Combine(_folder.Models, "adapters", "name");
        Assert.Equal(["README.md", "adapter_config.json", "adapter_model.safetensors"],
            Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains("adapter of owner/base", (await TestCli.RunAsync(["list"], null, _folder.Environment)).Output);
        Assert.Contains("\"base\": \"owner/base\"", (await TestCli.RunAsync(["list", "--json"], null, _folder.Environment)).Output);
        string own = _folder.PathOf("mine");
        Directory.Move(folder, own);
        Assert.Equal(0, (await TestCli.RunAsync(["pull", own], null, _folder.Environment)).ExitCode);
        Assert.Contains("mine", (await TestCli.RunAsync(["list"], null, _folder.Environment)).Output);
        Assert.Contains("is there already", (await TestCli.RunAsync(["pull", own], null, _folder.Environment)).Error);
    }

    [Fact]
    public async Task After_a_cut_connection_only_the_rest_is_asked_for()
    {
        int cuts = 0;
        using var hub = LocalHub.With(new() { [Name] = _model },
            (request, usual) => request.IsFile && cuts++ == 0 ? usual with { CutAfter = 50_000 } : null);
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("tries again", result.Error);
        HubRequest[] asked = [.. hub.Requests.Where(request => request.IsFile)];
        Assert.Equal([0, 50_000], asked.Select(request => request.From));
        Assert.Equal(HubResponse.Tag, asked[1].Headers["If-Range"]);
        Assert.Equal(_model, await File.ReadAllBytesAsync(_folder.ModelPath(Name)));
        Assert.Equal([Name], FilesHere());
    }

    [Fact]
    public async Task An_earlier_pull_is_gone_on_with()
    {
        await File.WriteAllBytesAsync(_folder.ModelPath(Name + ".part"), _model[..70_000]);
        await File.WriteAllTextAsync(_folder.ModelPath(Name + ".part.etag"), HubResponse.Tag);
        using var hub = LocalHub.With(new() { [Name] = _model });
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("continues after 70.0 kB", result.Error);
        Assert.Equal(70_000, hub.Requests.Single(request => request.IsFile).From);
        Assert.Equal(_model, await File.ReadAllBytesAsync(_folder.ModelPath(Name)));
    }

    [Theory]
    [InlineData("\"older\"", 70_000)]
    [InlineData(null, 10_000_000)]
    public async Task A_part_of_another_file_is_begun_again(string? tag, int length)
    {
        await File.WriteAllBytesAsync(_folder.ModelPath(Name + ".part"), new byte[length]);
        if (tag is not null) await File.WriteAllTextAsync(_folder.ModelPath(Name + ".part.etag"), tag);
        using var hub = LocalHub.With(new() { [Name] = _model });
        Assert.Equal(0, (await PullAsync(hub, "owner/name")).ExitCode);
        Assert.Equal(_model, await File.ReadAllBytesAsync(_folder.ModelPath(Name)));
        Assert.Equal([Name], FilesHere());
    }

    [Fact]
    public async Task A_wrong_checksum_leaves_nothing_behind()
    {
        byte[] other = [.. _model];
        other[^1] ^= 1;
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, _) => request.IsFile ? HubResponse.File(request, other) : null);
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("wrong checksum", result.Error);
        Assert.Empty(FilesHere());
    }

    [Theory]
    [InlineData(401, "private or gated")]
    [InlineData(403, "accept the model's licence")]
    [InlineData(404, "no such repository")]
    [InlineData(418, "answers 418")]
    public async Task An_answer_that_will_not_change_is_one_line_at_once(int status, string text)
    {
        using var hub = new LocalHub(_ => new HubResponse(status, []));
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(text, result.Error);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
        Assert.Single(hub.Requests);
    }

    [Fact]
    public async Task The_token_stays_behind_when_another_host_is_redirected_to()
    {
        using var storage = new LocalHub(request => HubResponse.File(request, _model));
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, _) =>
            request.Target.StartsWith("/owner/", StringComparison.Ordinal) ? HubResponse.Redirect("/moved" + request.Target)
            : request.IsFile ? HubResponse.Redirect(storage.Address + "/blob?signature=1") : null);
        CliResult result = await PullAsync(hub, "owner/name", token: "hf_secret");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Equal(3, hub.Requests.Count);
        Assert.All(hub.Requests, request => Assert.Equal("Bearer hf_secret", request.Headers["Authorization"]));
        Assert.DoesNotContain("Authorization", Assert.Single(storage.Requests).Headers.Keys);
        Assert.DoesNotContain("hf_secret", result.Output + result.Error);
    }

    [Fact]
    public async Task All_files_of_a_split_model_come()
    {
        byte[] second = [1, 2, 3];
        using var hub = LocalHub.With(new() { ["Q8_0/m-Q8_0-00002-of-00002.gguf"] = second, ["Q8_0/m-Q8_0-00001-of-00002.gguf"] = _model });
        CliResult result = await PullAsync(hub, "owner/name:q8_0");
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"], FilesHere());
    }

    [Fact]
    public async Task A_split_model_with_a_part_missing_is_refused()
    {
        using var hub = LocalHub.With(new() { ["m-Q8_0-00001-of-00003.gguf"] = _model });
        CliResult result = await PullAsync(hub, "owner/name:m-Q8_0");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("split into 3 files, of which the repository has 1", result.Error);
    }

    [Fact]
    public async Task What_is_here_already_is_not_downloaded_again_and_never_replaced()
    {
        using var hub = LocalHub.With(new() { [Name] = _model });
        await File.WriteAllBytesAsync(_folder.ModelPath(Name), _model);
        Assert.Contains("is here already", (await PullAsync(hub, "owner/name")).Output);
        byte[] other = new byte[_model.Length];
        await File.WriteAllBytesAsync(_folder.ModelPath(Name), other);
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("edgellm rm tiny-Q4_0", result.Error);
        Assert.Equal(other, await File.ReadAllBytesAsync(_folder.ModelPath(Name)));
        Assert.DoesNotContain(hub.Requests, request => request.IsFile);
    }

    [Fact]
    public async Task A_file_larger_than_the_disk_is_refused_before_it_is_asked_for()
    {
        using var hub = new LocalHub(_ => new HubResponse(200, LocalHub.List([(Name, 1L << 47, null)])));
        CliResult result = await PullAsync(hub, "owner/name:" + Name);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("are free on this disk", result.Error);
    }

    [Fact]
    public async Task A_repository_without_GGUF_files_says_what_to_look_for()
    {
        using var hub = LocalHub.With(new() { ["model.safetensors"] = [1], ["mmproj-F16.gguf"] = _model });
        Assert.Contains("has no GGUF file", (await PullAsync(hub, "owner/name")).Error);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[{\"type\":\"file\"}]")]
    [InlineData("[{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":\"many\"}]")]
    public async Task An_answer_that_is_no_list_of_files_is_an_error(string body)
    {
        using var hub = new LocalHub(_ => new HubResponse(200, System.Text.Encoding.UTF8.GetBytes(body)));
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("HF_ENDPOINT", result.Error);
    }

    [Fact]
    public async Task The_list_goes_on_on_its_next_page()
    {
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, usual) =>
            request.Target.EndsWith("recursive=true", StringComparison.Ordinal)
                ? new HubResponse(200, "[]"u8.ToArray()) { Headers = { ["Link"] = "</api/next>; rel=\"next\"" } }
            : request.Target == "/api/next"
            ? new HubResponse(200, LocalHub.List(new Dictionary<string, byte[]> { [Name] = _model })) : null);
        Assert.Equal(0, (await PullAsync(hub, "owner/name")).ExitCode);
    }

    [Theory]
    [InlineData("name")]
    [InlineData("owner/name/more")]
    [InlineData("../name")]
    [InlineData("owner/..")]
    [InlineData("owner/na me")]
    [InlineData("owner/name:")]
    [InlineData("owner/name@")]
    [InlineData("owner/name@../../x")]
    [InlineData("owner/name@a b")]
    [InlineData("https://huggingface.co/owner/name/resolve/..%2F..%2Fapi/x")]
    [InlineData("")]
    public async Task What_names_no_repository_is_a_usage_error(string text)
    {
        CliResult result = await TestCli.RunAsync("pull", text);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("OWNER/NAME", result.Error);
    }

    [Fact]
    public async Task With_system_it_goes_where_the_service_looks_and_can_be_read_there()
    {
        using var hub = LocalHub.With(new() { [Name] = _model });
        string folder = _folder.PathOf("var/models");
        CliResult result = await PullAsync(hub, "owner/name", options: ["--system"], systemFolder: folder);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        const UnixFileMode all = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        Assert.Equal(all | UnixFileMode.UserWrite, new FileInfo(Path.Combine(folder, Name)).UnixFileMode);
        Assert.True(new DirectoryInfo(folder).UnixFileMode.HasFlag(all | UnixFileMode.OtherExecute));
        Assert.Equal([Path.Combine(folder, Name)], Directory.EnumerateFiles(folder));
        Assert.Empty(FilesHere());
    }

    [Fact]
    public async Task Root_is_told_that_the_service_looks_elsewhere()
    {
        using var hub = LocalHub.With(new() { [Name] = _model });
        string folder = _folder.PathOf("var/models");
        Directory.CreateDirectory(folder);
        CliResult result = await PullAsync(hub, "owner/name", systemFolder: folder);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(Environment.IsPrivilegedProcess, result.Error.Contains("--system puts it into " + folder));
        Assert.Equal([Name], FilesHere());
    }

    [Fact]
    public async Task A_system_folder_that_cannot_be_written_is_said_before_anything_is_asked_for()
    {
        using var hub = LocalHub.With(new() { [Name] = _model });
        CliResult result = await PullAsync(hub, "owner/name", options: ["--system"], systemFolder: "/proc/self/models");
        Assert.Equal(1, result.ExitCode);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
        Assert.Empty(hub.Requests);
    }

    public void Dispose() => _folder.Dispose();

    private string[] FilesHere() =>
        Directory.Exists(_folder.Models)
            ? [.. Directory.EnumerateFiles(_folder.Models).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)] : [];

    private Task<CliResult> PullAsync(LocalHub hub, string reference, string? token = null, string[]? options = null,
        string? systemFolder = null) =>
        TestCli.RunAsync(["pull", reference, .. options ?? []], null, new Dictionary<string, string?>(_folder.Environment)
        {
            ["HF_ENDPOINT"] = hub.Address,
            ["HF_TOKEN"] = token,
            ["HF_HOME"] = _folder.Root,
            [TestCli.SystemFolder] = systemFolder,
        });
}
