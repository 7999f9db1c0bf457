using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>The body of `POST /v1/chat/completions`; the samplers that OpenAI doesn't have by llama.cpp's names. Of other fields those in <see cref="NotDone"/> are refused.</summary>
internal sealed record ChatCompletionRequest
{
    public string? Model { get; init; }

    public List<RequestMessage>? Messages { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    /// <summary>-1 is no limit, as in llama.cpp and LM Studio.</summary>
    public int? MaxTokens { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public JsonElement? Stop { get; init; }

    /// <summary>-1 is a random one, as in llama.cpp and Ollama.</summary>
    public long? Seed { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopK { get; init; }

    public float? MinP { get; init; }

    public float? TypicalP { get; init; }

    public float? RepeatPenalty { get; init; }

    /// <summary>What vLLM calls it.</summary>
    public float? RepetitionPenalty { get; init; }

    public int? RepeatLastN { get; init; }

    public float? PresencePenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    public Dictionary<string, float>? LogitBias { get; init; }

    public int? N { get; init; }

    public JsonElement? Logprobs { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public ResponseFormat? ResponseFormat { get; init; }

    /// <summary>GBNF, as llama.cpp takes it.</summary>
    public JsonElement? Grammar { get; init; }

    /// <summary>A schema, as llama.cpp takes it.</summary>
    public JsonElement? JsonSchema { get; init; }

    /// <summary>Whether the prompt's last token may be completed by the answer.</summary>
    public bool? Heal { get; init; }

    public bool? IgnoreEos { get; init; }

    /// <summary>`flex`: after all others, as in OpenAI's API; any other value is a hint that changes nothing here.</summary>
    public string? ServiceTier { get; init; }

    /// <summary>`auto` leaves out the oldest turns of a conversation that is too long, `disabled` refuses it.</summary>
    public string? Truncation { get; init; }

    [JsonIgnore]
    public AnswerPriority Priority => ServiceTier == "flex" ? AnswerPriority.Batch : AnswerPriority.Chat;

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <param name="vocabularySize">How many tokens the model has.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationOptions ToOptions(int vocabularySize)
    {
        if (N is not (null or 1)) throw ApiException.Unsupported("n", "one answer at a time: send the request again for another one");
        if (Fields.IsSet(Logprobs)) throw ApiException.Unsupported("logprobs", "probabilities of tokens are not given yet");
        string? choice = ToolChoice switch
        {
            { ValueKind: JsonValueKind.String } text => text.GetString(),
            { ValueKind: JsonValueKind.Object } => "a function",
            _ => null,
        };
        if (Fields.IsSet(Tools) && choice != "none") throw ApiException.Unsupported("tools", "tools are not supported yet");
        if (choice is not (null or "" or "none" or "auto")) throw ApiException.Unsupported("tool_choice", "tools are not supported yet");
        NotDone.Refuse(Others);
        SamplingOptions defaults = Fields.OpenAiSampling;
        return Fields.Checked(new GenerationOptions
        {
            MaxTokens = (MaxCompletionTokens ?? MaxTokens) is not (null or -1) and var most ? most.Value : 0,
            IgnoreEndOfText = IgnoreEos == true,
            Constraint = Constraints.Of(ResponseFormat, Grammar, JsonSchema),
            Heal = Heal == true,
            StopStrings = Fields.Texts(Stop, "stop"),
            Sampling = Fields.WithOff(defaults with
            {
                Temperature = Temperature ?? defaults.Temperature,
                TopP = TopP ?? defaults.TopP,
                TopK = TopK ?? defaults.TopK,
                MinP = MinP ?? defaults.MinP,
                TypicalP = TypicalP ?? defaults.TypicalP,
                RepeatPenalty = RepeatPenalty ?? RepetitionPenalty ?? defaults.RepeatPenalty,
                RepeatLastN = RepeatLastN ?? defaults.RepeatLastN,
                PresencePenalty = PresencePenalty ?? 0,
                FrequencyPenalty = FrequencyPenalty ?? 0,
                LogitBias = BiasesOf(LogitBias, vocabularySize),
                Seed = Seed == -1 ? null : (ulong?)Seed,
            }),
        });
    }

    /// <param name="usual">The service's policy; null: cut.</param>
    /// <exception cref="ApiException">The field has another value.</exception>
    public ContextPolicy WhenFull(ContextPolicy? usual) => Truncation switch
    {
        null or "" => usual ?? ContextPolicy.Cut,
        "auto" => ContextPolicy.DropOldestTurns,
        "disabled" => ContextPolicy.Error,
        _ => throw ApiException.Field("truncation", $"is '{Truncation}'; it has to be auto or disabled"),
    };

    private static Dictionary<int, float>? BiasesOf(Dictionary<string, float>? given, int vocabularySize)
    {
        if (given is null) return null;
        var biases = new Dictionary<int, float>(given.Count);
        foreach ((string text, float bias) in given)
        {
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int token) || token >= vocabularySize)
                throw ApiException.Field("logit_bias", $"names the token '{text}'; this model's are the numbers 0 to {vocabularySize - 1}");
            biases[token] = bias;
        }
        return biases;
    }
}

/// <param name="IncludeUsage">Whether the stream ends with a chunk that has the usage.</param>
internal sealed record StreamOptions(bool? IncludeUsage);

/// <param name="Type">`text`, `json_object` or `json_schema`.</param>
/// <param name="JsonSchema">With `json_schema`: name, schema, strict.</param>
/// <param name="Schema">The schema where llama.cpp takes it.</param>
internal sealed record ResponseFormat(string? Type, NamedSchema? JsonSchema = null, JsonElement? Schema = null);

/// <param name="Name">A name, which says nothing to the model.</param>
/// <param name="Strict">Whether the answer has to satisfy it; it does in any case.</param>
/// <param name="Schema">The schema.</param>
internal sealed record NamedSchema(string? Name, bool? Strict, JsonElement? Schema);
