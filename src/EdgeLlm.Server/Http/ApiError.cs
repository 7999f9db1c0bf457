using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>Error as clients see it.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Message">What is wrong, in one line.</param>
/// <param name="Code">OpenAI's word for it, or null.</param>
/// <param name="Parameter">The field that is wrong, or null.</param>
/// <param name="RetryAfter">When to try again, or null where that does not help.</param>
internal sealed record ApiError(int Status, string Message, string? Code = null, string? Parameter = null, TimeSpan? RetryAfter = null)
{
    /// <summary>OpenAI's `type` of the error.</summary>
    public string Type => Status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    /// <summary>The error of an exception; of one that is not the client's, without its details.</summary>
    /// <param name="forOpenAi">Its API says 429 where Ollama's says 503.</param>
    public static ApiError Of(Exception exception, bool forOpenAi) => exception switch
    {
        ApiException api => new ApiError(api.Status, api.Message, api.Code, api.Parameter, api.RetryAfter),
        SchedulerBusyException { QueueIsFull: true } busy =>
            new ApiError(forOpenAi ? 429 : 503, busy.Message, "queue_full", RetryAfter: busy.RetryAfter),
        SchedulerBusyException busy => new ApiError(503, busy.Message, "not_ready", RetryAfter: busy.RetryAfter),
        BadHttpRequestException { StatusCode: 413 } => Of(ApiException.TooLarge(), forOpenAi),
        BadHttpRequestException bad => new ApiError(bad.StatusCode, OneLine(bad.Message)),
        ContextFullException full => new ApiError(400,
            $"the prompt has {full.Needed} tokens and the context {full.Capacity}: send less, or serve with a larger context (setting "
                + "context, --context)",
            "context_length_exceeded", "messages"),
        ChatTemplateException template => new ApiError(400,
            $"the model's chat template does not take this conversation: {OneLine(template.Message)}", Parameter: "messages"),
        ConstraintException constraint => new ApiError(400, OneLine(constraint.Message)),
        ArgumentException argument => new ApiError(400, OneLine(argument.Message)),
        SamplingException sampling => new ApiError(400, OneLine(sampling.Message), Parameter: "logit_bias"),
        NotFiniteException => new ApiError(500, OneLine(exception.Message)),
        _ => new ApiError(500, "an error of the service; its log says more"),
    };

    private static string OneLine(string message) => Printable.Line(message.ReplaceLineEndings(" "));
}
