using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Ollama;

/// <summary>What the bodies of `/api/chat` and `/api/generate` have in common. Of other fields those in <see cref="NotDone"/> are refused.</summary>
internal abstract record OllamaRequest
{
    public string? Model { get; init; }

    /// <summary>Ollama streams unless it is told not to.</summary>
    public bool? Stream { get; init; }

    public JsonElement? Format { get; init; }

    public JsonElement? Think { get; init; }

    /// <summary>How long the model stays loaded after this: seconds, or a duration such as `5m`; negative: for ever. The service's own model stays, unless 0 with nothing to answer asks for its end.</summary>
    public JsonElement? KeepAlive { get; init; }

    /// <summary>Whether a conversation that is too long loses its oldest turns (true, as in Ollama's API where it says nothing) or is refused.</summary>
    public bool? Truncate { get; init; }

    /// <summary>Whether it loses them in the middle of an answer, too; here only where it is asked for.</summary>
    public bool? Shift { get; init; }

    public Dictionary<string, JsonElement>? Options { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <summary>How many tokens the client thinks that the context has; 0: it does not say.</summary>
    public int ContextLength => Integer("num_ctx", 0);

    public bool Streams => Stream != false;

    /// <summary>Whether an empty request asks for the model to be let go.</summary>
    public bool Unloads => KeepsFor == TimeSpan.Zero;

    /// <summary><see cref="KeepAlive"/> as a time, negative for ever; null: it says nothing.</summary>
    /// <exception cref="ApiException">It is not a duration.</exception>
    public TimeSpan? KeepsFor
    {
        get
        {
            try
            {
                return KeepAlive switch
                {
                    { ValueKind: JsonValueKind.Number } number => Duration.OfSeconds(number.GetDouble()),
                    { ValueKind: JsonValueKind.String } text when text.GetString()!.Length > 0 => Duration.Parse(text.GetString()!),
                    _ => null,
                };
            }
            catch (FormatException exception)
            {
                throw ApiException.Field("keep_alive", $"has to be {exception.Message}");
            }
        }
    }

    /// <param name="usual">The service's policy; null: what Ollama's API says, drop.</param>
    public ContextPolicy WhenFull(ContextPolicy? usual) => Truncate switch
    {
        true => ContextPolicy.DropOldestTurns,
        false => ContextPolicy.Error,
        _ => usual ?? ContextPolicy.DropOldestTurns,
    };

    /// <exception cref="ApiException">An option is wrong, or a field asks for what this version does not do.</exception>
    public GenerationOptions ToOptions(string modelName)
    {
        if (Fields.IsSet(Think)) throw new ApiException(400, $"\"{modelName}\" does not support thinking");
        NotDone.Refuse(Others);
        NotDone.Refuse(Options);
        SamplingOptions defaults = Fields.OllamaSampling;
        double seed = Number("seed", -1);
        return Fields.Checked(new GenerationOptions
        {
            MaxTokens = Math.Max(Integer("num_predict", -1), 0), // -1 and -2: until the model ends it
            StopStrings = Fields.Texts(Options?.GetValueOrDefault("stop"), "stop"),
            Constraint = Constraints.Of(Format),
            Sampling = Fields.WithOff(defaults with
            {
                Temperature = (float)Number("temperature", defaults.Temperature),
                TopK = Integer("top_k", defaults.TopK),
                TopP = (float)Number("top_p", defaults.TopP),
                MinP = (float)Number("min_p", defaults.MinP),
                TypicalP = (float)Number("typical_p", defaults.TypicalP),
                RepeatPenalty = (float)Number("repeat_penalty", defaults.RepeatPenalty),
                RepeatLastN = Integer("repeat_last_n", defaults.RepeatLastN),
                PresencePenalty = (float)Number("presence_penalty", 0),
                FrequencyPenalty = (float)Number("frequency_penalty", 0),
                Seed = seed < 0 ? null : (ulong)seed,
            }),
        });
    }

    private int Integer(string name, int fallback)
    {
        double value = Number(name, fallback);
        return value == Math.Truncate(value) && Math.Abs(value) <= int.MaxValue ? (int)value : throw new ApiException(400, $"option \"{name}\" must be of type integer");
    }

    private double Number(string name, double fallback) => Options?.GetValueOrDefault(name) switch
    {
        null or { ValueKind: JsonValueKind.Undefined or JsonValueKind.Null } => fallback,
        { ValueKind: JsonValueKind.Number } number => number.GetDouble(),
        _ => throw new ApiException(400, $"option \"{name}\" must be a number"),
    };
}
