using System.Text;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Metrics;

/// <summary>
/// `/metrics` in Prometheus' text format: for programs of this machine, with a key, or on the address of the setting `metricsListen`, which
/// serves nothing else.
/// </summary>
internal static class MetricsEndpoint
{
    private static readonly string[] Methods = ["GET", "HEAD"];

    public static void Map(IEndpointRouteBuilder routes, PrometheusText text) =>
        routes.MapMethods("/metrics", Methods, (RequestDelegate)(context =>
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text.Write());
            context.Response.ContentType = PrometheusText.ContentType;
            context.Response.ContentLength = bytes.Length;
            return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask
                : context.Response.Body.WriteAsync(bytes, 0, bytes.Length);
        })).WithMetadata(RouteAccess.Usual with { IsOpenHere = true });

    /// <summary>Marks the connections of `metricsListen`.</summary>
    public static void Mark(ConnectionContext connection) => connection.Features.Set(new MetricsConnection());

    /// <summary>Whether a request came by `metricsListen`, where <c>/metrics</c> is open.</summary>
    /// <exception cref="ApiException">It did, and asks for something else.</exception>
    public static bool IsOpenFor(HttpContext context)
    {
        if (context.Features.Get<MetricsConnection>() is null) return false;
        return context.Request.Path == "/metrics" ? true
            : throw new ApiException(404, "there is only /metrics here (setting metricsListen)", "not_found");
    }

    private sealed class MetricsConnection;
}
