using System.Globalization;
using EdgeLlm.Server.Ollama;
using EdgeLlm.Server.OpenAi;
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
                string hint = IsOpenAisWithoutBase(path) ? $", but a /v1{path}: the base URL of OpenAI's clients ends with /v1" : "";
                throw new ApiException(404, $"there is no {path}{hint}", "not_found");
            }
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
            string request = $"{context.Request.Method} {context.Request.Path}";
            if (error.Status is 401 or 403) log.Warning($"{request} of {AccessRules.ClientOf(context)} refused with {error.Status}: {error.Message}");
            if (error.Status == 500) log.Error($"{request}: {exception}");
            await WriteAsync(context, error, forOpenAi).ConfigureAwait(false);
        }
        finally
        {
            Connections.End(context);
        }
    }

    private static bool IsOpenAi(HttpContext context) => context.Request.Path.StartsWithSegments("/v1") || IsOpenAisWithoutBase(context.Request.Path);

    private static bool IsOpenAisWithoutBase(string? path) => path is "/chat/completions" or "/models";

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
