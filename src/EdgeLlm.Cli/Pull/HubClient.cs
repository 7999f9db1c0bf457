using System.Text.Json;
using System.Text.RegularExpressions;
using EdgeLlm.Cli.Output;

namespace EdgeLlm.Cli.Pull;

/// <summary>Hugging Face's HTTP interface, as much as a download takes: the files of a repository at a revision, and their bytes.</summary>
internal sealed partial class HubClient(HubConnection connection, RepositoryReference reference, PullTiming timing)
{
    private const int MostPages = 100;
    private const int MostFiles = 20_000;
    private const int MostPageBytes = 4 << 20;
    private const long MostFileBytes = 1L << 48; // so that sums of all files stay far from overflow

    private string Revision => Uri.EscapeDataString(reference.Revision);

    /// <summary>All files of the repository at its revision.</summary>
    public async Task<IReadOnlyList<RepositoryFile>> ListAsync(CancellationToken cancellation)
    {
        var files = new List<RepositoryFile>();
        Uri? page = new(connection.Endpoint, $"api/models/{reference.Repository}/tree/{Revision}?recursive=true");
        for (int count = 0; page is not null; count++)
        {
            if (count == MostPages || files.Count > MostFiles)
                throw new PullException($"{reference.Repository} lists more files than a repository of models has");
            using HttpResponseMessage response =
                await connection.GetAsync(page, reference.ToString(), 0, null, cancellation).ConfigureAwait(false);
            byte[] bytes = await ReadAllAsync(response, cancellation).ConfigureAwait(false);
            string list = $"the list of files of {reference.Repository}";
            if (FileHead.IsWebPage(response.Content.Headers.ContentType?.MediaType, bytes)) throw HubConnection.WebPage(page.IdnHost, list);
            try
            {
                using var document = JsonDocument.Parse(bytes);
                foreach (JsonElement entry in document.RootElement.EnumerateArray())
                {
                    if (entry.GetProperty("type").GetString() == "file") files.Add(ReadEntry(entry));
                }
            }
            catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException
                or FormatException)
            {
                throw new PullException($"{page.IdnHost} answers with something else than {list}: is HF_ENDPOINT right?");
            }
            page = NextPage(response, page);
        }
        return files;
    }

    /// <summary>The text of the repository's README.md, its model card; null: it has none.</summary>
    public async Task<string?> ReadCardAsync(CancellationToken cancellation)
    {
        try
        {
            using HttpResponseMessage response =
                await OpenAsync(new RepositoryFile("README.md", 0, null), 0, null, cancellation).ConfigureAwait(false);
            return System.Text.Encoding.UTF8.GetString(await ReadAllAsync(response, cancellation).ConfigureAwait(false));
        }
        catch (PullException)
        {
            return null;
        }
    }

    /// <summary>
    /// A file from a byte on. The answer is 200 (from the start, whatever was asked), 206, or 416 where there is no such byte.
    /// </summary>
    /// <param name="tag">The ETag that the earlier bytes had, or null.</param>
    public Task<HttpResponseMessage> OpenAsync(RepositoryFile file, long from, string? tag, CancellationToken cancellation)
    {
        string path = string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString));
        var uri = new Uri(connection.Endpoint, $"{reference.Repository}/resolve/{Revision}/{path}");
        return connection.GetAsync(uri, $"{reference}:{Printable.Line(file.Path, 200)}", from, tag, cancellation);
    }

    private async Task<byte[]> ReadAllAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(timing.NoData);
        try
        {
            await response.Content.LoadIntoBufferAsync(MostPageBytes, limit.Token).ConfigureAwait(false);
            return await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HttpRequestException("the list of files does not come");
        }
        catch (HttpRequestException exception) when (exception.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded)
        {
            string most = Quantity.Bytes(MostPageBytes);
            throw new PullException($"a page of the list of files of {reference.Repository} is longer than {most}: refused");
        }
    }

    private static RepositoryFile ReadEntry(JsonElement entry)
    {
        long size = entry.GetProperty("size").GetInt64();
        string? sha = null;
        if (entry.TryGetProperty("lfs", out JsonElement large) && large.ValueKind == JsonValueKind.Object)
        {
            size = large.TryGetProperty("size", out JsonElement largeSize) ? largeSize.GetInt64() : size;
            sha = large.TryGetProperty("oid", out JsonElement oid) ? oid.GetString() : null;
            if (sha is not null)
            {
                Match match = Sha256().Match(sha);
                sha = match.Success ? match.Groups[1].Value.ToLowerInvariant() : throw new FormatException("not a SHA-256");
            }
        }
        if (size is < 0 or > MostFileBytes) throw new FormatException("not a size");
        return new RepositoryFile(entry.GetProperty("path").GetString() ?? throw new FormatException("no path"), size, sha);
    }

    /// <summary>`Link: &lt;address>; rel="next"` (RFC 8288), as long as it stays at the same place.</summary>
    private Uri? NextPage(HttpResponseMessage response, Uri page)
    {
        if (!response.Headers.TryGetValues("Link", out IEnumerable<string>? links)) return null;
        foreach (string link in links.SelectMany(value => value.Split(',')))
        {
            int open = link.IndexOf('<', StringComparison.Ordinal), close = link.IndexOf('>', StringComparison.Ordinal);
            if (open < 0 || close < open || !link.Contains("rel=\"next\"", StringComparison.Ordinal)) continue;
            if (Uri.TryCreate(page, link[(open + 1)..close], out Uri? next) && connection.IsEndpoint(next)) return next;
        }
        return null;
    }

    [GeneratedRegex(@"^(?:sha256:)?([0-9A-Fa-f]{64})\z")]
    private static partial Regex Sha256();
}
