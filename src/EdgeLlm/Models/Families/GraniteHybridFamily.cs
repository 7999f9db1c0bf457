using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// Granite 4: Mamba 2 in most layers, attention mostly without positions in the others, experts beside one that all tokens go through, and
/// factors of all parts.
/// </summary>
internal static class GraniteHybridFamily
{
    private const int LengthWithoutPositions = 1 << 20; // what the reference converter writes

    public static Family GraniteHybrid { get; } = new()
    {
        Architecture = "granitehybrid",
        ModelType = "granitemoehybrid",
        ModelClass = "GraniteMoeHybridForCausalLM",
        Prefix = "model.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
        OtherNames = new Dictionary<string, string> { ["layer_types"] = "layers_block_type" },
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.ScanInput] = new("model.layers.{}.mamba.in_proj.weight"),
            [TensorRole.RecurrenceConvolution] = new("model.layers.{}.mamba.conv1d.weight"),
            [TensorRole.RecurrenceConvolutionBias] = new("model.layers.{}.mamba.conv1d.bias"),
            [TensorRole.RecurrenceOffset] = new("model.layers.{}.mamba.dt_bias"),
            [TensorRole.RecurrenceRate] = new("model.layers.{}.mamba.A_log"),
            [TensorRole.ScanSkip] = new("model.layers.{}.mamba.D"),
            [TensorRole.RecurrenceNorm] = new("model.layers.{}.mamba.norm.weight"),
            [TensorRole.RecurrenceOutput] = new("model.layers.{}.mamba.out_proj.weight"),
            [TensorRole.Router] = new("model.layers.{}.block_sparse_moe.router.layer.weight"),
            [TensorRole.GateExperts] = new("model.layers.{}.block_sparse_moe.input_linear.weight", FolderForm.FirstHalf),
            [TensorRole.UpExperts] = new("model.layers.{}.block_sparse_moe.input_linear.weight", FolderForm.SecondHalf),
            [TensorRole.DownExperts] = new("model.layers.{}.block_sparse_moe.output_linear.weight"),
            [TensorRole.SharedGate] = new("model.layers.{}.shared_mlp.input_linear.weight", FolderForm.FirstHalf),
            [TensorRole.SharedUp] = new("model.layers.{}.shared_mlp.input_linear.weight", FolderForm.SecondHalf),
            [TensorRole.SharedDown] = new("model.layers.{}.shared_mlp.output_linear.weight"),
            [TensorRole.Gate] = new("model.layers.{}.shared_mlp.input_linear.weight", FolderForm.FirstHalf),
            [TensorRole.Up] = new("model.layers.{}.shared_mlp.input_linear.weight", FolderForm.SecondHalf),
            [TensorRole.Down] = new("model.layers.{}.shared_mlp.output_linear.weight"),
        },
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        bool isRotated = !keys.Has(ModelKeys.RopeFinetuned) || keys.Flag(ModelKeys.RopeFinetuned); // llama.cpp reads it so
        float residual = keys.NumberOr(ModelKeys.ResidualScale, 0), logits = keys.NumberOr(ModelKeys.LogitScale, 0),
            embedding = keys.NumberOr(ModelKeys.EmbeddingScale, 0);
        RopeSpec? rope = null;
        SelectiveScanSpec? scan = null;
        return CommonKeys.Decoder(keys, norm, Layer) with
        {
            EmbeddingScale = embedding == 0 ? 1 : embedding,
            LogitScale = logits == 0 ? 1 : 1 / logits,
        };

        LayerSpec Layer(int l)
        {
            bool isRecurrent = keys.Size(ModelKeys.KeyValueHeadCount, l) == 0;
            AttentionSpec attention = AttentionSpec.None;
            if (!isRecurrent)
            {
                attention = CommonKeys.Attention(keys, l);
                // Without positions the keys of rotary ones are there all the same.
                RopeSpec given = CommonKeys.Rope(keys, attention.Dimension, isSplit: false);
                attention = attention with { Rope = isRotated ? rope ??= given : null };
            }
            FeedForwardSpec feedForward = CommonKeys.FeedForward(keys, l);
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention,
                Recurrence = isRecurrent ? (scan ??= Scan(keys, norm, l)) with { Activation = feedForward.Activation } : null,
                FeedForwardNorm = norm,
                FeedForward = feedForward,
                Experts = ExpertKeys.Read(keys, l, RouterScore.Softmax, isNormalized: true),
                ResidualScale = residual == 0 ? 1 : residual,
            };
        }
    }

    private static SelectiveScanSpec Scan(ModelKeys keys, NormSpec norm, int layer)
    {
        int heads = keys.Size(ModelKeys.TimeStepRank), width = keys.Size(ModelKeys.InnerSize), state = keys.Size(ModelKeys.StateSize),
            groups = keys.Size(ModelKeys.GroupCount);
        if (width % heads != 0) throw keys.Error(ModelKeys.InnerSize, $"{width} is not a multiple of ssm.time_step_rank {heads}");
        if (heads % groups != 0) throw keys.Error(ModelKeys.TimeStepRank, $"{heads} is not a multiple of ssm.group_count {groups}");
        RecurrentSizes.Require(keys, Math.Max((long)width * state, 2L * groups * state + 2L * width + heads));
        return new SelectiveScanSpec
        {
            Heads = heads,
            HeadDimension = width / heads,
            StateSize = state,
            Groups = groups,
            Taps = keys.Size(ModelKeys.ConvolutionTaps),
            Norm = norm,
            HasConvolutionBias = keys.Has(TensorRole.RecurrenceConvolutionBias, layer),
        };
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        CommonConfig.RefuseFlag(config, "mamba_proj_bias");
        if (config.Find("time_step_limit") is { } limits
            && limits.Items().Take(3).Select(limit => limit.Number(0, double.PositiveInfinity)).ToArray() is not [0, >= 1e9])
            throw limits.Error("limits the steps' widths, which does not run in this version");
        ModelKeys keys = CommonConfig.Decoder(config, "granitehybrid", out AttentionConfig attention, out int context);
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-6, keys);
        bool isRotated = config.Find("position_embedding_type")?.Text() == "rope";
        keys.Set(ModelKeys.RopeDimension, attention.Dimension);
        if (isRotated) RopeConfig.Read(config, keys, attention.Dimension, context);
        else keys.Set(ModelKeys.RopeBase, (float)(config.Find("rope_theta")?.Number(1e-6, 1e30) ?? 10_000));
        if (!isRotated) keys.Set(ModelKeys.ContextLength, LengthWithoutPositions);
        keys.Set(ModelKeys.RopeFinetuned, isRotated);
        keys.Set(ModelKeys.ScoreScale, (float)(config.Find("attention_multiplier")?.Number(1e-9, 1e9) ?? 1));
        keys.Set(ModelKeys.EmbeddingScale, (float)(config.Find("embedding_multiplier")?.Number(1e-9, 1e9) ?? 1));
        keys.Set(ModelKeys.ResidualScale, (float)(config.Find("residual_multiplier")?.Number(1e-9, 1e9) ?? 1));
        keys.Set(ModelKeys.LogitScale, (float)(config.Find("logits_scaling")?.Number(1e-9, 1e9) ?? 1));
        if (CommonConfig.Flag(config, "attention_bias"))
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        SetScan(config, keys, attention);
        if (config.Find("num_local_experts")?.Integer(0, 1 << 16) == 0)
        {
            keys.Set(ModelKeys.FeedForwardLength,
                CommonConfig.Width(config, "shared_intermediate_size")); // the shared expert is all there is
        }
        else
        {
            ExpertConfig.Set(config, keys, new ExpertConfig { Counts = ["num_local_experts"], Length = "intermediate_size" });
            keys.Set(ModelKeys.SharedExpertLength, CommonConfig.Width(config, "shared_intermediate_size"));
            keys.Set(TensorRole.SharedGate);
        }
        CommonConfig.SetHead(config, keys);
        return keys;
    }

    private static void SetScan(JsonPart config, ModelKeys keys, AttentionConfig attention)
    {
        int layers = keys.Size(ModelKeys.BlockCount);
        bool[] recurrent = config.Find("layer_types") is { } types
            ? RecurrentSizes.Layers(types, layers, "mamba", "attention") : [.. Enumerable.Repeat(true, layers)];
        keys.Set(ModelKeys.KeyValueHeadCount, recurrent.Select(isRecurrent => isRecurrent ? 0 : attention.KeyValueHeads));
        long heads = config.Require("mamba_n_heads").Integer(1, 1 << 16), groups = config.Find("mamba_n_groups")?.Integer(1, heads) ?? 1;
        long width = (config.Find("mamba_expand")?.Integer(1, 64) ?? 2) * keys.Size(ModelKeys.EmbeddingLength);
        if (width > ModelKeys.MaximumWidth || width % heads != 0)
            throw config.Require("mamba_n_heads").Error($"is {heads}, which {width} channels can't be divided by");
        if (config.Find("mamba_d_head") is { } given
            && !(given.Element.ValueKind == System.Text.Json.JsonValueKind.String && given.Text() == "auto")
            && given.Integer(1, width) * heads != width)
            throw given.Error($"times mamba_n_heads {heads} is not {width}");
        if (groups != 1) throw config.Require("mamba_n_groups").Error("is not 1, which does not run in this version");
        keys.Set(ModelKeys.ConvolutionTaps, (int)(config.Find("mamba_d_conv")?.Integer(1, RecurrentSizes.MostTaps) ?? 4));
        keys.Set(ModelKeys.StateSize, (int)config.Require("mamba_d_state").Integer(1, 1 << 14));
        keys.Set(ModelKeys.GroupCount, (int)groups);
        keys.Set(ModelKeys.InnerSize, (int)width);
        keys.Set(ModelKeys.TimeStepRank, (int)heads);
        if (config.Find("mamba_conv_bias")?.Flag() ?? true) keys.Set(TensorRole.RecurrenceConvolutionBias);
    }
}
