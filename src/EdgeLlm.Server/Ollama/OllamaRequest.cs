using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Ollama;

/// <summary>What the bodies of `/api/chat` and `/api/generate` have in common. Of other fields those in <see cref="NotDone"/> are refused.</summary>
internal abstract record OllamaRequest
{
    public string? Model { get; init; }

    /// <summary>Ollama streams unless it is told not to.</summary>
    public bool? Stream { get; init; }

    public JsonElement? Format { get; init; }

    public JsonElement? Think { get; init; }

    /// <summary>Seconds, or a duration such as `5m`. The model stays mapped whatever it says; 0 with nothing to answer is told that it was unloaded.</summary>
    public JsonElement? KeepAlive { get; init; }

    public bool? Truncate { get; init; }

    public Dictionary<string, JsonElement>? Options { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <summary>How many tokens the client thinks that the context has; 0: it does not say.</summary>
    public int ContextLength => Integer("num_ctx", 0);

    public bool Streams => Stream != false;

    /// <summary>Whether an empty request asks for the model to be let go.</summary>
    public bool Unloads => KeepAlive switch
    {
        { ValueKind: JsonValueKind.Number } number => number.GetDouble() == 0,
        { ValueKind: JsonValueKind.String } text => IsZero(text.GetString()!),
        _ => false,
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

    /// <summary>Whether a duration such as `0`, `0s`, `0h0m` is none.</summary>
    private static bool IsZero(string duration) => duration.Contains('0') && duration.All(c => !char.IsAsciiDigit(c) || c == '0');

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
