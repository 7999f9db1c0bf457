using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using EdgeLlm.Cli.Output;

namespace EdgeLlm.Cli.Pull;

/// <summary>
/// Hugging Face's HTTP interface, as much as a download takes. The token goes to the endpoint itself and never to where it redirects.
/// What may pass by itself (no connection, 429, 5xx) is an <see cref="HttpRequestException"/>, all else a <see cref="PullException"/>.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MostRedirects = 10;
    private const int MostPages = 100;
    private const int MostListBytes = 16 << 20;

    private readonly Uri _endpoint;
    private readonly string? _token;
    private readonly PullTiming _timing;
    private readonly HttpClient _http;

    /// <param name="endpoint">Such as `https://huggingface.co`.</param>
    /// <param name="token">Sent as bearer, or null.</param>
    public HubClient(string endpoint, string? token, PullTiming timing)
    {
        if (!Uri.TryCreate(endpoint.TrimEnd('/') + "/", UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("https" or "http"))
            throw new ArgumentException($"HF_ENDPOINT is '{Printable.Line(endpoint)}', which is no http or https address");
        if (token is not null && token.Any(letter => letter is <= ' ' or > '~')) throw new ArgumentException("HF_TOKEN has characters that no token has");
        (_endpoint, _token, _timing) = (uri, token, timing);
        // Redirects are followed here, so that the token stays behind. The proxy is that of the environment.
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = timing.Connect })
        {
            Timeout = Timeout.InfiniteTimeSpan, // SendAsync limits the wait for an answer, and the reader that for bytes
        };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("edgellm/0.1");
    }

    /// <summary>All files of a repository's main branch.</summary>
    public async Task<IReadOnlyList<RepositoryFile>> ListAsync(string repository, CancellationToken cancellation)
    {
        var files = new List<RepositoryFile>();
        Uri? page = new(_endpoint, $"api/models/{repository}/tree/main?recursive=true");
        for (int count = 0; page is not null && count < MostPages; count++)
        {
            using HttpResponseMessage response = await SendAsync(page, repository, 0, null, cancellation).ConfigureAwait(false);
            byte[] bytes = await ReadAllAsync(response, cancellation).ConfigureAwait(false);
            try
            {
                using var document = JsonDocument.Parse(bytes);
                foreach (JsonElement entry in document.RootElement.EnumerateArray())
                {
                    if (entry.GetProperty("type").GetString() == "file") files.Add(ReadEntry(entry));
                }
            }
            catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                throw new PullException($"{page.Host} answers with something else than the list of files of {repository}: is HF_ENDPOINT right?");
            }
            page = NextPage(response, page);
        }
        return files;
    }

    /// <summary>A file from a byte on. The answer is 200 (from the start, whatever was asked), 206, or 416 where there is no such byte.</summary>
    /// <param name="tag">The ETag that the earlier bytes had: where the file has another by now, it comes from the start.</param>
    public Task<HttpResponseMessage> OpenAsync(string repository, RepositoryFile file, long from, string? tag, CancellationToken cancellation)
    {
        string path = string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString));
        return SendAsync(new Uri(_endpoint, $"{repository}/resolve/main/{path}"), $"{repository}:{file.Path}", from, tag, cancellation);
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(Uri uri, string what, long from, string? tag, CancellationToken cancellation)
    {
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, uri);
            if (_token is not null && IsEndpoint(uri)) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
            if (from > 0)
            {
                request.Headers.Range = new RangeHeaderValue(from, null);
                if (EntityTagHeaderValue.TryParse(tag, out EntityTagHeaderValue? entity) && !entity.IsWeak) request.Headers.IfRange = new RangeConditionHeaderValue(entity);
            }
            HttpResponseMessage response = await AnswerAsync(request, cancellation).ConfigureAwait(false);
            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308)) return Checked(response, uri, what);
            Uri? target = response.Headers.Location;
            response.Dispose();
            if (target is null) throw new PullException($"{uri.Host} redirects {what} to nowhere");
            var next = new Uri(uri, target);
            if (next.Scheme is not ("https" or "http") || (uri.Scheme == "https" && next.Scheme != "https"))
                throw new PullException($"{uri.Host} redirects {what} to an unprotected address at {next.Host}: refused");
            uri = next;
        }
        throw new PullException($"{what}: more than {MostRedirects} redirects");
    }

    private async Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_timing.Connect + _timing.NoData);
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HttpRequestException($"{request.RequestUri!.Host} does not answer");
        }
    }

    private HttpResponseMessage Checked(HttpResponseMessage response, Uri uri, string what)
    {
        int status = (int)response.StatusCode;
        if (status is 200 or 206 or 416) return response;
        response.Dispose();
        string token = _token is null ? "set HF_TOKEN to a token that may read it" : "the token in HF_TOKEN may not read it";
        throw response.StatusCode switch
        {
            HttpStatusCode.Unauthorized => new PullException($"{what}: there is no such repository, or it is private or gated ({uri.Host} answers 401): check the name, or {token}"),
            HttpStatusCode.Forbidden => new PullException($"{what}: access is denied ({uri.Host} answers 403): accept the model's licence on its page, and {token}"),
            HttpStatusCode.NotFound => new PullException($"{what}: there is no such repository or file ({uri.Host} answers 404)"),
            HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests => new HttpRequestException($"{uri.Host} answers {status}", null, response.StatusCode),
            _ when status >= 500 => new HttpRequestException($"{uri.Host} answers {status}", null, response.StatusCode),
            _ => new PullException($"{what}: {uri.Host} answers {status}"),
        };
    }

    private async Task<byte[]> ReadAllAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_timing.NoData);
        try
        {
            await response.Content.LoadIntoBufferAsync(MostListBytes, limit.Token).ConfigureAwait(false);
            return await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HttpRequestException("the list of files does not come");
        }
    }

    private static RepositoryFile ReadEntry(JsonElement entry)
    {
        long size = entry.GetProperty("size").GetInt64();
        string? sha = null;
        if (entry.TryGetProperty("lfs", out JsonElement large) && large.ValueKind == JsonValueKind.Object)
        {
            size = large.TryGetProperty("size", out JsonElement largeSize) ? largeSize.GetInt64() : size;
            sha = large.TryGetProperty("oid", out JsonElement oid) ? oid.GetString()?.ToLowerInvariant() : null;
            if (sha is not null && sha.StartsWith("sha256:", StringComparison.Ordinal)) sha = sha[7..];
        }
        if (size < 0) throw new FormatException("a size below 0");
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
            if (Uri.TryCreate(page, link[(open + 1)..close], out Uri? next) && IsEndpoint(next)) return next;
        }
        return null;
    }

    private bool IsEndpoint(Uri uri) => uri.Scheme == _endpoint.Scheme && uri.Host == _endpoint.Host && uri.Port == _endpoint.Port;
}
