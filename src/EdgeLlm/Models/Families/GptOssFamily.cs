using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// gpt-oss: windows in every other layer, a score of each head that is not a key's, experts with biases and a clamped SwiGLU.
/// </summary>
internal static class GptOssFamily
{
    private const int Interval = 2; // of the layers without a window
    private const float Factor = 1.702f, Limit = 7f;

    public static Family GptOss { get; } = new()
    {
        Architecture = "gpt-oss",
        ModelType = "gpt_oss",
        ModelClass = "GptOssForCausalLM",
        OtherNames = MoeFamilies.Mixtral.OtherNames,
        Prefix = "model.",
        MakeSpec = MakeSpec,
        ReadConfig = ReadConfig,
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.Router] = new("model.layers.{}.mlp.router.weight"),
            [TensorRole.RouterBias] = new("model.layers.{}.mlp.router.bias"),
            [TensorRole.GateExperts] = new("model.layers.{}.mlp.experts.gate_up_proj", FolderForm.EvenRows),
            [TensorRole.UpExperts] = new("model.layers.{}.mlp.experts.gate_up_proj", FolderForm.OddRows),
            [TensorRole.DownExperts] = new("model.layers.{}.mlp.experts.down_proj"),
            [TensorRole.GateExpertsBias] = new("model.layers.{}.mlp.experts.gate_up_proj_bias", FolderForm.EvenRows),
            [TensorRole.UpExpertsBias] = new("model.layers.{}.mlp.experts.gate_up_proj_bias", FolderForm.OddRows),
            [TensorRole.DownExpertsBias] = new("model.layers.{}.mlp.experts.down_proj_bias"),
        },
    };

    private static ModelSpec MakeSpec(ModelKeys keys)
    {
        var norm = new NormSpec(keys.Number(ModelKeys.RmsEpsilon));
        int window = keys.SizeOr(ModelKeys.SlidingWindow, 0);
        RopeSpec? rope = null;
        return CommonKeys.Decoder(keys, norm, Layer);

        LayerSpec Layer(int l)
        {
            AttentionSpec attention = CommonKeys.Attention(keys, l);
            // The family's range is not rounded, and its files have no key for it.
            rope ??= CommonKeys.Rope(keys, attention.Dimension, isSplit: true) with { IsRangeWhole = keys.Flag(ModelKeys.YarnIsTruncated) };
            ExpertsSpec experts = ExpertKeys.Read(keys, l, RouterScore.Softmax, isNormalized: true)
                ?? throw keys.Error(ModelKeys.ExpertCount, "is missing or 0: this architecture has experts");
            return new LayerSpec
            {
                AttentionNorm = norm,
                Attention = attention with
                {
                    Rope = rope,
                    HasSinks = true,
                    Window = window > 0 && keys.HasWindow(l, Interval) ? window : 0
                },
                FeedForwardNorm = norm,
                FeedForwardNormRole = TensorRole.PostAttentionNorm,
                FeedForward = CommonKeys.FeedForward(keys, l),
                Experts = experts with { ClampFactor = Factor, ClampLimit = Limit },
            };
        }
    }

    private static ModelKeys ReadConfig(JsonPart config)
    {
        config.Require("head_dim"); // where these are missing the reference takes numbers of one particular model
        config.Require("num_key_value_heads");
        if (config.Find("swiglu_alpha") is { } alpha && (float)alpha.Number(0, 1e6) != Factor)
            throw alpha.Error($"is not {Factor}, which does not run in this version");
        if (config.Find("swiglu_limit") is { } limit && (float)limit.Number(0, 1e6) != Limit)
            throw limit.Error($"is not {Limit}, which does not run in this version");
        ModelKeys keys = CommonConfig.Decoder(config, "gpt-oss", out AttentionConfig attention, out int context,
            given: new ConfigNames { Activation = "", Quantization = "mxfp4" });
        CommonConfig.SetEpsilon(config, "rms_norm_eps", ModelKeys.RmsEpsilon, 1e-5, keys);
        if (RopeConfig.Parameters(config) is not { } rope) throw config.Require("rope_parameters").Error("is missing");
        RopeConfig.Read(config, keys, attention.Dimension, context, fallback: 150_000);
        if (rope.Find("rope_type") is { } type && type.Text() == "yarn")
            keys.Set(ModelKeys.YarnIsTruncated, rope.Find("truncate")?.Flag() ?? true);
        int layers = keys.Size(ModelKeys.BlockCount);
        bool[] windows = CommonConfig.Windows(config, layers) ?? [.. Enumerable.Range(0, layers).Select(l => l % Interval == 0)];
        if (windows.Contains(true)) CommonConfig.SetWindows(config.Require("sliding_window"), windows, Interval, keys);
        ExpertConfig.Set(config, keys, new ExpertConfig { Counts = ["num_local_experts"], Length = "intermediate_size" });
        keys.Set(ModelKeys.ExpertFeedForwardLength, CommonConfig.Width(config, "intermediate_size"));
        if (config.Find("attention_bias")?.Flag() ?? true)
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias);
        keys.Set(TensorRole.RouterBias, TensorRole.GateExpertsBias);
        CommonConfig.RefuseFlag(config, "tie_word_embeddings"); // the reference ties a head that is there, too, of this family alone
        CommonConfig.SetHead(config, keys);
        return keys;
    }
}
