using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>
/// Fields common to requests for text in OpenAI's APIs and in llama.cpp's server: the samplers that OpenAI does not have by llama.cpp's
/// names, forms by the names of OpenAI, llama.cpp and vLLM. Of other fields those in <see cref="NotDone"/> are refused.
/// </summary>
internal abstract record TextRequest
{
    public string? Model { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    /// <summary>-1: no limit, as in llama.cpp and LM Studio.</summary>
    public int? MaxTokens { get; init; }

    public JsonElement? Stop { get; init; }

    /// <summary>-1 is a random one, as in llama.cpp and Ollama.</summary>
    public long? Seed { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopK { get; init; }

    public float? MinP { get; init; }

    public float? TypicalP { get; init; }

    public float? RepeatPenalty { get; init; }

    /// <summary>vLLM's name of <see cref="RepeatPenalty"/>.</summary>
    public float? RepetitionPenalty { get; init; }

    public int? RepeatLastN { get; init; }

    public float? PresencePenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    public float? DryMultiplier { get; init; }

    public float? DryBase { get; init; }

    public int? DryAllowedLength { get; init; }

    public int? DryPenaltyLastN { get; init; }

    public JsonElement? DrySequenceBreakers { get; init; }

    /// <summary>An object of biases by token, or llama.cpp's list of pairs of a token or text and a bias, where false is a ban.</summary>
    public JsonElement? LogitBias { get; init; }

    /// <summary>Answers to a prompt.</summary>
    public int? N { get; init; }

    public ResponseFormat? ResponseFormat { get; init; }

    /// <summary>GBNF, as llama.cpp takes it.</summary>
    public JsonElement? Grammar { get; init; }

    /// <summary>A schema, as llama.cpp takes it.</summary>
    public JsonElement? JsonSchema { get; init; }

    /// <summary>vLLM's forms: an object with one of json, regex, choice, grammar.</summary>
    public StructuredOutputs? StructuredOutputs { get; init; }

    public JsonElement? GuidedJson { get; init; }

    public JsonElement? GuidedRegex { get; init; }

    public JsonElement? GuidedChoice { get; init; }

    public JsonElement? GuidedGrammar { get; init; }

    /// <summary>Whether the prompt's last token may be completed by the answer.</summary>
    public bool? Heal { get; init; }

    public bool? IgnoreEos { get; init; }

    /// <summary>`flex`: after all others, as in OpenAI's API; any other value is a hint that changes nothing here.</summary>
    public string? ServiceTier { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <summary>Whether a stream ends with its usage.</summary>
    [JsonIgnore]
    public bool IncludesUsage => StreamOptions?.IncludeUsage == true;

    [JsonIgnore]
    protected AnswerPriority Priority => ServiceTier == "flex" ? AnswerPriority.Batch : AnswerPriority.Chat;

    /// <exception cref="ApiException">It is out of its range.</exception>
    [JsonIgnore]
    protected int Choices => N switch
    {
        null => 1,
        >= 1 and <= GenerationRequest.MostChoices and var count => count,
        _ => throw ApiException.Field("n", $"is {N}; 1 to {GenerationRequest.MostChoices} answers are given at once"),
    };

    /// <summary>The options of the fields above, not checked yet.</summary>
    /// <param name="maxTokens">Most tokens: 0 or -1: no limit.</param>
    /// <param name="defaults">Samplers of the API.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    protected GenerationOptions OptionsOf(int? maxTokens, SamplingOptions defaults)
    {
        NotDone.Refuse(Others);
        var options = new GenerationOptions
        {
            MaxTokens = maxTokens is null or -1 ? 0 : maxTokens.Value,
            IgnoreEndOfText = IgnoreEos == true,
            Constraint = Constraints.Of(
                ResponseFormat, new Form("grammar", FormKind.Grammar, Grammar), new Form("json_schema", FormKind.Json, JsonSchema),
                new Form("structured_outputs.json", FormKind.Json, StructuredOutputs?.Json),
                new Form("structured_outputs.regex", FormKind.Regex, StructuredOutputs?.Regex),
                new Form("structured_outputs.choice", FormKind.Choice, StructuredOutputs?.Choice),
                new Form("structured_outputs.grammar", FormKind.Grammar, StructuredOutputs?.Grammar),
                new Form("guided_json", FormKind.Json, GuidedJson), new Form("guided_regex", FormKind.Regex, GuidedRegex),
                new Form("guided_choice", FormKind.Choice, GuidedChoice), new Form("guided_grammar", FormKind.Grammar, GuidedGrammar)),
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
                DryMultiplier = DryMultiplier ?? defaults.DryMultiplier,
                DryBase = DryBase ?? defaults.DryBase,
                DryAllowedLength = DryAllowedLength ?? defaults.DryAllowedLength,
                DryPenaltyLastN = DryPenaltyLastN ?? defaults.DryPenaltyLastN,
                Seed = Seed == -1 ? null : (ulong?)Seed,
            }),
        };
        return Fields.IsGiven(DrySequenceBreakers)
            ? options with { DryBreakers = Fields.Texts(DrySequenceBreakers, "dry_sequence_breakers") } : options;
    }

    /// <summary>The biases of <see cref="LogitBias"/>.</summary>
    /// <exception cref="ApiException">It is neither an object nor a list of pairs.</exception>
    protected IReadOnlyList<TokenBias> Biases()
    {
        const string Name = "logit_bias";
        switch (LogitBias?.ValueKind)
        {
            case null or JsonValueKind.Null or JsonValueKind.Undefined:
                return [];
            case JsonValueKind.Object:
                return [.. LogitBias.Value.EnumerateObject()
                    .Select(one => int.TryParse(one.Name, System.Globalization.CultureInfo.InvariantCulture, out int token) && token >= 0
                    ? new TokenBias(one.Name, BiasOf(one.Value))
                    : throw ApiException.Field(Name, $"names the token '{one.Name}'; tokens are numbers"))];
            case JsonValueKind.Array:
                return [.. LogitBias.Value.EnumerateArray().Select(PairOf)];
            default:
                throw ApiException.Field(Name, "has to be an object of biases by token");
        }

        static TokenBias PairOf(JsonElement pair)
        {
            if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2)
                throw ApiException.Field(Name, "has to be a list of pairs of a token and a bias");
            string token = pair[0].ValueKind switch
            {
                JsonValueKind.String => pair[0].GetString()!,
                JsonValueKind.Number when pair[0].TryGetInt32(out int number) && number >= 0 =>
                    number.ToString(System.Globalization.CultureInfo.InvariantCulture),
                _ => throw ApiException.Field(Name, "names a token that is neither a number nor a text"),
            };
            return new TokenBias(token, BiasOf(pair[1]));
        }

        static float BiasOf(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.False => float.NegativeInfinity,
            JsonValueKind.Number => (float)value.GetDouble(),
            _ => throw ApiException.Field(Name, "has a bias that is not a number"),
        };
    }
}

/// <param name="IncludeUsage">Whether the stream ends with a chunk that has the usage.</param>
internal sealed record StreamOptions(bool? IncludeUsage);

/// <summary>vLLM's forms of an answer.</summary>
internal sealed record StructuredOutputs(JsonElement? Json, JsonElement? Regex, JsonElement? Choice, JsonElement? Grammar);

/// <param name="Type">`text`, `json_object` or `json_schema`.</param>
/// <param name="JsonSchema">With `json_schema`: name, schema, strict.</param>
/// <param name="Schema">The schema where llama.cpp takes it.</param>
internal sealed record ResponseFormat(string? Type, NamedSchema? JsonSchema = null, JsonElement? Schema = null);

/// <param name="Name">A name, which says nothing to the model.</param>
/// <param name="Strict">Whether the answer has to satisfy it; it does in any case.</param>
/// <param name="Schema">The schema.</param>
internal sealed record NamedSchema(string? Name, bool? Strict, JsonElement? Schema);
