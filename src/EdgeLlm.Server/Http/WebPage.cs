using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Http;

/// <summary>The page at `/`: files of this assembly. To a program that asks for no HTML, `/` says in a word that the service runs.</summary>
internal static class WebPage
{
    private static readonly string[] Methods = ["GET", "HEAD"];
    private static readonly string[] Scripts = ["page.js", "service.js", "markdown.js"];

    /// <summary>Nothing from elsewhere, and no text that becomes HTML: scripts may not even try (Trusted Types).</summary>
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    public static void Map(IEndpointRouteBuilder routes)
    {
        RequestDelegate page = Serve("index.html", "text/html; charset=utf-8");
        routes.MapMethods("/", Methods, (RequestDelegate)(context =>
            context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase) ? page(context) : SayThatItRuns(context)));
        routes.MapMethods("/page.css", Methods, Serve("page.css", "text/css; charset=utf-8"));
        foreach (string script in Scripts) routes.MapMethods("/" + script, Methods, Serve(script, "text/javascript; charset=utf-8"));
        routes.MapMethods("/favicon.svg", Methods, Serve("favicon.svg", "image/svg+xml"));
    }

    private static RequestDelegate Serve(string name, string contentType)
    {
        byte[] bytes = ReadResource(name);
        string tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 8))}\"";
        return context =>
        {
            HttpResponse response = context.Response;
            response.Headers.ETag = tag;
            response.Headers.CacheControl = "no-cache"; // ask again, by the tag
            response.Headers.Vary = "Accept";
            response.Headers.ContentSecurityPolicy = Policy;
            response.Headers["Referrer-Policy"] = "no-referrer";
            response.ContentType = contentType;
            if (context.Request.Headers.IfNoneMatch == tag)
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return Task.CompletedTask;
            }
            response.ContentLength = bytes.Length;
            return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(bytes, 0, bytes.Length);
        };
    }

    private static Task SayThatItRuns(HttpContext context)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync("EdgeLlm is running");
    }

    private static byte[] ReadResource(string name)
    {
        using Stream stream = typeof(WebPage).Assembly.GetManifestResourceStream(name)!;
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
