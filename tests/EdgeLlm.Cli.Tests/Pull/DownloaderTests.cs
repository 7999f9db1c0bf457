using System.Security.Cryptography;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Tests.Pull;

/// <summary>What takes other time limits than the command's.</summary>
public sealed class DownloaderTests : IDisposable
{
    private static readonly PullTiming Impatient = new()
    {
        NoData = TimeSpan.FromMilliseconds(300),
        Connect = TimeSpan.FromSeconds(5),
        Retries = 2,
        Delay = TimeSpan.FromMilliseconds(1),
        List = TimeSpan.FromSeconds(2),
    };

    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _bytes = RandomNumberGenerator.GetBytes(100_000);
    private readonly List<string> _said = [];

    [Fact]
    public async Task A_server_that_falls_silent_is_given_up_and_what_came_is_kept()
    {
        using var hub = LocalHub.With(new() { ["m.gguf"] = _bytes }, (request, usual) =>
            request.From == 0 ? usual with { CutAfter = 40_000, ThenSilent = true } : usual with { CutAfter = 0, ThenSilent = true });
        PullException exception = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(hub));
        Assert.Contains("nothing came", exception.Message);
        Assert.Contains("continues where this one stopped", exception.Message);
        Assert.Equal([0, 40_000, 40_000], hub.Requests.Select(request => request.From));
        Assert.Equal(_bytes[..40_000], await File.ReadAllBytesAsync(_folder.ModelPath("m.gguf.part")));
    }

    [Fact]
    public async Task A_server_that_sends_a_byte_now_and_then_is_given_up()
    {
        using var hub = LocalHub.With(new() { ["m.gguf"] = _bytes }, (request, usual) => usual with { Trickle = 1 });
        PullTiming timing = Impatient with { NoData = TimeSpan.FromSeconds(10), SlowWindow = TimeSpan.FromMilliseconds(100) };
        PullException exception = await Assert.ThrowsAsync<PullException>(() => DownloadAsync(hub, timing: timing));
        Assert.Contains("came in", exception.Message);
        Assert.Equal(3, hub.Requests.Count);
    }

    [Fact]
    public async Task A_server_that_cuts_and_then_knows_no_rest_is_given_up()
    {
        using var hub = LocalHub.With(new() { ["m.gguf"] = _bytes },
            (request, usual) => request.From == 0 ? usual with { CutAfter = 40_000 } : new HubResponse(416, []));
        Assert.Contains("gave up", (await Assert.ThrowsAsync<PullException>(() => DownloadAsync(hub))).Message);
        Assert.InRange(hub.Requests.Count, 3, 5);
    }

    [Fact]
    public async Task A_list_that_trickles_in_is_given_up()
    {
        using var hub = new LocalHub(_ => new HubResponse(200, new byte[100_000]) { Trickle = 100 });
        using var connection = new HubConnection(hub.Address, null, Impatient);
        var client = new HubClient(connection, RepositoryReference.Parse("owner/name"), Impatient);
        await Assert.ThrowsAsync<PullException>(() =>
            new Downloader(client, Impatient, _said.Add).ListAsync(TestContext.Current.CancellationToken));
        Assert.Equal(3, hub.Requests.Count);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task A_server_that_is_busy_is_asked_again(int status)
    {
        int asked = 0;
        using var hub = LocalHub.With(new() { ["m.gguf"] = _bytes }, (_, _) => asked++ < 2 ? new HubResponse(status, []) : null);
        await DownloadAsync(hub);
        Assert.Equal(2, _said.Count);
        Assert.Equal(_bytes, await File.ReadAllBytesAsync(_folder.ModelPath("m.gguf")));
    }

    [Fact]
    public async Task Attempts_that_bring_something_are_not_counted()
    {
        using var hub = LocalHub.With(new() { ["m.gguf"] = _bytes }, (request, usual) => usual with { CutAfter = 10_000 });
        await DownloadAsync(hub);
        Assert.Equal(10, hub.Requests.Count);
        Assert.Equal(_bytes, await File.ReadAllBytesAsync(_folder.ModelPath("m.gguf")));
    }

    [Fact]
    public async Task A_server_that_sends_more_than_it_said_is_refused()
    {
        using var hub = LocalHub.With(new() { ["m.gguf"] = [.. _bytes, 1] }, (request, usual) => usual with { Chunked = true });
        Assert.Contains("sends more", (await Assert.ThrowsAsync<PullException>(() => DownloadAsync(hub))).Message);
        Assert.False(File.Exists(_folder.ModelPath("m.gguf")));
    }

    [Fact]
    public async Task Two_downloads_of_one_file_do_not_mix()
    {
        using var hub = LocalHub.With(new() { ["m.gguf"] = _bytes });
        using var other = new PartFile(_folder.ModelPath("m.gguf"), new RepositoryFile("m.gguf", _bytes.Length, null));
        Assert.Contains("another process", (await Assert.ThrowsAsync<FileException>(() => DownloadAsync(hub))).Message);
    }

    [Fact]
    public async Task Cancelling_keeps_the_part()
    {
        using var stop = new CancellationTokenSource();
        using var hub = LocalHub.With(new() { ["m.gguf"] = _bytes }, (_, usual) => usual with { CutAfter = 40_000, ThenSilent = true });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => DownloadAsync(hub, at =>
        {
            if (at == 40_000)
                stop.Cancel();
        }, stop.Token));
        Assert.Equal(40_000, new FileInfo(_folder.ModelPath("m.gguf.part")).Length);
    }

    public void Dispose() => _folder.Dispose();

    private async Task DownloadAsync(LocalHub server, Action<long>? at = null, CancellationToken cancellation = default,
        PullTiming? timing = null)
    {
        timing ??= Impatient;
        using var connection = new HubConnection(server.Address, null, timing);
        var hub = new HubClient(connection, RepositoryReference.Parse("owner/name"), timing);
        var file = new RepositoryFile("m.gguf", _bytes.Length, Convert.ToHexStringLower(SHA256.HashData(_bytes)));
        await new Downloader(hub, timing, _said.Add)
            .DownloadAsync(file, _folder.ModelPath("m.gguf"), at ?? (static _ => { }), cancellation);
    }
}
