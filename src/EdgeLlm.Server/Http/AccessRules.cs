using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace EdgeLlm.Server.Http;

/// <summary>
/// Who may call: only by names that can be meant for this machine (a web page whose name is made to point here must not reach it), from web pages only of
/// our own or allowed origins, and with the API key where there is one.
/// </summary>
internal sealed class AccessRules(ServerOptions options)
{
    private static readonly string[] LocalEndings = [".localhost", ".local", ".lan", ".home.arpa", ".internal"];

    private readonly byte[]? _keyHash = options.ApiKey is { } key ? SHA256.HashData(Encoding.UTF8.GetBytes(key)) : null;
    private readonly bool _anyOrigin = options.Origins.Contains("*");

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        HttpRequest request = context.Request;
        if (!IsOurHost(request.Host.Host))
            throw new ApiException(403, $"the host name '{request.Host.Host}' is not this service's (setting hosts)", "host_not_allowed");

        string? origin = request.Headers.Origin;
        if (origin is not null && !IsSameOrigin(origin, request))
        {
            if (!_anyOrigin && !options.Origins.Contains(origin, StringComparer.OrdinalIgnoreCase))
                throw new ApiException(403, $"web pages of {origin} may not call this service (setting origins)", "origin_not_allowed");
            context.Response.Headers.AccessControlAllowOrigin = origin;
            context.Response.Headers.Vary = HeaderNames.Origin;
            if (HttpMethods.IsOptions(request.Method) && request.Headers.ContainsKey(HeaderNames.AccessControlRequestMethod))
            {
                context.Response.Headers.AccessControlAllowMethods = "GET, HEAD, POST";
                context.Response.Headers.AccessControlAllowHeaders = request.Headers.AccessControlRequestHeaders; // names only, of a page that may call
                context.Response.Headers.AccessControlMaxAge = "600";
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                context.Response.ContentType = "text/plain";
                return Task.CompletedTask;
            }
        }

        if (_keyHash is not null && NeedsKey(request.Path) && !HasKey(request))
            throw new ApiException(401, "this service takes an API key: Authorization: Bearer KEY", "invalid_api_key");
        return next(context);
    }

    /// <summary>Who a request is from, as far as turns in the queue are concerned: an address, or a network of IPv6, which one machine may have all of.</summary>
    public static string ClientOf(HttpContext context)
    {
        if (context.Connection.RemoteIpAddress is not { } address) return "";
        if (address.IsIPv4MappedToIPv6 || address.AddressFamily == AddressFamily.InterNetwork) return address.MapToIPv4().ToString();
        return new IPAddress([.. address.GetAddressBytes().AsSpan(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).ToString();
    }

    private bool IsOurHost(string host) =>
        host is "" or "localhost" || IPAddress.TryParse(host.Trim('[', ']'), out _)
        || host.Equals(Environment.MachineName, StringComparison.OrdinalIgnoreCase)
        || LocalEndings.Any(ending => host.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
        || options.Hosts.Contains(host, StringComparer.OrdinalIgnoreCase);

    private static bool IsSameOrigin(string origin, HttpRequest request) => origin.Equals($"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase);

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
