using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Parts of a spec that most families read from the same keys.</summary>
internal static class CommonKeys
{
    /// <summary>A decoder: its sizes, and the layers that a family makes one by one.</summary>
    public static ModelSpec Decoder(ModelKeys keys, NormSpec? outputNorm, Func<int, LayerSpec> layer) => new()
    {
        Architecture = keys.Architecture,
        ContextLength = keys.Size(ModelKeys.ContextLength),
        Width = keys.Size(ModelKeys.EmbeddingLength),
        VocabularySize = keys.EmbeddingRows(),
        Layers = [.. Enumerable.Range(0, keys.Size(ModelKeys.BlockCount)).Select(layer)],
        OutputNorm = outputNorm,
        IsTied = !keys.Has(TensorRole.Output),
    };

    /// <summary>An encoder of these layers: no head, and what is done with a text's pooled vector.</summary>
    public static ModelSpec Encoder(ModelKeys keys, ModelSpec layers)
    {
        if (keys.Flag(ModelKeys.IsCausal)) throw keys.Error(ModelKeys.IsCausal, "is true, which this architecture can't have here");
        var widths = new List<int>();
        foreach ((TensorRole role, ModelKey inputs, ModelKey outputs) in DenseKeys)
        {
            if (!keys.Has(role)) break;
            int width = widths.Count > 0 ? widths[^1] : layers.Width;
            if (keys.SizeOr(inputs, width) != width)
                throw keys.Error(inputs, $"is {keys.Size(inputs)}, and the vectors have {width} numbers");
            widths.Add(keys.Size(outputs));
        }
        return layers with
        {
            IsEncoder = true,
            IsTied = false,
            DenseWidths = widths,
            MostTextTokens = keys.SizeOr(ModelKeys.MostTextTokens, 0),
        };
    }

    /// <summary>The matrices after an encoder's pooling: tensor, columns, rows.</summary>
    public static IReadOnlyList<(TensorRole Role, ModelKey Inputs, ModelKey Outputs)> DenseKeys { get; } =
    [
        (TensorRole.FirstDense, ModelKeys.FirstDenseInputs, ModelKeys.FirstDenseOutputs),
        (TensorRole.SecondDense, ModelKeys.SecondDenseInputs, ModelKeys.SecondDenseOutputs),
    ];

    /// <summary>A layer norm, with a bias where the model has one.</summary>
    public static NormSpec LayerNorm(ModelKeys keys, TensorRole bias, int layer = 0) =>
        new(keys.Number(ModelKeys.NormEpsilon)) { IsCentered = true, HasBias = keys.Has(bias, layer) };

    /// <summary>Heads without positions or window, scaled by 1 / sqrt(dimension); biases where the model has them.</summary>
    public static AttentionSpec Attention(ModelKeys keys, int layer)
    {
        int heads = keys.Size(ModelKeys.HeadCount, layer), keyValueHeads = keys.SizeOr(ModelKeys.KeyValueHeadCount, heads, layer);
        int dimension = keys.SizeOr(ModelKeys.KeyLength, keys.Size(ModelKeys.EmbeddingLength) / heads);
        if (keyValueHeads == 0) throw keys.Error(ModelKeys.KeyValueHeadCount, "is 0 in a layer with attention");
        if (dimension == 0 || (long)heads * dimension > ModelKeys.MaximumWidth || (long)keyValueHeads * dimension > ModelKeys.MaximumWidth)
            throw keys.Error(ModelKeys.HeadCount,
                $"{heads} times a head's {dimension} numbers is more than {ModelKeys.MaximumWidth}, or nothing");
        if (heads % keyValueHeads != 0)
            throw keys.Error(ModelKeys.HeadCount, $"{heads} is not a multiple of head_count_kv {keyValueHeads}");
        if (keys.SizeOr(ModelKeys.ValueLength, dimension) != dimension)
            throw keys.Error(ModelKeys.ValueLength, $"differs from the keys' length {dimension}, which this architecture can't have");
        return new AttentionSpec
        {
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            Dimension = dimension,
            Scale = keys.NumberOr(ModelKeys.ScoreScale, 0) is > 0 and var scale ? scale : 1f / MathF.Sqrt(dimension),
            IsFused = keys.Has(TensorRole.QueryKeyValue, layer),
            HasFusedBias = keys.Has(TensorRole.QueryKeyValueBias, layer),
            HasQueryBias = keys.Has(TensorRole.QueryBias, layer),
            HasKeyBias = keys.Has(TensorRole.KeyBias, layer),
            HasValueBias = keys.Has(TensorRole.ValueBias, layer),
            HasOutputBias = keys.Has(TensorRole.AttentionOutputBias, layer),
        };
    }

    /// <summary>The feed-forward part; biases where the model has them.</summary>
    /// <param name="activation">The architecture's, where no key says otherwise.</param>
    public static FeedForwardSpec FeedForward(ModelKeys keys, int layer, Activation activation = Activation.Silu, bool isGated = true) =>
        new()
        {
            Width = keys.Size(ModelKeys.FeedForwardLength, layer),
            Activation = ActivationOf(keys, activation),
            IsGated = isGated,
            HasGateBias = keys.Has(TensorRole.GateBias, layer),
            HasUpBias = keys.Has(TensorRole.UpBias, layer),
            HasDownBias = keys.Has(TensorRole.DownBias, layer),
        };

    private static Activation ActivationOf(ModelKeys keys, Activation fallback)
    {
        if (keys.TextOr(ModelKeys.Activation, "") is not { Length: > 0 } name) return fallback;
        return ActivationNames.Find(name)
            ?? throw keys.Error(ModelKeys.Activation, $"'{Printable.Line(name)}' is not one that runs here ({ActivationNames.All})");
    }

    /// <summary>Rotary positions of a layer.</summary>
    /// <param name="headDimension">Numbers of a head: all of them turn where no key says otherwise.</param>
    /// <param name="isSplit">Whether heads of the architecture's files turn in halves.</param>
    public static RopeSpec Rope(ModelKeys keys, int headDimension, bool isSplit, int layer = 0)
    {
        int dimension = keys.SizeOr(ModelKeys.RopeDimension, headDimension, layer), original = keys.SizeOr(ModelKeys.RopeOriginalLength, 0);
        if (dimension > headDimension || dimension % 2 != 0)
            throw keys.Error(ModelKeys.RopeDimension, $"{dimension} is odd or more than a head's {headDimension} numbers");
        if (keys.RopeDivisors.Count > 0 && keys.RopeDivisors.Count != dimension / 2)
            throw keys.Error(ModelKeys.RopeDimension,
                $"{dimension} does not fit the {keys.RopeDivisors.Count} numbers of rope_freqs.weight");
        (IReadOnlyList<float> small, IReadOnlyList<float> large) = keys.RopeFactors;
        bool isLong = keys.RopeDivisors.Count == 0 && small.Count > 0 && large.Count > 0;
        if (isLong && (small.Count != dimension / 2 || large.Count != dimension / 2))
            throw keys.Error(ModelKeys.RopeDimension,
                $"{dimension} does not fit the {small.Count} and {large.Count} numbers of rope_factors_short.weight and "
                    + "rope_factors_long.weight");
        // Without a type the factor is linear's, as in llama.cpp; a factor of 0 is none.
        string scaling = keys.TextOr(ModelKeys.RopeScaling, "linear");
        float factor = keys.NumberOr(ModelKeys.RopeFactor, keys.NumberOr(ModelKeys.RopeScaleLinear, 0));
        if (factor == 0) factor = 1;
        if (factor < 0.001f) throw keys.Error(ModelKeys.RopeFactor, $"is {factor}; it must be 0.001 to 100000");
        return new RopeSpec
        {
            Dimension = dimension,
            IsSplit = isSplit || keys.Flag(ModelKeys.RopeInHalves),
            Base = keys.NumberOr(ModelKeys.RopeBase, 10_000f),
            Scaling = isLong ? RopeScaling.Long : scaling switch
            {
                "none" => RopeScaling.None,
                "linear" => RopeScaling.Linear,
                "yarn" => RopeScaling.Yarn,
                "ntk" => RopeScaling.Ntk,
                "dynamic" => RopeScaling.DynamicNtk,
                "longrope" => throw keys.Error(ModelKeys.RopeScaling,
                    "is longrope, but there are no tensors rope_factors_short.weight and rope_factors_long.weight"),
                _ => throw keys.Error(ModelKeys.RopeScaling, $"'{scaling}' is not one that runs here (none, linear, yarn, ntk, dynamic)"),
            },
            Factor = factor,
            TrainedLength = original > 0 ? original : keys.Size(ModelKeys.ContextLength),
            AttentionFactor = keys.NumberOr(ModelKeys.RopeAttentionFactor, 1f) / YarnMagnitude(keys, factor),
            BetaFast = keys.NumberOr(ModelKeys.YarnBetaFast, 32f),
            BetaSlow = keys.NumberOr(ModelKeys.YarnBetaSlow, 1f),
            IsRangeWhole = !keys.Has(ModelKeys.YarnIsTruncated) || keys.Flag(ModelKeys.YarnIsTruncated),
            Divisors = keys.RopeDivisors,
            ShortDivisors = isLong ? small : [],
            LongDivisors = isLong ? large : [],
        };
    }

    /// <summary>
    /// YaRN's magnitude of a logarithm's factor of its own, by which cosines and sines are divided; 1 where there is none.
    /// </summary>
    private static float YarnMagnitude(ModelKeys keys, float factor) =>
        keys.NumberOr(ModelKeys.YarnLogMultiplier, 0) is > 0 and var multiplier && factor > 1
            ? (float)(1 + 0.1 * multiplier * Math.Log(factor)) : 1f;
}
