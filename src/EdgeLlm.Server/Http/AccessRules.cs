using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace EdgeLlm.Server.Http;

/// <summary>
/// Who may call: without an API key only by names that can be meant for this machine (a web page whose name is made to point here must not reach it; with
/// one it does not have the key), from web pages only of our own or allowed origins, and with the API key where there is one.
/// </summary>
internal sealed class AccessRules(ServerOptions options)
{
    private static readonly string[] LocalEndings = [".localhost", ".local", ".lan", ".home.arpa", ".internal"];

    private readonly byte[]? _keyHash = options.ApiKey is { } key ? SHA256.HashData(Encoding.UTF8.GetBytes(key)) : null;
    private readonly AllowedOrigin[] _origins = [.. options.Origins.Select(AllowedOrigin.Parse), .. options.Listen.IsLoopback ? AllowedOrigin.Usual : []];
    private readonly string[] _hosts = ["localhost", Environment.MachineName, .. options.Hosts.Select(WithoutDot)];

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        HttpRequest request = context.Request;
        if (_keyHash is null && !IsOurHost(request.Host.Host))
            throw new ApiException(403, $"the host name '{request.Host.Host}' is not this service's (setting hosts)", "host_not_allowed");

        string? origin = request.Headers.Origin;
        if (origin is not null)
        {
            if (!IsOwnPage(origin, request) && !_origins.Any(allowed => allowed.Matches(origin)))
                throw new ApiException(403, $"web pages of {origin} may not call this service (setting origins)", "origin_not_allowed");
            context.Response.Headers.AccessControlAllowOrigin = origin;
            context.Response.Headers.Vary = HeaderNames.Origin;
        }
        if (HttpMethods.IsOptions(request.Method)) return AnswerPreflight(context);

        if (_keyHash is not null && NeedsKey(request.Path) && !HasKey(request))
            throw new ApiException(401, "this service takes an API key: Authorization: Bearer KEY", "invalid_api_key");
        if (_keyHash is not null) context.Items[typeof(PrefixScope)] = new PrefixScope(Convert.ToHexStringLower(_keyHash));
        return next(context);
    }

    /// <summary>Whose computed prompts a request may reuse: those of its API key, where there are any; else the service's.</summary>
    public static PrefixScope ScopeOf(HttpContext context) => context.Items[typeof(PrefixScope)] is PrefixScope scope ? scope : PrefixScope.Service;

    /// <summary>Who a request is from, as far as turns in the queue are concerned: an address, or a network of IPv6, which one machine may have all of.</summary>
    public static string ClientOf(HttpContext context)
    {
        if (context.Connection.RemoteIpAddress is not { } address) return "";
        if (address.IsIPv4MappedToIPv6 || address.AddressFamily == AddressFamily.InterNetwork) return address.MapToIPv4().ToString();
        return new IPAddress([.. address.GetAddressBytes().AsSpan(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).ToString();
    }

    private static Task AnswerPreflight(HttpContext context)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.AccessControlAllowMethods = "GET, HEAD, POST, DELETE";
        headers.AccessControlAllowHeaders = context.Request.Headers.AccessControlRequestHeaders; // names only, of a page that may call
        headers.AccessControlMaxAge = "600";
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    /// <summary>Names have no case and may end with a dot (RFC 9110 4.2.3, RFC 1034 3.1).</summary>
    private bool IsOurHost(string host)
    {
        host = WithoutDot(host);
        return host.Length == 0 || IPAddress.TryParse(host.Trim('[', ']'), out _)
            || _hosts.Contains(host, StringComparer.OrdinalIgnoreCase)
            || LocalEndings.Any(ending => host.EndsWith(ending, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Whether a page comes from where it calls: the same host and port. The scheme is that of a proxy before us, which may speak TLS.</summary>
    private static bool IsOwnPage(string origin, HttpRequest request)
    {
        if (!Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) || page.Scheme is not ("http" or "https")) return false;
        return Uri.TryCreate($"{page.Scheme}://{request.Host.Value}", UriKind.Absolute, out Uri? called)
            && page.Port == called.Port && WithoutDot(page.Host).Equals(WithoutDot(called.Host), StringComparison.OrdinalIgnoreCase);
    }

    private static string WithoutDot(string host) => host.EndsWith('.') ? host[..^1] : host;

    private static bool NeedsKey(PathString path) => path.StartsWithSegments("/v1") || path.StartsWithSegments("/api");

    private bool HasKey(HttpRequest request)
    {
        string header = request.Headers.Authorization.ToString();
        const string Scheme = "Bearer ";
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return false;
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(header[Scheme.Length..].Trim()));
        return CryptographicOperations.FixedTimeEquals(hash, _keyHash);
    }
}
