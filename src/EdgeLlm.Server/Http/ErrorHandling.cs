using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace EdgeLlm.Server.Http;

/// <summary>Makes exceptions, and routes that are not there, answers in the shape of the API that was called.</summary>
internal sealed class ErrorHandling(ServerLog log)
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            bool isWhole = context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody != true;
            if (isWhole) Connections.Begin(context);
            await next(context).ConfigureAwait(false);
            if (context.Response.HasStarted || context.Response.ContentType is not null) return;
            string? path = context.Request.Path;
            if (context.Response.StatusCode == 404)
            {
                string hint = ErrorShape.IsOpenAisWithoutBase(path)
                    ? $", but a /v1{path}: the base URL of OpenAI's clients ends with /v1" : "";
                throw new ApiException(404, $"there is no {path}{hint}", "not_found");
            }
            if (context.Response.StatusCode == 405)
                throw new ApiException(405, $"{context.Request.Path} does not take {context.Request.Method}", "method_not_allowed");
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody listens any more.
        }
        catch (Exception exception)
        {
            ErrorShape shape = ErrorShape.Of(context);
            ApiError error = ApiError.Of(exception, shape.IsBusy429);
            string request = $"{context.Request.Method} {context.Request.Path}";
            if (error.Status is 401 or 403)
                log.Warning($"{request} of {AccessRules.ClientOf(context)} refused with {error.Status}: {error.Message}");
            if (error.Status == 500) log.Error($"{request}: {exception}");
            await WriteAsync(context, error, shape).ConfigureAwait(false);
        }
        finally
        {
            Connections.End(context);
        }
    }

    private static async Task WriteAsync(HttpContext context, ApiError error, ErrorShape shape)
    {
        HttpResponse response = context.Response;
        if (!response.HasStarted)
        {
            response.StatusCode = error.Status;
            if (error.RetryAfter is { } wait)
                response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            if (error.Status == 401) response.Headers.WWWAuthenticate = "Bearer";
            await shape.WriteAsync(context, error).ConfigureAwait(false);
            return;
        }
        // In the middle of a stream the status has been sent: the error is the last line.
        using JsonStream stream = JsonStream.Continue(context);
        await shape.WriteLastAsync(stream, error).ConfigureAwait(false);
    }
}
