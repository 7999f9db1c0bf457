using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Authentication;

namespace EdgeLlm.Cli.Pull;

/// <summary>A failure of a download that trying again does not mend.</summary>
internal sealed class PullException(string message) : IOException(message);

/// <summary>
/// Requests to a hub: follows redirects, keeps the token at home, limits every wait. Failures that may pass by themselves (no connection,
/// 429, 5xx) are <see cref="HttpRequestException"/>s, all others <see cref="PullException"/>s.
/// </summary>
internal sealed class HubConnection : IDisposable
{
    private const int MostRedirects = 10;

    private readonly HubToken? _token;
    private readonly PullTiming _timing;
    private readonly AddressGuard _guard;
    private readonly HttpClient _http;

    /// <param name="endpoint">Such as `https://huggingface.co`.</param>
    /// <param name="guard">Another than the network's, for tests.</param>
    /// <exception cref="UsageException">The endpoint is not an http or https address.</exception>
    public HubConnection(string endpoint, HubToken? token, PullTiming timing, Func<Uri, AddressGuard>? guard = null)
    {
        if (!Uri.TryCreate(endpoint.TrimEnd('/') + "/", UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("https" or "http"))
            throw new UsageException($"HF_ENDPOINT is '{Printable.Line(endpoint, 200)}', which is not an http or https address");
        (Endpoint, _token, _timing) = (uri, token, timing);
        _guard = guard?.Invoke(uri) ?? new AddressGuard(uri);
        // Redirects are followed here, one by one. The proxy is that of the environment. Nothing is decompressed (the default: a small
        // answer stays small), and AutomaticDecompression is not even named: setting it links zlib into the NativeAOT binary.
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            ConnectTimeout = timing.Connect,
            ConnectCallback = _guard.ConnectAsync,
            UseCookies = false,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan, // AnswerAsync limits the wait for an answer, and its reader that for bytes
        };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("edgellm/0.1");
        _http.DefaultRequestHeaders.AcceptEncoding.ParseAdd("identity");
    }

    /// <summary>The hub's address, with a `/` at its end.</summary>
    public Uri Endpoint { get; }

    // Over plain http anybody on the way could read it.
    private bool SendsToken => _token is not null && (Endpoint.Scheme == "https" || Endpoint.IsLoopback);

    /// <summary>Requests an address, through its redirects. The answer is 200, 206 or 416, with its body unread.</summary>
    /// <param name="what">The repository or file, for messages.</param>
    /// <param name="from">The first byte to get; 0 for all.</param>
    /// <param name="tag">The ETag that the earlier bytes had: where the file has another by now, it comes from the start.</param>
    public async Task<HttpResponseMessage> GetAsync(Uri uri, string what, long from, string? tag, CancellationToken cancellation)
    {
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, uri);
            if (SendsToken && IsEndpoint(uri)) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token!.Value);
            if (from > 0)
            {
                request.Headers.Range = new RangeHeaderValue(from, null);
                if (EntityTagHeaderValue.TryParse(tag, out EntityTagHeaderValue? entity) && !entity.IsWeak)
                    request.Headers.IfRange = new RangeConditionHeaderValue(entity);
            }
            HttpResponseMessage response = await AnswerAsync(request, cancellation).ConfigureAwait(false);
            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308)) return Checked(response, uri, what);
            Uri? location = response.Headers.Location;
            response.Dispose();
            uri = RedirectTarget(uri, location, what);
        }
        throw new PullException($"{what}: more than {MostRedirects} redirects");
    }

    /// <summary>Whether an address is the hub's.</summary>
    public bool IsEndpoint(Uri uri) => uri.Scheme == Endpoint.Scheme && uri.Host == Endpoint.Host && uri.Port == Endpoint.Port;

    /// <summary>Error for an answer that is a web page where a file or a list was asked for.</summary>
    public static PullException WebPage(string host, string what) =>
        new($"{host} answers with a web page instead of {what}: "
            + "does this network want a login first (a captive portal), or is HF_ENDPOINT wrong?");

    public void Dispose() => _http.Dispose();

    private Uri RedirectTarget(Uri from, Uri? location, string what)
    {
        if (location is null || !Uri.TryCreate(from, location, out Uri? next) || !TryHost(next, out string host))
            throw new PullException($"{from.IdnHost} redirects {what} to nowhere");
        if (next.Scheme is not ("https" or "http") || (from.Scheme == "https" && next.Scheme != "https"))
            throw new PullException($"{from.IdnHost} redirects {what} to an unprotected address at {host}: refused");
        _guard.Require(next);
        return next;
    }

    private static bool TryHost(Uri uri, out string host)
    {
        try
        {
            host = uri.IdnHost;
            return host.Length > 0;
        }
        catch (Exception exception) when (exception is UriFormatException or InvalidOperationException)
        {
            host = "";
            return false;
        }
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
            throw new HttpRequestException($"{request.RequestUri!.IdnHost} does not answer");
        }
        catch (HttpRequestException exception) when (exception.InnerException is PullException refusal)
        {
            throw refusal;
        }
        catch (HttpRequestException exception) when (exception.InnerException is AuthenticationException handshake)
        {
            string reason = Printable.Line((handshake.InnerException ?? handshake).Message, 200);
            throw new PullException($"no protected connection to {request.RequestUri!.IdnHost}: {reason} "
                + "(is this machine's clock right, and no login page of the network in between?)");
        }
        catch (HttpRequestException exception) when (IsWithoutNetwork(exception))
        {
            throw new HttpRequestException($"no network? {exception.Message}", exception);
        }
    }

    private static bool IsWithoutNetwork(HttpRequestException exception) =>
        exception.HttpRequestError == HttpRequestError.NameResolutionError
        || exception.InnerException is SocketException
        {
            SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NetworkDown or SocketError.NetworkUnreachable
                or SocketError.HostUnreachable,
        };

    private HttpResponseMessage Checked(HttpResponseMessage response, Uri uri, string what)
    {
        int status = (int)response.StatusCode;
        string host = uri.IdnHost;
        if (status is 200 or 206 or 416)
        {
            string? encoding = response.Content.Headers.ContentEncoding
                .FirstOrDefault(name => !name.Equals("identity", StringComparison.OrdinalIgnoreCase));
            if (encoding is null) return response;
            response.Dispose();
            throw new PullException($"{what}: {host} sends it compressed ({Printable.Line(encoding, 40)}), which it was not asked for");
        }
        response.Dispose();
        throw response.StatusCode switch
        {
            HttpStatusCode.Unauthorized => new PullException(
                $"{what}: there is no such repository, or it is private or gated ({host} answers 401): check the name, or {TokenAdvice()}"),
            HttpStatusCode.Forbidden => new PullException(
                $"{what}: access is denied ({host} answers 403): accept the model's licence on its page, and {TokenAdvice()}"),
            HttpStatusCode.NotFound => new PullException($"{what}: there is no such repository, revision or file ({host} answers 404)"),
            HttpStatusCode.NetworkAuthenticationRequired => WebPage(host, what),
            _ when status is 408 or 429 or >= 500 => new HttpRequestException($"{host} answers {status}", null, response.StatusCode),
            _ => new PullException($"{what}: {host} answers {status}"),
        };
    }

    private string TokenAdvice() =>
        _token is null ? "`hf auth login`, or set HF_TOKEN to a token that may read it"
        : SendsToken ? $"the token of {Printable.Line(_token.Source, 200)} may not read it"
        : "make HF_ENDPOINT an https address: the token is not sent over http";
}
