using System.Security.Cryptography;
using System.Text.Json;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Http;

/// <summary>
/// The page at `/`: files of this assembly. To a program that asks for no HTML, `/` says in a word that the service runs.
/// </summary>
internal static class WebPage
{
    private static readonly string[] Methods = ["GET", "HEAD"];
    private static readonly string[] Scripts =
        ["page.js", "service.js", "markdown.js", "texts.js", "conversations.js", "view.js", "kiosk.js",
            "worker.js", "admin.js", "plots.js"];

    /// <summary>
    /// Nothing from elsewhere, and no text that becomes HTML: scripts may not even try (Trusted Types; the one policy names the service
    /// worker's script).
    /// </summary>
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; manifest-src 'self'; "
        + "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        + "trusted-types worker";

    public static void Map(IEndpointRouteBuilder routes, PageOptions options)
    {
        RequestDelegate page = Serve("index.html", "text/html; charset=utf-8");
        routes.MapMethods("/", Methods, (RequestDelegate)(context =>
            context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase) ? page(context)
                : SayThatItRuns(context))).WithoutKey();
        routes.MapMethods("/page.css", Methods, Serve("page.css", "text/css; charset=utf-8")).WithoutKey();
        foreach (string script in Scripts)
            routes.MapMethods("/" + script, Methods, Serve(script, "text/javascript; charset=utf-8")).WithoutKey();
        routes.MapMethods("/admin", Methods, Serve("admin.html", "text/html; charset=utf-8")).WithoutKey();
        routes.MapMethods("/admin.css", Methods, Serve("admin.css", "text/css; charset=utf-8")).WithoutKey();
        byte[] configuration = JsonSerializer.SerializeToUtf8Bytes(PageConfiguration.Of(options), PageJson.Default.PageConfiguration);
        routes.MapMethods("/page.json", Methods, Serve(configuration, "application/json")).WithoutKey();
        byte[] manifest = JsonSerializer.SerializeToUtf8Bytes(ManifestOf(options), ManifestJson.Default.PageManifest);
        routes.MapMethods("/manifest.webmanifest", Methods, Serve(manifest, "application/manifest+json")).WithoutKey();
        if (options.Logo is { } logo)
            routes.MapMethods("/logo", Methods, Serve(options.LogoBytes.ToArray(), PageOptions.TypeOf(logo)!)).WithoutKey();
        routes.MapMethods("/favicon.svg", Methods, Serve("favicon.svg", "image/svg+xml")).WithoutKey();
    }

    private static PageManifest ManifestOf(PageOptions options)
    {
        string name = options.Name ?? "EdgeLlm";
        string picture = options.Logo is { } logo ? PageOptions.TypeOf(logo)! : "image/svg+xml";
        return new PageManifest(
            name, name, "/", "standalone", "#f6f7f5", options.Accent ?? "#0b6e4f",
            [new PageIcon(options.Logo is null ? "/favicon.svg" : "/logo", "any", picture, "any")]);
    }

    /// <summary>Answers with a file of this assembly.</summary>
    internal static RequestDelegate Serve(string name, string contentType) => Serve(ReadResource(name), contentType);

    private static RequestDelegate Serve(byte[] bytes, string contentType)
    {
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
