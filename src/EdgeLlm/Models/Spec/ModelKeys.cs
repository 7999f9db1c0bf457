using System.Globalization;
using EdgeLlm.Gguf;

namespace EdgeLlm.Models.Spec;

/// <summary>A key of the table in <see cref="ModelKeys"/>: its name after the architecture's, and the range of its number.</summary>
internal sealed record ModelKey(string Name, double Least = 0, double Most = ModelKeys.MaximumWidth)
{
    /// <summary>Whether it may be an array with a number for each layer.</summary>
    public bool IsPerLayer { get; init; }

    /// <summary>Whether its name is whole, without the architecture's.</summary>
    public bool IsGlobal { get; init; }
}

/// <summary>
/// The keys that describe a model, as GGUF names them (ggml's docs/gguf.md; each after the architecture's name and a dot). They are read
/// from a GGUF file, or set from a config.json and written into one: a family makes its spec of them in both cases.
/// </summary>
internal sealed class ModelKeys
{
    public const int MaximumLayers = 1000;

    // Widths, heads and vocabulary: products of two of them and a layer count fit a long, and a width times a chunk of 16 tokens an int.
    public const int MaximumWidth = 1 << 24;

    // With the blocks of tokens that a pass has, heads are the chunks of one job of the worker pool, which counts up to 2^22.
    private const int MaximumHeads = 1 << 16;

    private const int MaximumLength = 1 << 28;

    public static readonly ModelKey
        VocabularySize = new("vocab_size", 1),
        ContextLength = new("context_length", 1, int.MaxValue),
        EmbeddingLength = new("embedding_length", 1),
        BlockCount = new("block_count", 1, MaximumLayers),
        FeedForwardLength = new("feed_forward_length", 1) { IsPerLayer = true },
        HeadCount = new("attention.head_count", 1, MaximumHeads) { IsPerLayer = true },
        KeyValueHeadCount = new("attention.head_count_kv", 0, MaximumHeads) { IsPerLayer = true },
        KeyLength = new("attention.key_length", 1),
        ValueLength = new("attention.value_length", 1),
        SlidingWindow = new("attention.sliding_window", 0, MaximumLength) { IsPerLayer = true },
        RmsEpsilon = new("attention.layer_norm_rms_epsilon", 0, float.MaxValue),
        NormEpsilon = new("attention.layer_norm_epsilon", 0, float.MaxValue),
        ParallelResidual = new("use_parallel_residual"),
        EmbeddingScale = new("embedding_scale", 0, float.MaxValue),
        ResidualScale = new("residual_scale", 0, float.MaxValue),
        LogitScale = new("logit_scale", 0, float.MaxValue),
        LogitCap = new("final_logit_softcapping", 0, float.MaxValue),
        ScoreCap = new("attn_logit_softcapping", 0, float.MaxValue),
        ScoreScale = new("attention.scale", 0, float.MaxValue),
        Clip = new("attention.clamp_kqv", 0, float.MaxValue),
        MaxAlibiBias = new("attention.max_alibi_bias", 0, 64),
        QueryGrowth = new("attention.temperature_scale", 0, float.MaxValue),
        SlidingWindowPattern = new("attention.sliding_window_pattern", 0, MaximumLayers) { IsPerLayer = true },
        Activation = new("hidden_activation"),
        IsCausal = new("attention.causal"),
        LabelCount = new("classifier.label_count", 1), // ours, of folders; files' tensors tell
        IsNormalized = new("edgellm.embedding.normalize") { IsGlobal = true }, // ours: vectors of texts are divided by their lengths
        PoolingType = new("pooling_type", 0, 4),
        MostTextTokens = new("edgellm.embedding.max_tokens", 1, MaximumLength)
        {
            IsGlobal =
            true
        }, // ours: the longest text that an encoder was tuned on
        PromptNames = new("edgellm.embedding.prompt_names") { IsGlobal = true }, // ours: what goes before texts of a kind
        Prompts = new("edgellm.embedding.prompts") { IsGlobal = true },
        DefaultPrompt = new("edgellm.embedding.default_prompt") { IsGlobal = true },
        FirstDenseInputs = new("dense_2_feat_in", 1), // sentence-transformers' modules 2_Dense and 3_Dense
        FirstDenseOutputs = new("dense_2_feat_out", 1),
        SecondDenseInputs = new("dense_3_feat_in", 1),
        SecondDenseOutputs = new("dense_3_feat_out", 1),
        TokenTypeCount = new("tokenizer.ggml.token_type_count", 1) { IsGlobal = true },
        RopeDimension = new("rope.dimension_count", 0) { IsPerLayer = true },
        RopeBaseOfWindows = new("rope.freq_base_swa", 1e-6, 1e30), // of the layers with a window
        RopeInHalves =
            // of folders that are run as they are: pairs are (i, i + d / 2), whatever a GGUF file of the architecture has
            new("rope.in_halves"),
        RopeBase = new("rope.freq_base", 1e-6, 1e30),
        ExpertCount = new("expert_count", 0, MaximumHeads),
        ExpertUsedCount = new("expert_used_count", 0, MaximumHeads),
        ExpertFeedForwardLength = new("expert_feed_forward_length", 0) { IsPerLayer = true },
        SharedExpertLength = new("expert_shared_feed_forward_length", 0),
        ExpertGating = new("expert_gating_func", 0, 100),
        ExpertWeightsNorm = new("expert_weights_norm"),
        ExpertWeightsScale = new("expert_weights_scale", 0, float.MaxValue),
        LeadingDenseBlocks = new("leading_dense_block_count", 0, MaximumLayers),
        ConvolutionTaps = new("ssm.conv_kernel", 1, 64),
        StateSize = new("ssm.state_size", 1, 1 << 14),
        GroupCount = new("ssm.group_count", 1, MaximumHeads),
        TimeStepRank = new("ssm.time_step_rank", 1, MaximumHeads),
        InnerSize = new("ssm.inner_size", 1),
        RecurrentLayers = new("attention.recurrent_layers"),
        FullAttentionInterval = new("full_attention_interval", 1, MaximumLayers),
        ShortConvolutionTaps = new("shortconv.l_cache", 1, 64),
        SharedKeyValueLayers = new("attention.shared_kv_layers", 0, MaximumLayers),
        PerLayerWidth = new("embedding_length_per_layer_input", 0, 1 << 14),
        WindowKeyLength = new("attention.key_length_swa", 0, 1 << 14), // of the layers with a window, as the next two
        WindowValueLength = new("attention.value_length_swa", 0, 1 << 14),
        WindowRopeDimension = new("rope.dimension_count_swa", 0, 1 << 14),
        RopeFinetuned = new("rope.scaling.finetuned"),
        RopeSections = new("rope.dimension_sections"),
        RopeScaleLinear = new("rope.scale_linear", 0, 100_000), // what the oldest files have instead of the next two
        RopeScaling = new("rope.scaling.type"),
        RopeFactor = new("rope.scaling.factor", 0, 100_000),
        RopeOriginalLength = new("rope.scaling.original_context_length", 0, MaximumLength),
        YarnBetaFast = new("rope.scaling.yarn_beta_fast", 0, float.MaxValue),
        YarnBetaSlow = new("rope.scaling.yarn_beta_slow", 0, float.MaxValue),
        YarnIsTruncated =
            new("rope.scaling.yarn_truncate"), // ours: whether the range between the two is rounded to whole pairs; absent: it is
        YarnLogMultiplier = new("rope.scaling.yarn_log_multiplier", 0, float.MaxValue),
        RopeAttentionFactor = new("rope.scaling.attn_factor", 0, float.MaxValue);

    private readonly string _path;
    private readonly GgufMetadata _data;
    private readonly OrderedDictionary<string, GgufValue> _set = [];
    private readonly HashSet<TensorRole> _tensors = [];
    private readonly HashSet<string> _read = [];
    private readonly GgufFile? _file;

    /// <summary>The keys of a file.</summary>
    public ModelKeys(GgufFile file, string architecture) =>
        (_file, _path, _data, Architecture) = (file, file.Path, file.Metadata, architecture);

    /// <summary>No keys yet, for the model in a folder.</summary>
    /// <param name="path">What errors name.</param>
    public ModelKeys(string path, string architecture) => (_path, _data, Architecture) = (path, new GgufMetadata(path, _set), architecture);

    public string Architecture { get; }

    /// <summary>Names of the keys that were asked for, with the architecture's; what a file has beside them was not understood.</summary>
    public IReadOnlySet<string> Read => _read;

    /// <summary>[pairs] divisors of rotary frequencies (the tensor rope_freqs.weight), or empty.</summary>
    public IReadOnlyList<float> RopeDivisors { get; set; } = [];

    /// <summary>[pairs] divisors for short and for long contexts (rope_factors_short.weight, rope_factors_long.weight), or empty.</summary>
    public (IReadOnlyList<float> Short, IReadOnlyList<float> Long) RopeFactors { get; set; } = ([], []);

    /// <summary>Rows of a folder's table of positions that are before the first position's, and that no file has.</summary>
    public int SkippedPositions { get; set; }

    /// <summary>The tables of rotary positions that a file has as tensors.</summary>
    public IEnumerable<(TensorRole Role, IReadOnlyList<float> Numbers)> RopeTables =>
        new[] { (TensorRole.RopeDivisors, RopeDivisors), (TensorRole.RopeShortDivisors, RopeFactors.Short),
            (TensorRole.RopeLongDivisors, RopeFactors.Long) }.Where(table => table.Item2.Count > 0);

    public void Set(ModelKey key, int size) => _set[NameOf(key)] = GgufValue.Of((uint)size);

    public void Set(ModelKey key, float number) => _set[NameOf(key)] = GgufValue.Of(number);

    /// <summary>A number for each layer.</summary>
    public void Set(ModelKey key, IEnumerable<int> sizes) => _set[NameOf(key)] = GgufValue.OfArray<int>([.. sizes]);

    /// <summary>A flag for each layer.</summary>
    public void Set(ModelKey key, IEnumerable<bool> flags) => _set[NameOf(key)] = GgufValue.OfArray<bool>([.. flags]);

    public void Set(ModelKey key, bool flag) => _set[NameOf(key)] = GgufValue.Of(flag);

    public void Set(ModelKey key, string text) => _set[NameOf(key)] = GgufValue.Of(text);

    /// <summary>Texts.</summary>
    public void Set(ModelKey key, IEnumerable<string> texts) => _set[NameOf(key)] = GgufValue.OfArray([.. texts]);

    /// <summary>Says that the model has an optional tensor, in every layer where it is a layer's.</summary>
    public void Set(params IEnumerable<TensorRole> tensors) => _tensors.UnionWith(tensors);

    /// <summary>The keys that were set, by their names with the architecture's.</summary>
    public IEnumerable<KeyValuePair<string, GgufValue>> Values => _set;

    public bool Has(ModelKey key)
    {
        _read.Add(NameOf(key));
        return _data.Contains(NameOf(key));
    }

    /// <summary>Whether the model has an optional tensor.</summary>
    public bool Has(TensorRole tensor, int layer = 0) =>
        _file is null ? _tensors.Contains(tensor) : _file.FindTensor(TensorTable.Get(tensor).NameIn(layer)) is not null;

    /// <summary>A whole number. Where a file has one per layer, this layer's; of keys that are the model's all have to be equal.</summary>
    /// <exception cref="GgufException">It is missing or not a number.</exception>
    /// <exception cref="ModelException">It is out of range.</exception>
    public int Size(ModelKey key, int layer = 0)
    {
        string name = NameOf(key);
        _read.Add(name);
        int number = _data.TryGet(name, out GgufValue? value) && value.Type == GgufValueType.Array
            ? OfLayer(key, value.Count, layer) : _data.GetInt32(name);
        return number >= key.Least && number <= key.Most ? number : throw OutOfRange(key, number);
    }

    /// <summary>Whether there is a number for each layer.</summary>
    public bool IsPerLayer(ModelKey key) =>
        Has(key) && _data.TryGet(NameOf(key), out GgufValue? value) && value.Type == GgufValueType.Array;

    public int SizeOr(ModelKey key, int fallback, int layer = 0) => Has(key) ? Size(key, layer) : fallback;

    /// <exception cref="GgufException">It is missing or not a number.</exception>
    /// <exception cref="ModelException">It is out of range.</exception>
    public float Number(ModelKey key)
    {
        _read.Add(NameOf(key));
        float number = _data.GetFloat(NameOf(key));
        return number >= key.Least && number <= key.Most ? number : throw OutOfRange(key, number);
    }

    /// <summary>
    /// Whether a layer has a window, by sliding_window_pattern: a flag for each layer, or the distance between layers without one. Where a
    /// file has neither, every <paramref name="interval"/>th layer has none.
    /// </summary>
    /// <param name="isFirstWhole">Of each interval the first layer has none, instead of the last.</param>
    public bool HasWindow(int layer, int interval, bool isFirstWhole = false)
    {
        if (!Has(SlidingWindowPattern)) return InPattern(interval);
        string name = NameOf(SlidingWindowPattern);
        if (!_data.TryGet(name, out GgufValue? value) || value.Type != GgufValueType.Array)
            return Size(SlidingWindowPattern) is var given && (given == 0 || InPattern(given));
        if (value.Count != Size(BlockCount)) throw Error(SlidingWindowPattern, $"has {value.Count} flags instead of one for each layer");
        return _data.GetArray<int>(name)[layer] != 0;

        bool InPattern(int every) => isFirstWhole ? layer % every != 0 : layer % every < every - 1;
    }

    /// <summary>A flag for each layer, or null where there is no such key.</summary>
    public bool[]? Flags(ModelKey key)
    {
        if (!Has(key)) return null;
        bool[] flags = [.. _data.GetArray<int>(NameOf(key)).Select(flag => flag != 0)];
        return flags.Length == Size(BlockCount) ? flags : throw Error(key, $"has {flags.Length} flags instead of one for each layer");
    }

    public float NumberOr(ModelKey key, float fallback) => Has(key) ? Number(key) : fallback;

    public string TextOr(ModelKey key, string fallback) => Has(key) ? _data.GetString(NameOf(key)) : fallback;

    /// <summary>Texts; none where there is no such key.</summary>
    public string[] Texts(ModelKey key) =>
        Has(key) && _data.GetStringArray(NameOf(key)) is var texts ? [.. Enumerable.Range(0, texts.Count).Select(i => texts[i])] : [];

    public bool Flag(ModelKey key) => Has(key) && _data.GetBool(NameOf(key));

    /// <summary>Rows of the embedding.</summary>
    /// <exception cref="ModelException">There is no embedding, or it is too long.</exception>
    public int EmbeddingRows() => Rows(TensorRole.TokenEmbedding, VocabularySize);

    /// <summary>Rows of a matrix; in a folder as a key says.</summary>
    /// <exception cref="ModelException">There is no such tensor, or it is too long.</exception>
    public int Rows(TensorRole role, ModelKey key)
    {
        if (_file is null) return Size(key);
        _read.Add(NameOf(key));
        string name = TensorTable.Get(role).NameIn(0);
        long rows = (_file.FindTensor(name)
            ?? throw new ModelException(_path, $"has no tensor {name}: the file is incomplete or not a language model")).Rows;
        return rows <= MaximumWidth ? (int)rows : throw new ModelException(_path, $"tensor {name} has more than {MaximumWidth} rows");
    }

    /// <summary>An error about a key.</summary>
    public ModelException Error(ModelKey key, string problem) => new(_path, $"{NameOf(key)} {problem}");

    /// <summary>An error about the model.</summary>
    public ModelException Error(string problem) => new(_path, problem);

    private ModelException OutOfRange(ModelKey key, double number) =>
        Error(key, string.Create(CultureInfo.InvariantCulture, $"is {number}; it must be {key.Least} to {key.Most}"));

    private int OfLayer(ModelKey key, long count, int layer)
    {
        // Some converters write a number per layer of everything.
        if (key == BlockCount || count != Size(BlockCount)) throw Error(key, $"has {count} numbers instead of one, or one for each layer");
        int[] numbers = _data.GetArray<int>(NameOf(key));
        if (!key.IsPerLayer && numbers.Any(number => number != numbers[0]))
            throw Error(key, "differs between layers, which this architecture can't have");
        return numbers[layer];
    }

    /// <summary>The name of a key with the architecture's.</summary>
    public string NameOf(ModelKey key) => key.IsGlobal ? key.Name : $"{Architecture}.{key.Name}";
}
