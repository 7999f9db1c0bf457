using System.Globalization;
using EdgeLlm.Server.Ollama;
using EdgeLlm.Server.OpenAi;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>Makes exceptions, and routes that are not there, answers in the shape of the API that was called.</summary>
internal sealed class ErrorHandling(ServerLog log)
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context).ConfigureAwait(false);
            if (context.Response.HasStarted || context.Response.ContentType is not null) return;
            if (context.Response.StatusCode == 404) throw new ApiException(404, $"there is no {context.Request.Path}", "not_found");
            if (context.Response.StatusCode == 405) throw new ApiException(405, $"{context.Request.Path} does not take {context.Request.Method}", "method_not_allowed");
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody listens any more.
        }
        catch (Exception exception)
        {
            bool forOpenAi = IsOpenAi(context);
            ApiError error = ApiError.Of(exception, forOpenAi);
            if (error.Status == 500) log.Error($"{context.Request.Method} {context.Request.Path}: {exception}");
            await WriteAsync(context, error, forOpenAi).ConfigureAwait(false);
        }
    }

    private static bool IsOpenAi(HttpContext context) => context.Request.Path.StartsWithSegments("/v1");

    private static async Task WriteAsync(HttpContext context, ApiError error, bool forOpenAi)
    {
        HttpResponse response = context.Response;
        if (!response.HasStarted)
        {
            response.StatusCode = error.Status;
            if (error.RetryAfter is { } wait) response.Headers.RetryAfter = ((int)wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            if (error.Status == 401) response.Headers.WWWAuthenticate = "Bearer";
            if (forOpenAi) await JsonResponse.WriteAsync(context, ErrorResponse.Of(error), OpenAiJson.Default.ErrorResponse).ConfigureAwait(false);
            else await JsonResponse.WriteAsync(context, new OllamaError(error.Message), OllamaJson.Default.OllamaError).ConfigureAwait(false);
            return;
        }
        // In the middle of a stream the status has been sent: the error is the last line.
        var stream = JsonStream.Continue(context);
        if (forOpenAi) await stream.WriteAsync(ErrorResponse.Of(error), OpenAiJson.Default.ErrorResponse).ConfigureAwait(false);
        else await stream.WriteAsync(new OllamaError(error.Message), OllamaJson.Default.OllamaError).ConfigureAwait(false);
    }
}
