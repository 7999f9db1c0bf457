using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// How a config.json has rotary positions stretched: `rope_parameters` (transformers 5) or `rope_scaling` and `rope_theta` (4). The
/// formulas are those of transformers' modeling_rope_utils.py; the keys are ggml's docs/gguf.md.
/// </summary>
internal sealed class RopeConfig
{
    private const double MostFactor = 100_000;

    private readonly ModelKeys _keys;

    private int? _trained;

    private RopeConfig(ModelKeys keys) => _keys = keys;

    /// <summary>Sets the keys, and Llama 3's and LongRoPE's divisors.</summary>
    /// <param name="trained">Positions that the model was trained on, where the config has them outside of the parameters.</param>
    public static void Read(JsonPart config, ModelKeys keys, int rotated, int contextLength, string theta = "rope_theta",
        int? trained = null, double fallback = 10_000) =>
        Read(Parameters(config), config.Find(theta), keys, rotated, contextLength, trained ?? LengthBeside(config), fallback);

    /// <summary>Of parameters apart from the config, and the base where they have none.</summary>
    public static void Read(JsonPart? parameters, JsonPart? theta, ModelKeys keys, int rotated, int contextLength, int? trained = null,
        double fallback = 10_000)
    {
        double rotationBase = (parameters?.Find("rope_theta") ?? theta)?.Number(1e-6, 1e30) ?? fallback;

        keys.Set(ModelKeys.RopeBase, (float)rotationBase);
        if (parameters is not { } given) return;
        JsonPart? type = given.Find("rope_type") ?? given.Find("type");
        new RopeConfig(keys) { _trained = trained }
            .ReadScaling(type?.Text() ?? "default", type, given, rotationBase, rotated, contextLength);
    }

    /// <summary>partial_rotary_factor, wherever it is, or null: the share of a head that is rotated.</summary>
    public static JsonPart? RotatedShare(JsonPart config) =>
        Parameters(config)?.Find("partial_rotary_factor") ?? config.Find("partial_rotary_factor");

    /// <summary>transformers 5 reads the older field first where it has something, and puts the base in where the field has none.</summary>
    public static JsonPart? Parameters(JsonPart config) =>
        config.Find("rope_scaling") is { } scaling && (scaling.Fields().Any() || config.Find("rope_parameters") is null) ? scaling
            : config.Find("rope_parameters");

    /// <summary>The length beside the parameters, which counts before theirs (modeling_rope_utils.py, `standardize_rope_params`).</summary>
    private static int? LengthBeside(JsonPart config) =>
        config.Find("original_max_position_embeddings") is { } length ? (int)length.Integer(1, 1 << 28) : null;

    private void ReadScaling(string type, JsonPart? typeField, JsonPart given, double rotationBase, int rotated, int contextLength)
    {
        switch (type)
        {
            case "default":
                AllowOnly(given);
                break;
            case "linear":
                AllowOnly(given, "factor");
                Scale("linear", given);
                break;
            case "dynamic":
                AllowOnly(given, "factor", "original_max_position_embeddings");
                Scale("dynamic", given); // by max_position_embeddings: the reference does not read the original length of this type
                break;
            case "yarn":
                AllowOnly(given, "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
                    "mscale_all_dim", "truncate", "llama_4_scaling_beta");
                ReadYarn(given, contextLength);
                break;
            case "llama3":
                AllowOnly(given, "factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor");
                _keys.RopeDivisors = Llama3Divisors(given, rotationBase, rotated);
                break;
            case "longrope" or "su": // its first name
                AllowOnly(given, "factor", "original_max_position_embeddings", "attention_factor", "short_factor", "long_factor");
                ReadLongRope(given, rotated, contextLength);
                break;
            default:
                throw (typeField ?? given).Error(
                    $"is '{FolderFile.Printable(type)}', not one that runs here (default, linear, dynamic, yarn, llama3, longrope)");
        }
    }

    private void Scale(string type, JsonPart given)
    {
        _keys.Set(ModelKeys.RopeScaling, type);
        _keys.Set(ModelKeys.RopeFactor, (float)given.Require("factor").Number(1, MostFactor));
    }

    private void ReadYarn(JsonPart given, int contextLength)
    {
        Scale("yarn", given);
        _keys.Set(ModelKeys.RopeOriginalLength, _trained ?? OriginalLength(given) ?? contextLength);
        if (given.Find("truncate") is { } truncate && !truncate.Flag()) _keys.Set(ModelKeys.YarnIsTruncated, false);
        if (given.Find("beta_fast") is { } fast) _keys.Set(ModelKeys.YarnBetaFast, (float)fast.Number(1e-3, 1e6));
        if (given.Find("beta_slow") is { } slow) _keys.Set(ModelKeys.YarnBetaSlow, (float)slow.Number(1e-3, 1e6));

        double factor = given.Require("factor").Number(1, MostFactor), usual = Magnitude(factor, 1), magnitude = usual;
        if (given.Find("attention_factor") is { } attention) magnitude = attention.Number(1e-3, 1e3);
        else if (given.Find("mscale") is { } scale && given.Find("mscale_all_dim") is { } all && scale.Number(0, 1e3) != 0
            && all.Number(0, 1e3) != 0)
        {
            // Ministral 3's files have the divisor itself, which llama.cpp reads of no other of these architectures.
            if (scale.Number(0, 1e3) == 1 && given.Find("llama_4_scaling_beta") is not null)
                _keys.Set(ModelKeys.YarnLogMultiplier, (float)all.Number(0, 1e3));
            else magnitude = Magnitude(factor, scale.Number(0, 1e3)) / Magnitude(factor, all.Number(0, 1e3));
        }
        // The key multiplies what a reader of GGUF computes from the factor.
        if (magnitude != usual) _keys.Set(ModelKeys.RopeAttentionFactor, (float)(magnitude / usual));
    }

    private void ReadLongRope(JsonPart given, int rotated, int contextLength)
    {
        int trained = _trained ?? OriginalLength(given) ?? throw given.Error("has no original_max_position_embeddings");
        _keys.Set(ModelKeys.RopeScaling, "longrope");
        _keys.Set(ModelKeys.RopeOriginalLength, trained);
        double factor = given.Find("factor")?.Number(1, MostFactor) ?? (double)contextLength / trained;
        double magnitude = given.Find("attention_factor")?.Number(1e-3, 1e3)
            ?? (factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(factor) / Math.Log(trained)));
        _keys.Set(ModelKeys.RopeAttentionFactor, (float)magnitude);
        _keys.RopeFactors = (Factors(given.Require("short_factor"), rotated / 2), Factors(given.Require("long_factor"), rotated / 2));
    }

    private static float[] Factors(JsonPart list, int pairs)
    {
        float[] factors = [.. list.Items().Take(pairs + 1).Select(item => (float)item.Number(1e-3, MostFactor))];
        return factors.Length == pairs ? factors
            : throw list.Error($"has not one number for each of the {pairs} pairs of a head that are rotated");
    }

    private static double Magnitude(double factor, double scale) => factor <= 1 ? 1 : 0.1 * scale * Math.Log(factor) + 1;

    private float[] Llama3Divisors(JsonPart given, double rotationBase, int rotated)
    {
        double factor = given.Require("factor").Number(1, MostFactor),
            trained = _trained ?? OriginalLength(given) ?? throw given.Error("has no original_max_position_embeddings");
        double low = given.Require("low_freq_factor").Number(1e-3, MostFactor),
            high = given.Require("high_freq_factor").Number(1e-3, MostFactor);
        if (high <= low) throw given.Error("has a high_freq_factor that is not more than its low_freq_factor");
        float[] divisors = new float[rotated / 2];
        for (int pair = 0; pair < divisors.Length; pair++)
        {
            double turns = trained * Math.Pow(rotationBase, -2.0 * pair / rotated) / (2 * Math.PI); // over the length that was trained
            double kept = Math.Clamp((turns - low) / (high - low), 0, 1);
            divisors[pair] = (float)(1 / ((1 - kept) / factor + kept));
        }
        return divisors;
    }

    private static int? OriginalLength(JsonPart given) => (int?)given.Find("original_max_position_embeddings")?.Integer(1, 1 << 28);

    private static void AllowOnly(JsonPart given, params ReadOnlySpan<string> names)
    {
        foreach ((string name, JsonPart field) in given.Fields())
        {
            if (name is "rope_type" or "type" or "rope_theta" or "partial_rotary_factor" or "mrope_section"
                or "mrope_interleaved" || names.Contains(name))
                continue;
            if (field.Element.ValueKind != System.Text.Json.JsonValueKind.Null)
                throw field.Error("is a setting of the rotary positions that is not known here");
        }
    }
}
