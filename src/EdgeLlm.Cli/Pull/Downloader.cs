using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Pull;

/// <summary>
/// Fetches files of a repository: continues where it stopped, tries again what may pass by itself, and ends whatever the hub does.
/// </summary>
/// <param name="say">Is told in a line what went wrong and is tried again.</param>
internal sealed class Downloader(HubClient hub, PullTiming timing, Action<string> say)
{
    // Whoever asks for a list waits for it, often without a network at all.
    private const int ListRetries = 2;

    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    public async Task<IReadOnlyList<RepositoryFile>> ListAsync(CancellationToken cancellation)
    {
        IReadOnlyList<RepositoryFile> files = [];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(timing.List);
        try
        {
            await RetryAsync(ListOnceAsync, static () => 0, 1, Math.Min(ListRetries, timing.Retries), limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new PullException($"the list of files has not come within {Quantity.Duration(timing.List)}");
        }
        return files;

        async Task ListOnceAsync() => files = await hub.ListAsync(limit.Token).ConfigureAwait(false);
    }

    /// <summary>Fetches one file to <paramref name="path"/>.</summary>
    /// <param name="at">Is told how many of its bytes are here.</param>
    public async Task DownloadAsync(RepositoryFile file, string path, Action<long> at, CancellationToken cancellation)
    {
        using var part = new PartFile(path, file);
        if (part.Length > 0)
        {
            say($"{file.Name}: continues after {Quantity.Bytes(part.Length)}");
            part.HashWhatIsHere(cancellation);
        }
        // A file of a few bytes more an attempt would take for ever.
        long enough = Math.Clamp(file.Size / 100, 1, timing.LeastBytes);
        await RetryAsync(ContinueOnceAsync, () => part.Length, enough, timing.Retries, cancellation).ConfigureAwait(false);
        part.Complete();

        Task ContinueOnceAsync() => ContinueAsync(file, part, at, cancellation);
    }

    private async Task ContinueAsync(RepositoryFile file, PartFile part, Action<long> at, CancellationToken cancellation)
    {
        at(part.Length);
        if (part.Length == file.Size) return;
        // Without either, nothing would tell whether both parts are of one file.
        if (part is { Length: > 0, Tag: null } && file.Sha256 is null) part.Restart();
        using HttpResponseMessage response = await hub.OpenAsync(file, part.Length, part.Tag, cancellation).ConfigureAwait(false);
        ContentRangeHeaderValue? range = response.Content.Headers.ContentRange;
        switch (response.StatusCode)
        {
            case HttpStatusCode.OK:
                part.Restart();
                break;
            case HttpStatusCode.RequestedRangeNotSatisfiable:
                part.Restart();
                RequireLength(range?.Length, file);
                throw new HttpRequestException("the hub has no such part of the file by now");
            case HttpStatusCode.PartialContent when range?.From == part.Length && !HasChanged(part.Tag, response.Headers.ETag):
                break;
            default:
                part.Restart();
                throw new HttpRequestException("the hub sends another part than it was asked for");
        }
        await ReadAsync(response, file, part, at, cancellation).ConfigureAwait(false);
        if (part.Length == file.Size) return;
        if (response.Headers.TransferEncodingChunked == true) RequireLength(part.Length, file); // such a body says where it ends
        throw new HttpRequestException("the connection ended early");
    }

    private async Task ReadAsync(
        HttpResponseMessage response, RepositoryFile file, PartFile part, Action<long> at, CancellationToken cancellation)
    {
        bool isWhole = response.StatusCode == HttpStatusCode.OK;
        long? length = isWhole ? response.Content.Headers.ContentLength : response.Content.Headers.ContentRange?.Length;
        using Stream body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var buffer = new byte[1 << 18];
        try
        {
            silence.CancelAfter(timing.NoData);
            int count = await body.ReadAtLeastAsync(buffer, FileHead.Length, false, silence.Token).ConfigureAwait(false);
            if (isWhole) RequireFile(file, buffer.AsSpan(0, count), response);
            RequireLength(length, file);
            part.Tag = response.Headers.ETag?.ToString();
            (long window, long windowBytes) = (Stopwatch.GetTimestamp(), 0);
            while (count > 0)
            {
                part.Append(buffer.AsSpan(0, count));
                at(part.Length);
                windowBytes += count;
                if (Stopwatch.GetElapsedTime(window) > timing.SlowWindow)
                {
                    string came = $"only {Quantity.Bytes(windowBytes)} came in {Quantity.Duration(timing.SlowWindow)}";
                    if (windowBytes < timing.LeastBytes) throw new HttpRequestException(came);
                    (window, windowBytes) = (Stopwatch.GetTimestamp(), 0);
                }
                silence.CancelAfter(timing.NoData);
                count = await body.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HttpRequestException($"nothing came for {Quantity.Duration(timing.NoData)}");
        }
    }

    private static bool HasChanged(string? tag, EntityTagHeaderValue? now) => tag is not null && now is not null && now.ToString() != tag;

    private static void RequireFile(RepositoryFile file, ReadOnlySpan<byte> head, HttpResponseMessage response)
    {
        string host = response.RequestMessage!.RequestUri!.IdnHost;
        if (FileHead.IsWebPage(response.Content.Headers.ContentType?.MediaType, head)) throw HubConnection.WebPage(host, file.Name);
        if (FileHead.IsPointer(head))
        {
            throw new PullException($"{file.Name}: {host} has only a pointer of Git's large-file storage (LFS), not the model itself: "
                + "take another copy of the repository");
        }
    }

    private static void RequireLength(long? length, RepositoryFile file)
    {
        if (length is { } bytes && bytes != file.Size)
        {
            throw new PullException(Quantity.Text($"{file.Path} has {bytes:N0} bytes where its repository lists {file.Size:N0}: ")
                + "it may have been changed just now; try again later");
        }
    }

    /// <param name="progress">Bytes that are here.</param>
    /// <param name="enough">Bytes more than ever before by which an attempt counts as a success.</param>
    /// <param name="retries">New attempts after one that brought nothing.</param>
    private async Task RetryAsync(Func<Task> attempt, Func<long> progress, long enough, int retries, CancellationToken cancellation)
    {
        long most = progress();
        for (int failures = 0; ;)
        {
            try
            {
                await attempt().ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (MayPass(exception) && !cancellation.IsCancellationRequested)
            {
                // Bytes that came a second time, after a new start, are none that count.
                bool grew = progress() - most >= enough;
                if (grew) most = progress();
                failures = grew ? 1 : failures + 1;
                // Of some failures only the inner exception says what failed.
                bool says = exception.InnerException is null || !exception.Message.Contains("inner exception", StringComparison.Ordinal);
                string reason = Printable.Line((says ? exception : exception.InnerException!).Message, 200);
                string advice = progress() > 0 ? " (the same command continues where this one stopped)" : "";
                if (failures > retries) throw new PullException($"{reason}; gave up after {failures} attempts{advice}");
                TimeSpan delay = timing.Delay * (1 << Math.Min(failures - 1, 10));
                if (delay > LongestDelay) delay = LongestDelay;
                say($"{reason}: tries again in {Quantity.Duration(delay)}");
                await Task.Delay(delay, cancellation).ConfigureAwait(false);
            }
        }
    }
    private static bool MayPass(Exception exception) =>
        exception is HttpRequestException or (IOException and not (PullException or FileException));
}
