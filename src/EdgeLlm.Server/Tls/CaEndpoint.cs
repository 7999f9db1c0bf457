using System.Text;
using EdgeLlm.Server.Access;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Tls;

/// <summary>
/// `/ca.pem`: the certificate of the service's own authority, for devices that shall trust it. Compare its fingerprint with
/// `edgellm tls ca`.
/// </summary>
internal static class CaEndpoint
{
    private static readonly string[] Methods = ["GET", "HEAD"];

    public static void Map(IEndpointRouteBuilder routes, string pem)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(pem);
        routes.MapMethods("/ca.pem", Methods, (RequestDelegate)(context =>
        {
            context.Response.ContentType = "application/x-pem-file";
            context.Response.ContentLength = bytes.Length;
            return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask
                : context.Response.Body.WriteAsync(bytes, 0, bytes.Length);
        })).WithoutKey();
    }
}
