using System.IO.Compression;
using System.Text;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Tests.Pull;

/// <summary>
/// `pull` from hubs, and through networks, that do everything but hand over a model: one line, an exit code, nothing left behind.
/// </summary>
public sealed class HostileHubTests : IDisposable
{
    private const string Name = "tiny-Q4_0.gguf";

    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _model = SampleGguf.Bytes();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_file_shorter_than_its_listing_ends_the_download(bool chunked)
    {
        using var hub = new LocalHub(request => request.IsFile
            ? HubResponse.File(request, _model) with { Chunked = chunked }
            : new HubResponse(200, LocalHub.List([(Name, _model.Length + 1000L, null)])));
        await AssertRefusedAsync(hub, "owner/name", "where its repository lists");
        Assert.InRange(hub.Requests.Count, 2, 3);
    }

    [Fact]
    public async Task A_file_longer_than_its_listing_ends_the_download()
    {
        using var hub = new LocalHub(request => request.IsFile ? HubResponse.File(request, _model)
            : new HubResponse(200, LocalHub.List([(Name, _model.Length - 1000L, null)])));
        await AssertRefusedAsync(hub, "owner/name", "where its repository lists");
        Assert.Empty(Directory.EnumerateFiles(_folder.Models, Name));
    }

    [Fact]
    public async Task A_part_of_a_file_that_is_shorter_by_now_ends_the_download()
    {
        await File.WriteAllBytesAsync(_folder.ModelPath(Name + ".part"), _model[..70_000]);
        await File.WriteAllTextAsync(_folder.ModelPath(Name + ".part.etag"), HubResponse.Tag);
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, _) => request.IsFile
            ? new HubResponse(416, []) { Headers = { ["Content-Range"] = "bytes */60000" } } : null);
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("has 60,000 bytes where its repository lists", result.Error);
        Assert.Equal(2, hub.Requests.Count);
    }

    [Theory]
    [InlineData("text/html; charset=utf-8", "anything")]
    [InlineData("application/octet-stream", "<!DOCTYPE html><html><body>Hotel Wi-Fi: please log in</body></html>")]
    [InlineData("application/octet-stream", "\ufeff\r\n  <HTML><head><title>Login</title>")]
    public async Task A_web_page_in_place_of_a_file_or_list_is_said_to_be_one(string type, string text)
    {
        var page = new HubResponse(200, Encoding.UTF8.GetBytes(text)) { Headers = { ["Content-Type"] = type } };
        using var portal = new LocalHub(_ => page);
        await AssertRefusedAsync(portal, "owner/name", "captive portal");
        using var later = LocalHub.With(new() { [Name] = _model }, (request, _) => request.IsFile ? page : null);
        await AssertRefusedAsync(later, "owner/name", "captive portal");
        Assert.Equal(2, later.Requests.Count);
    }

    [Fact]
    public async Task A_pointer_of_large_file_storage_is_said_to_be_one()
    {
        byte[] pointer =
            Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:" + new string('a', 64) + "\nsize 1\n");
        using var listed = new LocalHub(request => request.IsFile ? HubResponse.File(request, pointer)
            : new HubResponse(200, LocalHub.List([(Name, pointer.Length, null)])));
        await AssertRefusedAsync(listed, "owner/name", "(LFS)");
        using var instead =
            LocalHub.With(new() { [Name] = _model }, (request, _) => request.IsFile ? HubResponse.File(request, pointer) : null);
        await AssertRefusedAsync(instead, "owner/name", "(LFS)");
    }

    [Theory]
    [InlineData("../evil.gguf")]
    [InlineData("..\\evil.gguf")]
    [InlineData("a/..\\..\\evil.gguf")]
    [InlineData("/etc/evil.gguf")]
    [InlineData("//host/evil.gguf")]
    [InlineData("\\\\host\\evil.gguf")]
    [InlineData("C:\\evil.gguf")]
    [InlineData("%2e%2e/evil.gguf")]
    [InlineData("%2E%2e%2fevil.gguf")]
    [InlineData("..%5cevil.gguf")]
    [InlineData("a//evil.gguf")]
    [InlineData("./evil.gguf")]
    [InlineData("a\u0000.gguf")]
    [InlineData("a\n.gguf")]
    [InlineData("a\u001b[2J.gguf")]
    [InlineData("a\u202efugg.gguf")]
    [InlineData("a\u200b.gguf")]
    [InlineData("-rf.gguf")]
    [InlineData(" a.gguf")]
    [InlineData("NUL.gguf")]
    [InlineData("com1.x.gguf")]
    [InlineData("aux/m.gguf")]
    [InlineData("a./m.gguf")]
    [InlineData("a|b.gguf")]
    public async Task A_name_that_leaves_the_folder_or_misleads_is_refused(string path)
    {
        using var hub = LocalHub.With(new() { [path] = _model });
        CliResult result = await AssertRefusedAsync(hub, "owner/name", "refused");
        Assert.DoesNotContain(result.Error.TrimEnd('\n'), char.IsControl);
        Assert.DoesNotContain(hub.Requests, request => request.IsFile);
    }

    [Fact]
    public async Task A_name_longer_than_file_systems_take_is_refused()
    {
        using var hub = LocalHub.With(new() { [new string('\u00e4', 120) + ".gguf"] = _model });
        await AssertRefusedAsync(hub, "owner/name", "refused");
    }

    [Fact]
    public async Task A_name_that_a_shell_would_act_on_is_quoted_in_the_lines_to_type()
    {
        const string hostile = "m $(touch x);'-Q4_0.gguf";
        using var hub = LocalHub.With(new() { [hostile] = await RunnableAsync() });
        CliResult result = await PullAsync(hub, "owner/name");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Contains(@"edgellm run --model 'm $(touch x);'\''-Q4_0'", result.Output);
        await File.AppendAllTextAsync(_folder.ModelPath(hostile), "changed");
        Assert.Contains(@"edgellm rm 'm $(touch x);'\''-Q4_0'", (await PullAsync(hub, "owner/name")).Error);
    }

    [Fact]
    public async Task Links_in_the_folder_are_never_written_through()
    {
        string target = _folder.Write("outside", "keep");
        using var hub = LocalHub.With(new() { [Name] = _model });
        File.CreateSymbolicLink(_folder.ModelPath(Name + ".part"), target);
        await AssertRefusedAsync(hub, "owner/name", "is a link");
        File.Delete(_folder.ModelPath(Name + ".part"));

        File.CreateSymbolicLink(_folder.ModelPath(Name), _folder.PathOf("absent"));
        await AssertRefusedAsync(hub, "owner/name", "is a link that leads nowhere");
        File.Delete(_folder.ModelPath(Name));

        File.CreateSymbolicLink(_folder.ModelPath(Name + ".part.etag"), target);
        Assert.Equal(0, (await PullAsync(hub, "owner/name")).ExitCode);
        Assert.Equal("keep", await File.ReadAllTextAsync(target));
        Assert.False(File.Exists(_folder.PathOf("absent")));
    }

    [Theory]
    [InlineData("http://169.254.169.254/latest/meta-data/")]
    [InlineData("http://2852039166/")]
    [InlineData("http://[::ffff:a9fe:a9fe]/")]
    [InlineData("http://[fe80::1]/")]
    public async Task A_redirect_to_a_link_local_address_is_refused(string target)
    {
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, _) => request.IsFile ? HubResponse.Redirect(target) : null);
        await AssertRefusedAsync(hub, "owner/name", "link-local");
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("ftp://127.0.0.1/x")]
    [InlineData("http://[::1")]
    [InlineData("http://")]
    [InlineData("javascript:alert(1)")]
    public async Task A_redirect_to_no_web_address_is_refused(string target)
    {
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, _) => request.IsFile ? HubResponse.Redirect(target) : null);
        await AssertRefusedAsync(hub, "owner/name", "redirect");
    }

    [Fact]
    public async Task Endless_redirects_end()
    {
        int count = 0;
        using var hub = LocalHub.With(new() { [Name] = _model },
            (request, _) => request.Target.StartsWith("/api/", StringComparison.Ordinal) ? null
                : HubResponse.Redirect($"/moved/{count++}"));
        await AssertRefusedAsync(hub, "owner/name", "more than 10 redirects");
        Assert.InRange(count, 1, 12);
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_only_not_even_to_another_port_of_its_host()
    {
        using var other = new LocalHub(request => HubResponse.File(request, _model));
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, usual) =>
            request.IsFile ? HubResponse.Redirect(other.Address + "/m")
                : usual with { Headers = new() { ["Link"] = $"<{other.Address}/api/next>; rel=\"next\"" } });
        CliResult result = await PullAsync(hub, "owner/name", new() { ["HF_TOKEN"] = "hf_secret" });
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.All(hub.Requests, request => Assert.Equal("Bearer hf_secret", request.Headers["Authorization"]));
        Assert.False(Assert.Single(other.Requests).Headers.ContainsKey("Authorization"));
    }

    [Fact]
    public async Task The_token_of_a_login_is_sent_and_named_where_it_does_not_suffice()
    {
        _folder.Write("hf/token", "hf_login\n");
        using var hub = new LocalHub(_ => new HubResponse(403, []));
        CliResult result =
            await AssertRefusedAsync(hub, "owner/name", "hf/token may not read it", new() { ["HF_HOME"] = _folder.PathOf("hf") });
        Assert.Equal("Bearer hf_login", Assert.Single(hub.Requests).Headers["Authorization"]);
        Assert.DoesNotContain("hf_login", result.Error);
    }

    [Fact]
    public async Task What_comes_compressed_is_refused_not_blown_up()
    {
        using var bomb = new MemoryStream();
        using (var gzip = new GZipStream(bomb, CompressionLevel.Fastest, leaveOpen: true))
        {
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < 64; i++) gzip.Write(zeros);
        }
        var answer = new HubResponse(200, bomb.ToArray()) { Headers = { ["Content-Encoding"] = "gzip" } };
        using var list = new LocalHub(_ => answer);
        await AssertRefusedAsync(list, "owner/name", "compressed (gzip)");
        Assert.Equal("identity", Assert.Single(list.Requests).Headers["Accept-Encoding"]);
        using var file = LocalHub.With(new() { [Name] = _model }, (request, _) => request.IsFile ? answer : null);
        await AssertRefusedAsync(file, "owner/name", "compressed (gzip)");
    }

    [Fact]
    public async Task A_list_without_end_ends()
    {
        byte[] page = LocalHub.List(new Dictionary<string, byte[]> { [Name] = _model });
        using var pages = new LocalHub(_ => new HubResponse(200, page) { Headers = { ["Link"] = "</api/next>; rel=\"next\"" } });
        await AssertRefusedAsync(pages, "owner/name", "lists more files");
        Assert.Equal(100, pages.Requests.Count);
        using var large = new LocalHub(_ => new HubResponse(200, [.. "["u8, .. Enumerable.Repeat((byte)' ', 5 << 20)]));
        await AssertRefusedAsync(large, "owner/name", "longer than 4.2 MB");
        Assert.Single(large.Requests);
        using var files =
            new LocalHub(
                _ => new HubResponse(200,
                    Encoding.UTF8.GetBytes("["
                        + string.Join(',',
                            Enumerable.Range(0, 25_000).Select(i => $"{{\"type\":\"file\",\"path\":\"{i}.gguf\",\"size\":1}}")) + "]"))
                {
                    Headers = { ["Link"] = "</api/next>; rel=\"next\"" },
                });
        await AssertRefusedAsync(files, "owner/name", "lists more files");
    }

    [Theory]
    [InlineData("{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":9223372036854775807}")]
    [InlineData("{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":-1}")]
    [InlineData("{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":1e300}")]
    [InlineData("{\"type\":\"file\",\"path\":null,\"size\":1}")]
    [InlineData("{\"type\":\"file\",\"path\":7,\"size\":1}")]
    [InlineData("{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":1,\"lfs\":{\"oid\":\"../../x\",\"size\":1}}")]
    [InlineData("{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":1,\"lfs\":{\"oid\":7}}")]
    [InlineData("null")]
    [InlineData(
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")]
    public async Task An_entry_that_makes_no_sense_is_an_error(string entry)
    {
        using var hub = new LocalHub(_ => new HubResponse(200, Encoding.UTF8.GetBytes($"[{entry}]")));
        await AssertRefusedAsync(hub, "owner/name", "HF_ENDPOINT");
    }

    [Fact]
    public async Task Parts_that_are_there_twice_do_not_pass_for_all()
    {
        using var hub = new LocalHub(_ =>
            new HubResponse(200, LocalHub.List([("m-Q8_0-00001-of-00002.gguf", 5, null), ("m-Q8_0-00001-of-00002.gguf", 5, null)])));
        await AssertRefusedAsync(hub, "owner/name:m-Q8_0", "split into 2 files, of which the repository has 1");
        using var numbers = new LocalHub(_ =>
            new HubResponse(200, LocalHub.List([("m-Q8_0-00001-of-00002.gguf", 5, null), ("m-Q8_0-00003-of-00002.gguf", 5, null)])));
        await AssertRefusedAsync(numbers, "owner/name:m-Q8_0", "split into 2 files");
    }

    [Fact]
    public async Task Another_file_behind_the_same_range_begins_again()
    {
        await File.WriteAllBytesAsync(_folder.ModelPath(Name + ".part"), new byte[70_000]);
        await File.WriteAllTextAsync(_folder.ModelPath(Name + ".part.etag"), "\"older\"");
        using var hub = LocalHub.With(new() { [Name] = _model }, (request, _) =>
        {
            request.Headers.Remove("If-Range"); // a hub that does not know it
            return request.IsFile ? HubResponse.File(request, _model) : null;
        });
        Assert.Equal(0, (await PullAsync(hub, "owner/name")).ExitCode);
        Assert.Equal(_model, await File.ReadAllBytesAsync(_folder.ModelPath(Name)));
    }

    [Fact]
    public async Task A_part_that_nothing_vouches_for_begins_again()
    {
        await File.WriteAllBytesAsync(_folder.ModelPath(Name + ".part"), new byte[70_000]);
        using var hub = new LocalHub(request => request.IsFile ? HubResponse.File(request, _model)
            : new HubResponse(200, LocalHub.List([(Name, _model.Length, null)])));
        Assert.Equal(0, (await PullAsync(hub, "owner/name")).ExitCode);
        Assert.Equal(_model, await File.ReadAllBytesAsync(_folder.ModelPath(Name)));
    }

    [Fact]
    public async Task A_revision_is_asked_for_in_both_requests()
    {
        using var hub = new LocalHub(request => request.Target switch
        {
            "/api/models/owner/name/tree/refs%2Fpr%2F3?recursive=true" =>
                new HubResponse(200, LocalHub.List(new Dictionary<string, byte[]> { [Name] = _model })),
            "/owner/name/resolve/refs%2Fpr%2F3/" + Name => HubResponse.File(request, _model),
            _ => new HubResponse(404, []),
        });
        await AssertRefusedAsync(hub, "owner/name@v9", "owner/name@v9: there is no such repository, revision or file");
        Assert.Equal(0, (await PullAsync(hub, "owner/name@refs/pr/3")).ExitCode);
    }

    [Fact]
    public async Task Without_a_network_the_first_word_says_so()
    {
        CliResult result = await TestCli.RunAsync(["pull", "owner/name"], null,
            new Dictionary<string, string?>(_folder.Environment)
            {
                ["HF_ENDPOINT"] = "http://no-such-host.invalid",
                ["HF_HOME"] = _folder.Root
            });
        Assert.Equal(1, result.ExitCode);
        Assert.All(result.Error.TrimEnd().Split('\n'), line => Assert.StartsWith("edgellm: no network? ", line));
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A file that `run` takes, as far as its header says.</summary>
    private static Task<byte[]> RunnableAsync() => File.ReadAllBytesAsync(DefaultModelFile.Path!);

    private async Task<CliResult> AssertRefusedAsync(LocalHub hub, string reference, string text,
        Dictionary<string, string?>? variables = null)
    {
        CliResult result = await PullAsync(hub, reference, variables);
        Assert.Contains(text, result.Error);
        Assert.Equal(1, result.ExitCode);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
        if (Directory.Exists(_folder.Models))
            Assert.DoesNotContain(Directory.EnumerateFiles(_folder.Models, "*.gguf"), path => new FileInfo(path).LinkTarget is null);
        return result;
    }

    private Task<CliResult> PullAsync(LocalHub hub, string reference, Dictionary<string, string?>? variables = null)
    {
        var environment = new Dictionary<string, string?>(_folder.Environment)
        {
            ["HF_ENDPOINT"] = hub.Address,
            ["HF_TOKEN"] = null,
            ["HF_HOME"] = _folder.Root,
        };
        foreach ((string name, string? value) in variables ?? []) environment[name] = value;
        return TestCli.RunAsync(["pull", reference], null, environment);
    }
}
