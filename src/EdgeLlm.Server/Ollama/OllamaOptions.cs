using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Ollama;

/// <summary>
/// The `options` of Ollama's requests. Those that only say how to compute are taken and change nothing; so are samplers that are not done,
/// at the value that means off. Others that are not understood would change the answer and are refused by name.
/// </summary>
internal sealed class OllamaOptions
{
    /// <summary>
    /// Names, in lower case without underscores, as some clients write them in their own way, of options that only say how to compute.
    /// </summary>
    private static readonly HashSet<string> OfComputing =
    [
        "numa", "numctx", "numbatch", "numgpu", "maingpu", "numthread", "numgqa", "numkeep", "usemmap", "usemlock", "usemmaplock",
        "lowvram", "f16kv", "logitsall", "vocabonly",
        "embeddingonly", "ropefrequencybase", "ropefrequencyscale", "flashattention", "kvcachetype", "parallel", "draft", "drafttokens",
        "tensorsplit", "minkeep", "penalizenewline",
    ];

    /// <summary>Samplers that are not done, with the values that turn them off.</summary>
    private static readonly Dictionary<string, double[]> Off = new()
    {
        ["mirostat"] = [0],
        ["tfs_z"] = [0, 1],
        ["xtc_probability"] = [0],
        ["dynatemp_range"] = [0],
        ["top_n_sigma"] = [0, -1],
        ["typical_p_z"] = [1],
        ["smoothing_factor"] = [0],
        ["top_a"] = [0],
        ["epsilon_cutoff"] = [0],
        ["eta_cutoff"] = [0],
    };

    /// <summary>Parameters of samplers that are not done, which change nothing while those are off.</summary>
    private static readonly HashSet<string> OfOthers =
        ["mirostat_tau", "mirostat_eta", "xtc_threshold", "dynatemp_exponent", "smoothing_curve", "n_probs"];

    /// <summary>Those that are understood.</summary>
    private static readonly HashSet<string> Understood =
    [
        "num_predict", "stop", "temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "presence_penalty",
        "frequency_penalty", "seed",
        "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers", "ignore_eos", "heal",
    ];

    private readonly IReadOnlyDictionary<string, JsonElement> _values;

    /// <param name="values">The options by name; null: none.</param>
    /// <param name="defaults">Those of the model, which the request's go before; null: none.</param>
    /// <exception cref="ApiException">One is refused.</exception>
    public OllamaOptions(IReadOnlyDictionary<string, JsonElement>? values, IReadOnlyDictionary<string, JsonElement>? defaults = null)
    {
        var all = new Dictionary<string, JsonElement>(defaults ?? new Dictionary<string, JsonElement>());
        foreach ((string name, JsonElement value) in values ?? new Dictionary<string, JsonElement>()) all[name] = value;
        _values = all;
        foreach ((string name, JsonElement value) in all)
        {
            if (!Fields.IsGiven(value) || Understood.Contains(name) || OfOthers.Contains(name)) continue;
            if (Off.TryGetValue(name, out double[]? off))
            {
                if (value.ValueKind != JsonValueKind.Number || !off.Contains(value.GetDouble()))
                    throw ApiException.Unsupported($"options.{name}", "this sampler is not supported");
                continue;
            }
            if (!OfComputing.Contains(name.Replace("_", "", StringComparison.Ordinal).ToLowerInvariant()))
                throw ApiException.Unsupported($"options.{name}",
                    "this option is not known here, and an answer without it may not be the one that is asked for");
        }
    }

    /// <summary>How many tokens the client thinks that the context has; 0: it does not say.</summary>
    public int ContextLength => Integer("num_ctx", 0);

    /// <summary>How to answer, not checked yet.</summary>
    /// <param name="defaults">Samplers where no option says anything.</param>
    /// <exception cref="ApiException">An option has a value of the wrong type.</exception>
    public GenerationOptions ToGeneration(SamplingOptions defaults)
    {
        double seed = Number("seed", -1);
        var options = new GenerationOptions
        {
            MaxTokens = Math.Max(Integer("num_predict", -1), 0), // -1 and -2: until the model ends it
            StopStrings = Fields.Texts(Value("stop"), "options.stop"),
            IgnoreEndOfText = Value("ignore_eos")?.ValueKind == JsonValueKind.True,
            Heal = Value("heal")?.ValueKind == JsonValueKind.True,
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
                DryMultiplier = (float)Number("dry_multiplier", defaults.DryMultiplier),
                DryBase = (float)Number("dry_base", defaults.DryBase),
                DryAllowedLength = Integer("dry_allowed_length", defaults.DryAllowedLength),
                DryPenaltyLastN = Integer("dry_penalty_last_n", defaults.DryPenaltyLastN),
                Seed = seed < 0 ? null : (ulong)Math.Min(seed, long.MaxValue),
            }),
        };
        return Fields.IsGiven(Value("dry_sequence_breakers"))
            ? options with { DryBreakers = Fields.Texts(Value("dry_sequence_breakers"), "options.dry_sequence_breakers") } : options;
    }

    private JsonElement? Value(string name) => _values.TryGetValue(name, out JsonElement value) ? value : null;

    private int Integer(string name, int fallback)
    {
        double value = Number(name, fallback);
        return value == Math.Truncate(value) && Math.Abs(value) <= int.MaxValue ? (int)value
            : throw new ApiException(400, $"option \"{name}\" must be of type integer", parameter: $"options.{name}");
    }

    private double Number(string name, double fallback) => Value(name) switch
    {
        null or { ValueKind: JsonValueKind.Undefined or JsonValueKind.Null } => fallback,
        { ValueKind: JsonValueKind.Number } number => number.GetDouble(),
        _ => throw new ApiException(400, $"option \"{name}\" must be a number", parameter: $"options.{name}"),
    };
}
