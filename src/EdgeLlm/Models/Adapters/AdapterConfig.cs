using System.Globalization;
using System.Text.Json;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Models.Adapters;

/// <summary>
/// A PEFT folder's adapter_config.json (huggingface/peft, src/peft/tuners/lora/config.py). Each field is honoured, does not change what is
/// computed, or is refused unless it has its default; docs/adapters.md has the table. One that is not known is refused where it is set.
/// </summary>
internal sealed class AdapterConfig
{
    public const string FileName = "adapter_config.json";

    /// <summary>Most entries of a pattern, or of a list of names.</summary>
    public const int MostKeys = 1000;

    /// <summary>Largest rank that is read.</summary>
    public const int MostRank = 4096;

    private const int MostBytes = 4 << 20;

    // Fields that were used while training, or say where the adapter comes from.
    private static readonly string[] Inert =
    [
        "auto_mapping", "inference_mode", "lora_dropout", "megatron_core", "peft_version", "revision", "task_type", "qalora_group_size",
        "eva_config", "runtime_config", "velora_config",
    ];

    // Fields that change what is computed in a way that is not done here, and why.
    private static readonly (string Name, string Reason)[] Refused =
    [
        ("alora_invocation_tokens", "the adapter acts only after these tokens"),
        ("trainable_token_indices", "single rows of the embedding are replaced"),
        ("layer_replication", "the model has another number of layers"),
        ("lora_bias", "lora_B has a bias"),
        ("target_parameters", "weights that are no modules are changed"),
        ("use_qalora", "inputs are pooled in groups"),
        ("use_bdlora", "matrices are in blocks"),
        ("arrow_config", "adapters are routed by token"),
        ("corda_config", "the base's weights were changed before training"),
        ("lora_ga_config", "the base's weights were changed before training"),
        ("loftq_config", "the base's weights were changed before training"),
        ("kasa_config", "the change has singular values of its own"),
        ("monteclora_config", "the change is drawn at random"),
        ("megatron_config", "modules are another program's"),
    ];

    private static readonly string[] Honoured =
    [
        "peft_type", "base_model_name_or_path", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora",
        "fan_in_fan_out", "target_modules", "exclude_modules",
        "layers_to_transform", "layers_pattern", "modules_to_save", "bias", "init_lora_weights", "ensure_weight_tying",
    ];

    /// <summary>Fields that have a meaning here; others are refused where they are set.</summary>
    public static IReadOnlySet<string> KnownFields { get; } = (HashSet<string>)[.. Honoured, .. Inert, .. Refused.Select(refused => refused.Name)];

    private readonly List<(ModulePattern Key, double Value)> _ranks, _alphas;
    private readonly ModuleNames? _targets, _excluded;
    private readonly HashSet<long>? _layers;
    private readonly List<ModulePattern> _layerPatterns = [];

    private AdapterConfig(JsonPart fields)
    {
        string type = fields.Require("peft_type").Text();
        if (type != "LORA") throw fields.Require("peft_type").Error($"is {FolderFile.Printable(type)}: only LORA is read here");
        foreach ((string name, string reason) in Refused)
        {
            if (fields.Find(name) is { } field && !IsUnset(field.Element)) throw field.Error($"is set: {reason}, which is not done here");
        }
        foreach ((string name, JsonPart value) in fields.Fields())
        {
            if (!KnownFields.Contains(name) && !IsUnset(value.Element))
                throw value.Error("is not known here, and may change what the adapter computes");
        }
        BaseModel = fields.Find("base_model_name_or_path") is { } name0 ? FolderFile.Printable(name0.Text()) : null;
        Rank = (int)(fields.Find("r")?.Integer(1, MostRank) ?? 8);
        Alpha = fields.Find("lora_alpha")?.Number(-1e6, 1e6) ?? 8;
        IsRankStabilized = fields.Find("use_rslora")?.Flag() ?? false;
        HasMagnitudes = fields.Find("use_dora")?.Flag() ?? false;
        _ = fields.Find("fan_in_fan_out")?.Flag(); // a change's two factors are stored alike either way
        TiesWeights = fields.Find("ensure_weight_tying")?.Flag() ?? false;
        Bias = fields.Find("bias") is { } bias ? bias.Text() : "none";
        if (Bias is not ("none" or "all" or "lora_only"))
            throw fields.Require("bias").Error($"is '{FolderFile.Printable(Bias)}'; none, all and lora_only are known");
        ReadInitialization(fields.Find("init_lora_weights"));
        _ranks = ReadPattern(fields.Find("rank_pattern"), value => value.Integer(1, MostRank));
        _alphas = ReadPattern(fields.Find("alpha_pattern"), value => value.Number(-1e6, 1e6));
        _targets = ModuleNames.Read(fields.Find("target_modules"), allowsAllLinear: true);
        _excluded = ModuleNames.Read(fields.Find("exclude_modules"), allowsAllLinear: false);
        Saved = ModuleNames.Read(fields.Find("modules_to_save"), allowsAllLinear: false) is null ? []
            : [.. fields.Require("modules_to_save").Items().Select(item => item.Text())];
        _layers = ReadLayers(fields.Find("layers_to_transform"));
        if (fields.Find("layers_pattern") is { } patterns)
        {
            IEnumerable<JsonPart> texts = patterns.Element.ValueKind == JsonValueKind.String ? [patterns]
                : patterns.Items().Take(MostKeys + 1);
            foreach (JsonPart text in texts)
            {
                if (text.Text().Length > 0) _layerPatterns.Add(ModulePattern.Of(text, $@".*\.{text.Text()}\.(\d+)\..*"));
            }
        }
    }

    /// <summary>The model that it was trained on, as the file says; null: it does not.</summary>
    public string? BaseModel { get; }

    public int Rank { get; }

    public double Alpha { get; }

    /// <summary>Scaled by alpha / sqrt(r), not alpha / r.</summary>
    public bool IsRankStabilized { get; }

    /// <summary>DoRA: rows have magnitudes of their own.</summary>
    public bool HasMagnitudes { get; }

    /// <summary>none, all or lora_only.</summary>
    public string Bias { get; }

    /// <summary>Embedding and head, where they are one in the base, change together.</summary>
    public bool TiesWeights { get; }

    /// <summary>Names of modules that are replaced whole.</summary>
    public IReadOnlyList<string> Saved { get; }

    /// <exception cref="ModelException">A field is not as it should be, or asks for what is not done here; the message names
    /// it.</exception>
    public static AdapterConfig Read(string folder) => new(JsonPart.Read(Path.Combine(folder, FileName), MostBytes));

    /// <summary>The rank that a module's change has by the file.</summary>
    public int RankOf(string module) => (int)First(_ranks, module, Rank);

    /// <summary>The factor of a module's change.</summary>
    public double FactorOf(string module)
    {
        double rank = First(_ranks, module, Rank), alpha = First(_alphas, module, Alpha);
        return alpha / (IsRankStabilized ? Math.Sqrt(rank) : rank);
    }

    /// <summary>Whether a module is one that the adapter changes by a product of two small matrices.</summary>
    public bool Targets(string module)
    {
        if (_excluded?.Matches(module) == true) return false;
        if (_targets is null) return true; // older files have the default of the model's kind
        if (!_targets.Matches(module)) return false;
        if (_layers is null || _targets.IsExpression) return true;
        return LayerOf(module) is { } layer && _layers.Contains(layer);
    }

    private static double First(List<(ModulePattern Key, double Value)> pattern, string module, double otherwise)
    {
        foreach ((ModulePattern key, double value) in pattern)
        {
            if (key.Matches(module)) return value;
        }
        return otherwise;
    }

    /// <summary>
    /// The number in a module's name that counts layers: after one of layers_pattern, else the last one that follows a name.
    /// </summary>
    private long? LayerOf(string module)
    {
        if (_layerPatterns.Count == 0)
        {
            string[] parts = module.Split('.');
            for (int i = parts.Length - 2; i >= 2; i--)
            {
                if (long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out long layer)) return layer;
            }
            return null;
        }
        foreach (ModulePattern pattern in _layerPatterns)
        {
            if (pattern.Number(module + ".") is { } layer) return layer;
        }
        return null;
    }

    private static void ReadInitialization(JsonPart? field)
    {
        if (field is not { } value || value.Element.ValueKind is JsonValueKind.True or JsonValueKind.False) return;
        string name = value.Text();
        if (name is "gaussian" or "eva" or "orthogonal" or "mica") return;
        string shown = FolderFile.Printable(name);
        throw value.Error(name.StartsWith("pissa", StringComparison.Ordinal) || name is "olora" or "corda" or "loftq" or "lora_ga"
            ? $"is {shown}, which changed the base's weights before training: the adapter alone, on the base as it is, computes "
                + "something else"
            : $"is {shown}, which is not known here");
    }

    private static List<(ModulePattern Key, double Value)> ReadPattern(JsonPart? field, Func<JsonPart, double> read)
    {
        var pattern = new List<(ModulePattern, double)>();
        if (field is not { } value) return pattern;
        foreach ((string key, JsonPart entry) in value.Fields())
        {
            if (pattern.Count == MostKeys) throw value.Error($"has more than {MostKeys} keys");
            pattern.Add((ModulePattern.Of(entry, $@"(.*\.)?({key})", key), read(entry)));
        }
        return pattern;
    }

    private static HashSet<long>? ReadLayers(JsonPart? field)
    {
        if (field is not { } value) return null;
        IEnumerable<JsonPart> numbers = value.Element.ValueKind == JsonValueKind.Number ? [value] : value.Items().Take(MostKeys + 1);
        HashSet<long> layers = [.. numbers.Select(number => number.Integer(0, int.MaxValue))];
        return layers.Count == 0 ? null : layers; // as peft: none named is all
    }

    private static bool IsUnset(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => value.GetString()!.Length == 0,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => value.EnumerateObject().All(field => IsUnset(field.Value)),
        JsonValueKind.Number => value.GetRawText() is "0" or "0.0",
        _ => false,
    };
}
