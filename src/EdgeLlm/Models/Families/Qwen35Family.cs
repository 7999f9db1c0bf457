using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Qwen3.5's text part: the gated delta rule in most layers, and attention with an output gate, norms of heads, and rotary positions of a
/// part of each head in the others. The vision part and the layers that guess ahead are left out.
/// </summary>
internal static class Qwen35Family
{
    private const string Linear = "linear_attention", Full = "full_attention";

    public static Family Qwen35 { get; } = new()
    {
        Architecture = "qwen35",
        ModelType = "qwen3_5",
        ModelClass = "Qwen3_5ForConditionalGeneration",
        Prefix = "model.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
        TextPart = "text_config",
        TextPrefixes = ["model.language_model."],
        LeftOut = ["model.visual.", "mtp."],
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.AttentionNorm] = new("model.layers.{}.input_layernorm.weight", FolderForm.LessOne),
            [TensorRole.PostAttentionNorm] = new("model.layers.{}.post_attention_layernorm.weight", FolderForm.LessOne),
            [TensorRole.QueryNorm] = new("model.layers.{}.self_attn.q_norm.weight", FolderForm.LessOne),
            [TensorRole.KeyNorm] = new("model.layers.{}.self_attn.k_norm.weight", FolderForm.LessOne),
            [TensorRole.OutputNorm] = new("model.norm.weight", FolderForm.LessOne),
            [TensorRole.QueryKeyValue] = new("model.layers.{}.linear_attn.in_proj_qkv.weight", FolderForm.ValueHeads),
            [TensorRole.RecurrenceGate] = new("model.layers.{}.linear_attn.in_proj_z.weight", FolderForm.ValueHeads),
            [TensorRole.RecurrenceStep] = new("model.layers.{}.linear_attn.in_proj_a.weight", FolderForm.ValueHeads),
            [TensorRole.RecurrenceShare] = new("model.layers.{}.linear_attn.in_proj_b.weight", FolderForm.ValueHeads),
            [TensorRole.RecurrenceConvolution] = new("model.layers.{}.linear_attn.conv1d.weight", FolderForm.ValueHeads),
            [TensorRole.RecurrenceOffset] = new("model.layers.{}.linear_attn.dt_bias", FolderForm.ValueHeads),
            [TensorRole.RecurrenceRate] = new("model.layers.{}.linear_attn.A_log", FolderForm.ValueHeads),
            [TensorRole.RecurrenceNorm] = new("model.layers.{}.linear_attn.norm.weight"),
            [TensorRole.RecurrenceOutput] = new("model.layers.{}.linear_attn.out_proj.weight", FolderForm.ValueHeadColumns),
        },
    };

    /// <summary>The text part by itself.</summary>
    public static Family Qwen35Text { get; } =
        Qwen35 with { ModelType = "qwen3_5_text", ModelClass = "Qwen3_5ForCausalLM", TextPart = null };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        keys.Has(ModelKeys.RopeSections); // of pictures' positions: those of a text are equal
        int layers = keys.Size(ModelKeys.BlockCount), interval = keys.SizeOr(ModelKeys.FullAttentionInterval, 4);
        bool[] recurrent = keys.Flags(ModelKeys.RecurrentLayers) ?? [.. Enumerable.Range(0, layers).Select(l => (l + 1) % interval != 0)];
        GatedDeltaSpec? delta = recurrent.Contains(true) ? Delta(keys, norm) : null;
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, Layer);

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = AttentionSpec.None;
            if (!recurrent[l])
            {
                attention = CommonKeys.Attention(keys, l);
                rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true);
                attention = attention with { Rope = rope, HeadNorm = norm, HasGate = true };
            }
            FeedForwardSpec feedForward = CommonKeys.FeedForward(keys, l);
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention,
                Recurrence = recurrent[l] ? delta! with { Activation = feedForward.Activation } : null,
                FeedForwardNorm = norm,
                FeedForwardNormRole = TensorRole.PostAttentionNorm,
                FeedForward = feedForward,
            };
        }
    }

    private static GatedDeltaSpec Delta(ModelKeys keys, NormSpec norm)
    {
        int keyHeads = keys.Size(ModelKeys.GroupCount), valueHeads = keys.Size(ModelKeys.TimeStepRank),
            width = keys.Size(ModelKeys.InnerSize), state = keys.Size(ModelKeys.StateSize);
        if (keyHeads == 0 || valueHeads == 0 || state == 0)
            throw keys.Error(ModelKeys.GroupCount, "and ssm.time_step_rank and ssm.state_size have to be more than 0");
        if (valueHeads % keyHeads != 0)
            throw keys.Error(ModelKeys.TimeStepRank, $"{valueHeads} is not a multiple of ssm.group_count {keyHeads}");
        if (width % valueHeads != 0) throw keys.Error(ModelKeys.InnerSize, $"{width} is not a multiple of ssm.time_step_rank {valueHeads}");
        RecurrentSizes.Require(keys, (long)width * state);
        return new GatedDeltaSpec
        {
            KeyHeads = keyHeads,
            ValueHeads = valueHeads,
            KeyDimension = state,
            ValueDimension = width / valueHeads,
            Taps = keys.Size(ModelKeys.ConvolutionTaps),
            Norm = norm,
        };
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        config.Require("num_key_value_heads"); // where these are missing the reference takes numbers of one particular model
        config.Require("head_dim");
        CommonConfig.RefuseFlag(config, "attention_bias");
        ModelKeys keys = CommonConfig.Decoder(config, "qwen35", out AttentionConfig attention, out int context);
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-6, keys);
        int rotated = (int)(attention.Dimension * (RopeConfig.RotatedShare(config)?.Number(0, 1) ?? 0.25));
        if (rotated < 2 || rotated % 2 != 0) throw config.Error($"rotates {rotated} numbers of a head; it has to be an even number");
        keys.Set(ModelKeys.RopeDimension, rotated);
        RopeConfig.Read(config, keys, rotated, context);
        if (RopeConfig.Parameters(config)?.Find("mrope_section") is { } sections)
            keys.Set(ModelKeys.RopeSections, [.. sections.Items().Take(3).Select(section => (int)section.Integer(0, 1 << 14)), 0]);

        int keyHeads = CommonConfig.Width(config, "linear_num_key_heads"),
            valueHeads = CommonConfig.Width(config, "linear_num_value_heads");
        int keyDimension = CommonConfig.Width(config, "linear_key_head_dim"),
            valueDimension = CommonConfig.Width(config, "linear_value_head_dim");
        if ((long)valueHeads * valueDimension > ModelKeys.MaximumWidth)
            throw config.Require("linear_num_value_heads").Error($"is {valueHeads}: heads of {valueDimension} numbers are too many");
        keys.Set(ModelKeys.ConvolutionTaps, (int)(config.Find("linear_conv_kernel_dim")?.Integer(1, RecurrentSizes.MostTaps) ?? 4));
        keys.Set(ModelKeys.StateSize, keyDimension);
        keys.Set(ModelKeys.GroupCount, keyHeads);
        keys.Set(ModelKeys.TimeStepRank, valueHeads);
        keys.Set(ModelKeys.InnerSize, valueHeads * valueDimension);
        SetLayers(config, keys);
        CommonConfig.SetHead(config, keys);
        keys.Set(TensorRole.QueryNorm, TensorRole.KeyNorm);
        return keys;
    }

    private static void SetLayers(JsonPart config, ModelKeys keys)
    {
        int layers = keys.Size(ModelKeys.BlockCount),
            interval = (int)(config.Find("full_attention_interval")?.Integer(1, ModelKeys.MaximumLayers) ?? 4);
        bool[] recurrent = [.. Enumerable.Range(0, layers).Select(l => (l + 1) % interval != 0)];
        if (config.Find("layer_types") is { } types) recurrent = RecurrentSizes.Layers(types, layers, Linear, Full);
        keys.Set(ModelKeys.RecurrentLayers, recurrent);
        keys.Set(ModelKeys.FullAttentionInterval, interval);
    }
}

/// <summary>Bounds and lists that families with recurrent layers share.</summary>
internal static class RecurrentSizes
{
    public const int MostTaps = 64;

    /// <summary>`layer_types`: whether each layer is recurrent.</summary>
    public static bool[] Layers(JsonPart types, int layers, string recurrent, string attention)
    {
        // The names that transformers has for all families now, and the family's own.
        bool[] are =
            [.. types.Items().Take(layers + 1).Select(type => type.Text() is var name && (name == recurrent || name == "linear_attention"
            || (name == attention || name == "full_attention" ? false
                : throw type.Error($"is '{Printable.Line(name)}'; only {recurrent} and {attention} run here"))))];
        return are.Length == layers ? are : throw types.Error($"has not one entry for each of the {layers} layers");
    }

    /// <summary>Refuses states that no machine has room for.</summary>
    public static void Require(ModelKeys keys, long numbers)
    {
        if (numbers > 1 << 28) throw keys.Error(ModelKeys.StateSize, $"makes states of {numbers} numbers; they may have {1 << 28}");
    }
}
