using System.Net;
using System.Net.Sockets;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Metrics;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace EdgeLlm.Server.Http;

/// <summary>
/// Who may call: without API keys only by names that can be meant for this machine (a web page whose name is made to point here must not
/// reach it; with keys it does not have one), from web pages only of our own or allowed origins, and with a key of the route's role where
/// there are keys.
/// </summary>
internal sealed class AccessRules(ServerOptions options, Keyring keys)
{
    private static readonly string[] LocalEndings = [".localhost", ".local", ".lan", ".home.arpa", ".internal"];

    private readonly AllowedOrigin[] _origins =
        [.. options.Origins.Select(AllowedOrigin.Parse), .. options.Listen.IsLoopback ? AllowedOrigin.Usual : []];
    private readonly string[] _hosts = ["localhost", Environment.MachineName, .. options.Hosts.Select(WithoutDot)];

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (MetricsEndpoint.IsOpenFor(context)) return next(context);
        HttpRequest request = context.Request;
        bool needsKey = keys.IsNeeded;
        if (!needsKey && !IsOurHost(request.Host.Host))
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

        if (needsKey) Identify(context);
        return next(context);
    }

    /// <summary>Whose computed prompts a request may reuse: those of its API key, where there are any; else the service's.</summary>
    public static PrefixScope ScopeOf(HttpContext context) => CallerOf(context).Scope;

    /// <summary>
    /// Who a request is from, as far as turns in the queue are concerned: its key, else an address, or a network of IPv6, which one machine
    /// may have all of.
    /// </summary>
    public static string ClientOf(HttpContext context)
    {
        if (CallerOf(context).Name is { } name) return name;
        if (context.Connection.RemoteIpAddress is not { } address) return "";
        if (address.IsIPv4MappedToIPv6 || address.AddressFamily == AddressFamily.InterNetwork) return address.MapToIPv4().ToString();
        return new IPAddress([.. address.GetAddressBytes().AsSpan(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).ToString();
    }

    /// <summary>Whether a page is this service's own, called by a name that is this machine's.</summary>
    public bool IsOwn(string origin, HttpRequest request) => IsOwnPage(origin, request) && IsOurHost(request.Host.Host);

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

    /// <summary>
    /// Whether a page comes from where it calls: the same host and port. The scheme is that of a proxy before us, which may speak TLS.
    /// </summary>
    private static bool IsOwnPage(string origin, HttpRequest request)
    {
        if (!Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) || page.Scheme is not ("http" or "https")) return false;
        return Uri.TryCreate($"{page.Scheme}://{request.Host.Value}", UriKind.Absolute, out Uri? called)
            && page.Port == called.Port && WithoutDot(page.Host).Equals(WithoutDot(called.Host), StringComparison.OrdinalIgnoreCase);
    }

    private static string WithoutDot(string host) => host.EndsWith('.') ? host[..^1] : host;

    /// <summary>Finds out whose key came, and whether the route takes it.</summary>
    /// <exception cref="ApiException">It does not.</exception>
    private void Identify(HttpContext context)
    {
        HttpRequest request = context.Request;
        RouteAccess access = AccessOf(context);
        bool isOpenHere = access.IsOpenHere && IsOfThisMachine(context);
        bool isOpen = access.Least is null || isOpenHere;
        Caller? caller = KeyIn(request) is { } key ? keys.Find(key) : null;
        if (caller is null)
        {
            // Without a key, a page whose name was made to point here must not reach it.
            if (isOpenHere && !IsOurHost(request.Host.Host))
                throw new ApiException(403,
                    $"the host name '{request.Host.Host}' is not this service's (setting hosts)", "host_not_allowed");
            if (isOpen) return;
            throw new ApiException(401, "this service takes an API key: Authorization: Bearer KEY", "invalid_api_key");
        }
        Caller.Current = caller;
        context.Items[typeof(Caller)] = caller;
        if (isOpen) return;
        if (caller.Role < access.Least)
            throw new ApiException(403,
                $"{request.Path} takes a key with the role {KeyFile.NameOf(access.Least!.Value)}; this one has "
                    + $"{KeyFile.NameOf(caller.Role)}",
                "insufficient_permissions");
        bool computes = !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method);
        if (computes && caller.Meter!.Begin() is (string problem, TimeSpan wait))
            throw new ApiException(429, problem, "rate_limit_exceeded") { RetryAfter = wait };
    }

    /// <summary>The route's rules; a path of the APIs that is not a route tells that to none without a key.</summary>
    private static RouteAccess AccessOf(HttpContext context)
    {
        Endpoint? endpoint = context.GetEndpoint();
        if (endpoint?.Metadata.GetMetadata<RouteAccess>() is { } access) return access;
        PathString path = context.Request.Path;
        return endpoint is RouteEndpoint || path.StartsWithSegments("/v1") || path.StartsWithSegments("/api")
            ? RouteAccess.Usual : RouteAccess.None;
    }

    /// <summary>Whether a program of this machine asks, and not a proxy on it for somebody else.</summary>
    internal static bool IsOfThisMachine(HttpContext context) =>
        context.Connection.RemoteIpAddress is { } address
            && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address)
        && !context.Request.Headers.ContainsKey("Forwarded") && !context.Request.Headers.ContainsKey("X-Forwarded-For")
        && !context.Request.Headers.ContainsKey("X-Real-IP");

    private static Caller CallerOf(HttpContext context) => context.Items[typeof(Caller)] as Caller ?? Caller.Everyone;

    /// <summary>As OpenAI's clients send it, or Anthropic's.</summary>
    private static string? KeyIn(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        string header = request.Headers.Authorization.ToString();
        if (header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return header[Scheme.Length..].Trim();
        return request.Headers["x-api-key"].ToString() is { Length: > 0 } key ? key.Trim() : null;
    }
}
