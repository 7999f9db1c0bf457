using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>The body of `POST /v1/chat/completions`.</summary>
internal sealed record ChatCompletionRequest : TextRequest
{
    public List<RequestMessage?>? Messages { get; init; }

    public int? MaxCompletionTokens { get; init; }

    /// <summary>Whether probabilities of tokens are given.</summary>
    public bool? Logprobs { get; init; }

    /// <summary>How many of the likeliest tokens are named with each.</summary>
    public int? TopLogprobs { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public bool? ParallelToolCalls { get; init; }

    /// <summary>OpenAI's field before `tools`.</summary>
    public JsonElement? Functions { get; init; }

    public JsonElement? FunctionCall { get; init; }

    /// <summary>Whether a stream tells how far the prompt is computed (llama.cpp's `prompt_progress`).</summary>
    public bool? ReturnProgress { get; init; }

    /// <summary>`auto` leaves out the oldest turns of a conversation that is too long, `disabled` refuses it.</summary>
    public string? Truncation { get; init; }

    /// <summary>How hard a model thinks, for templates that know it; `none`: not at all.</summary>
    public string? ReasoningEffort { get; init; }

    /// <summary>Variables of the chat template, as vLLM and llama.cpp take them.</summary>
    public JsonElement? ChatTemplateKwargs { get; init; }

    /// <summary>false: a last turn of the assistant is followed by another one and not continued.</summary>
    public bool? ContinueFinalMessage { get; init; }

    /// <param name="served">The model that is asked.</param>
    /// <param name="usual">The service's policy for a full context; null: cut.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationRequest ToRequest(ServedModel served, ContextPolicy? usual)
    {
        if (Messages is not { Count: > 0 }) throw ApiException.Field("messages", "has to be a list with at least one message");
        ContextPolicy whenFull = Truncation switch
        {
            null or "" => usual ?? ContextPolicy.Cut,
            "auto" => ContextPolicy.DropOldestTurns,
            "disabled" => ContextPolicy.Error,
            _ => throw ApiException.Field("truncation", $"is '{Truncation}'; it has to be auto or disabled"),
        };
        return new GenerationRequest(served)
        {
            Conversation = new Conversation([.. Messages.Select((message, i) => RequestMessage.ToTurn(message, $"messages[{i}]"))])
            {
                Variables = Thinking.Variables(Fields.Object(ChatTemplateKwargs, "chat_template_kwargs"),
                    ReasoningEffort == "none" ? false : null, ReasoningEffort),
                ContinuesLast = ContinueFinalMessage != false,
            },
            Options = Fields.Checked(
                OptionsOf(MaxCompletionTokens ?? MaxTokens, Fields.SamplingOf(served)) with { LogProbabilities = Likeliest() }),
            Tools = ToTools(),
            Biases = Biases(),
            Choices = Choices,
            WhenFull = whenFull,
            Priority = Priority,
        };
    }

    private RequestTools ToTools()
    {
        if (!Fields.IsSet(Functions) && FunctionCall is { ValueKind: JsonValueKind.Object })
            throw ApiException.Field("function_call", "names a function, and there are no functions");
        if (!Fields.IsSet(Functions)) return RequestTools.Of(Tools, ToolChoice, ParallelToolCalls);
        return Fields.IsSet(Tools) ? throw ApiException.Field("functions", "can't be given beside tools")
            : RequestTools.OfFunctions(Functions, FunctionCall);
    }

    private int? Likeliest()
    {
        if (TopLogprobs is < 0 or > TokenProbability.MostLikeliest)
            throw ApiException.Field("top_logprobs", $"is {TopLogprobs}; it has to be 0 to {TokenProbability.MostLikeliest}");
        if (Logprobs == true) return TopLogprobs ?? 0;
        return TopLogprobs > 0 ? throw ApiException.Field("top_logprobs", "takes logprobs: true beside it") : null;
    }
}
