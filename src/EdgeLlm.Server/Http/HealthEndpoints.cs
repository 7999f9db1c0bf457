using System.Text;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Engine;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Http;

/// <summary>
/// `/health/live`: the process answers. `/health/ready`: the model is mapped and has computed a token, and the service is not being
/// stopped.
/// </summary>
internal static class HealthEndpoints
{
    private static readonly string[] Methods = ["GET", "HEAD"];

    public static void Map(IEndpointRouteBuilder routes, InferenceEngine engine)
    {
        routes.MapMethods("/health/live", Methods, (RequestDelegate)(context => WriteAsync(context, 200, "live"))).WithoutKey();
        routes.MapMethods("/health/ready", Methods, (RequestDelegate)(context => engine.State switch
        {
            EngineState.Ready => WriteAsync(context, 200, "ready"),
            EngineState.Loading => WriteAsync(context, 503, "loading"),
            _ => WriteAsync(context, 503, "stopping"),
        })).WithoutKey();
    }

    private static Task WriteAsync(HttpContext context, int status, string word)
    {
        byte[] json = Encoding.UTF8.GetBytes($"{{\"status\":\"{word}\"}}");
        context.Response.StatusCode = status;
        if (status == 503) context.Response.Headers.RetryAfter = "2";
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.Body.WriteAsync(json, 0, json.Length);
    }
}
