using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.OpenAi;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Ollama;

/// <summary>
/// Fields common to the bodies of `/api/chat` and `/api/generate`. Of other fields those in <see cref="NotDone"/> are refused.
/// </summary>
internal abstract record OllamaRequest
{
    public string? Model { get; init; }

    /// <summary>Ollama streams unless it is told not to.</summary>
    public bool? Stream { get; init; }

    public JsonElement? Format { get; init; }

    /// <summary>Whether the model thinks before it answers: true, false, or how hard: low, medium, high.</summary>
    public JsonElement? Think { get; init; }

    /// <summary>
    /// How long the model stays loaded after this: seconds, or a duration such as `5m`; negative: for ever. The service's own model stays,
    /// unless 0 with nothing to answer asks for its end.
    /// </summary>
    public JsonElement? KeepAlive { get; init; }

    /// <summary>
    /// Whether a conversation that is too long loses its oldest turns (true, as in Ollama's API where it says nothing) or is refused.
    /// </summary>
    public bool? Truncate { get; init; }

    /// <summary>Whether it loses them in the middle of an answer, too; here only where it is asked for.</summary>
    public bool? Shift { get; init; }

    /// <summary>Whether probabilities of tokens are given.</summary>
    public bool? Logprobs { get; init; }

    /// <summary>How many of the likeliest tokens are named with each.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Whether a stream tells how far the prompt is computed, as llama.cpp's `return_progress`; Ollama does not have it.</summary>
    public bool? ReturnProgress { get; init; }

    public Dictionary<string, JsonElement>? Options { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    [JsonIgnore]
    public bool Streams => Stream != false;

    /// <summary>Whether an empty request asks for the model to be let go.</summary>
    [JsonIgnore]
    public bool Unloads => KeepsFor == TimeSpan.Zero;

    /// <summary><see cref="KeepAlive"/> as a time, negative for ever; null: it says nothing.</summary>
    /// <exception cref="ApiException">It is not a duration.</exception>
    [JsonIgnore]
    public TimeSpan? KeepsFor => Duration.Of(KeepAlive);

    /// <summary>The options that are understood, over those of the model.</summary>
    /// <exception cref="ApiException">One is refused.</exception>
    public OllamaOptions OptionsFor(ServedModel served) => new(Options, served.DefaultOptions);

    /// <summary>The part of the request that does not depend on its kind.</summary>
    /// <param name="usual">The service's policy for a full context; null: as Ollama's API says, drop.</param>
    /// <exception cref="ApiException">An option is wrong, or a field asks for what this version does not do.</exception>
    protected GenerationRequest RequestFor(ServedModel served, ContextPolicy? usual)
    {
        if (ThinkingEffort.Thinks == true && !Thinking.IsOf(served.ChatTemplate))
            throw new ApiException(400, $"\"{served.Name}\" does not support thinking", parameter: "think");
        NotDone.Refuse(Others);
        if (TopLogprobs is < 0 or > TokenProbability.MostLikeliest)
            throw ApiException.Field("top_logprobs", $"must be between 0 and {TokenProbability.MostLikeliest}");
        ContextPolicy whenFull = Truncate switch
        {
            true => ContextPolicy.DropOldestTurns,
            false => ContextPolicy.Error,
            _ => usual ?? ContextPolicy.DropOldestTurns,
        };
        return new GenerationRequest(served)
        {
            Options = Fields.Checked(OptionsFor(served).ToGeneration(Fields.OllamaSampling) with
            {
                Constraint = Constraints.OfFormat(Format),
                LogProbabilities = Logprobs == true ? TopLogprobs ?? 0 : null,
                Shift = Shift == true && whenFull == ContextPolicy.DropOldestTurns,
            }),
            WhenFull = whenFull,
            KeepsFor = KeepsFor,
        };
    }

    /// <summary>Meaning of <see cref="Think"/>.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    protected (bool? Thinks, string? Effort) ThinkingEffort => Think switch
    {
        null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => (null, null),
        { ValueKind: JsonValueKind.True } => (true, null),
        { ValueKind: JsonValueKind.False } => (false, null),
        { ValueKind: JsonValueKind.String } text when text.GetString() is "high" or "medium" or "low" or "max" => (true, text.GetString()),
        { ValueKind: JsonValueKind.String } text when text.GetString() is "" or "none" => (false, null),
        _ => throw new ApiException(400,
            "think must be a boolean or string (\"high\", \"medium\", \"low\", true, or false)", parameter: "think"),
    };
}
