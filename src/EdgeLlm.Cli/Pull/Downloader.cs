using System.Net;
using EdgeLlm.Cli.Output;

namespace EdgeLlm.Cli.Pull;

/// <summary>Gets files of a repository: goes on where it stopped, tries again what may pass by itself.</summary>
internal sealed class Downloader(HubClient hub, string repository, PullTiming timing)
{
    // Who asks for a list waits for it, often without a network at all.
    private const int ListRetries = 2;

    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    public async Task<IReadOnlyList<RepositoryFile>> ListAsync(Action<string> say, CancellationToken cancellation)
    {
        IReadOnlyList<RepositoryFile> files = [];
        await RetryAsync(async () => files = await hub.ListAsync(repository, cancellation).ConfigureAwait(false), static () => 0, Math.Min(ListRetries, timing.Retries), say, cancellation).ConfigureAwait(false);
        return files;
    }

    /// <summary>Gets one file to <paramref name="path"/>.</summary>
    /// <param name="at">Is told how many of its bytes are here.</param>
    /// <param name="say">Is told in a line what went wrong and is tried again.</param>
    public async Task DownloadAsync(RepositoryFile file, string path, Action<long> at, Action<string> say, CancellationToken cancellation)
    {
        using var part = new PartFile(path, file);
        if (part.Length > 0)
        {
            say($"{file.Name}: goes on after {Quantity.Bytes(part.Length)}");
            part.HashWhatIsHere(cancellation);
        }
        await RetryAsync(() => GoOnAsync(file, part, at, cancellation), () => part.Length, timing.Retries, say, cancellation).ConfigureAwait(false);
        part.Complete();
    }

    private async Task GoOnAsync(RepositoryFile file, PartFile part, Action<long> at, CancellationToken cancellation)
    {
        at(part.Length);
        if (part.Length == file.Size) return;
        using HttpResponseMessage response = await hub.OpenAsync(repository, file, part.Length, part.Tag, cancellation).ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            part.Restart();
            throw new HttpRequestException("the server has no such part of the file by now");
        }
        if (response.StatusCode == HttpStatusCode.OK) part.Restart();
        else if (response.Content.Headers.ContentRange?.From != part.Length)
        {
            part.Restart();
            throw new HttpRequestException("the server sends another part than it was asked for");
        }
        part.Tag = response.Headers.ETag?.ToString();

        using Stream body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var buffer = new byte[1 << 18];
        try
        {
            while (true)
            {
                silence.CancelAfter(timing.NoData);
                int count = await body.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
                if (count == 0) break;
                part.Append(buffer.AsSpan(0, count));
                at(part.Length);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HttpRequestException($"nothing came for {Quantity.Duration(timing.NoData)}");
        }
        if (part.Length < file.Size) throw new HttpRequestException("the connection ended early");
    }

    /// <param name="progress">Grows when an attempt brought something.</param>
    /// <param name="retries">New attempts after one that brought nothing.</param>
    private async Task RetryAsync(Func<Task> attempt, Func<long> progress, int retries, Action<string> say, CancellationToken cancellation)
    {
        for (int failures = 0; ;)
        {
            long before = progress();
            try
            {
                await attempt().ConfigureAwait(false);
                return;
            }
            catch (Exception exception) when (exception is HttpRequestException or (IOException and not PullException) && !cancellation.IsCancellationRequested)
            {
                failures = progress() > before ? 1 : failures + 1;
                // Of a failed TLS handshake only the inner exception says what failed.
                bool says = exception.InnerException is null || !exception.Message.Contains("inner exception", StringComparison.Ordinal);
                string reason = Printable.Line((says ? exception : exception.InnerException!).Message, 200);
                if (failures > retries) throw new PullException($"{repository}: {reason}; gave up after {failures} attempts (the same command goes on where this one stopped)");
                TimeSpan delay = timing.Delay * (1 << (failures - 1));
                if (delay > LongestDelay) delay = LongestDelay;
                say($"{reason}: tries again in {Quantity.Duration(delay)}");
                await Task.Delay(delay, cancellation).ConfigureAwait(false);
            }
        }
    }
}
