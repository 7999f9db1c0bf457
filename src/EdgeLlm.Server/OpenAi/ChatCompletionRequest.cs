using System.Globalization;
using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>The body of `POST /v1/chat/completions`; the samplers that OpenAI doesn't have by llama.cpp's names. Fields that are not here are ignored.</summary>
internal sealed record ChatCompletionRequest
{
    public string? Model { get; init; }

    public List<RequestMessage>? Messages { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    public int? MaxTokens { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public JsonElement? Stop { get; init; }

    public long? Seed { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopK { get; init; }

    public float? MinP { get; init; }

    public float? TypicalP { get; init; }

    public float? RepeatPenalty { get; init; }

    public int? RepeatLastN { get; init; }

    public float? PresencePenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    public Dictionary<string, float>? LogitBias { get; init; }

    public int? N { get; init; }

    public JsonElement? Logprobs { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public ResponseFormat? ResponseFormat { get; init; }

    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationOptions ToOptions()
    {
        if (N is not (null or 1)) throw ApiException.Unsupported("n", "one answer at a time: send the request again for another one");
        if (Fields.IsSet(Logprobs)) throw ApiException.Unsupported("logprobs", "probabilities of tokens are not given yet");
        bool noTools = ToolChoice is { ValueKind: JsonValueKind.String } choice && choice.GetString() == "none";
        if (Fields.IsSet(Tools) && !noTools) throw ApiException.Unsupported("tools", "tools are not supported yet");
        if (ResponseFormat?.Type is not (null or "text")) throw ApiException.Unsupported("response_format", $"'{ResponseFormat.Type}' is not supported yet, only 'text'");
        SamplingOptions defaults = Fields.OpenAiSampling;
        return Fields.Checked(new GenerationOptions
        {
            MaxTokens = MaxCompletionTokens ?? MaxTokens ?? 0,
            StopStrings = Fields.Texts(Stop, "stop"),
            Sampling = defaults with
            {
                Temperature = Temperature ?? defaults.Temperature,
                TopP = TopP ?? defaults.TopP,
                TopK = TopK ?? defaults.TopK,
                MinP = MinP ?? defaults.MinP,
                TypicalP = TypicalP ?? defaults.TypicalP,
                RepeatPenalty = RepeatPenalty ?? defaults.RepeatPenalty,
                RepeatLastN = RepeatLastN ?? defaults.RepeatLastN,
                PresencePenalty = PresencePenalty ?? 0,
                FrequencyPenalty = FrequencyPenalty ?? 0,
                LogitBias = LogitBias?.ToDictionary(pair => TokenOf(pair.Key), pair => pair.Value),
                Seed = (ulong?)Seed,
            },
        });
    }

    private static int TokenOf(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int token) ? token : throw ApiException.Field("logit_bias", $"names the token '{text}'; tokens are numbers");
}

/// <param name="IncludeUsage">Whether the stream ends with a chunk that has the usage.</param>
internal sealed record StreamOptions(bool? IncludeUsage);

/// <param name="Type">`text`, `json_object` or `json_schema`.</param>
internal sealed record ResponseFormat(string? Type);
