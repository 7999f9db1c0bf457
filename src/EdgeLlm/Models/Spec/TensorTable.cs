using System.Globalization;

namespace EdgeLlm.Models.Spec;

/// <summary>Roles of tensors in a model.</summary>
internal enum TensorRole
{
    RopeDivisors, RopeShortDivisors, RopeLongDivisors, TokenEmbedding, PositionEmbedding, TokenTypes, EmbeddingNorm, EmbeddingNormBias,
    OutputNorm, Output, OutputBias,
    AttentionNorm, AttentionNormBias, SecondNorm, SecondNormBias, FeedForwardNormBias, OutputNormBias, QueryKeyValue,
    QueryKeyValueBias, QueryNorm, KeyNorm,
    PostAttentionNorm, PostFeedForwardNorm, Query, Key, Value, QueryBias, KeyBias, ValueBias, AttentionOutput, AttentionOutputBias,
    FeedForwardNorm, Gate, Up, GateBias, UpBias, Down, DownBias, Sinks,
    ConvolutionInput, ConvolutionInputBias, ShortConvolution, ShortConvolutionBias, ConvolutionOutput, ConvolutionOutputBias,
    RecurrenceGate, RecurrenceStep, RecurrenceShare, RecurrenceConvolution, RecurrenceConvolutionBias, RecurrenceOffset, RecurrenceRate,
    RecurrenceNorm, RecurrenceOutput,
    ScanInput, ScanSkip,
    PerLayerEmbedding, PerLayerProjection, PerLayerProjectionNorm, PerLayerGate, PerLayerOutput, PerLayerNorm, LayerScale,
    Router, RouterBias, ChoiceBias, GateExperts, GateExpertsBias, UpExperts, UpExpertsBias, DownExperts, DownExpertsBias, SharedExpertGate,
    SharedGate, SharedUp, SharedDown,
    AddedAttentionNorm, AddedAttentionNormBias, AddedFeedForwardNorm, AddedFeedForwardNormBias, Pooler, PoolerBias,
    Classifier, ClassifierBias,
    FirstDense, SecondDense,
}

/// <summary>A row of <see cref="TensorTable"/>.</summary>
/// <param name="Gguf">GGUF's name (llama.cpp's gguf-py/gguf/constants.py); `{}` is the number of the layer.</param>
/// <param name="HuggingFace">The name in a folder; "" where folders have none.</param>
/// <param name="Rows">Rows of a matrix; null: a vector.</param>
/// <param name="Columns">The length of a row, or of the vector.</param>
internal sealed record TensorEntry(TensorRole Role, string Gguf, string HuggingFace, Func<ModelSpec, LayerSpec, int>? Rows,
    Func<ModelSpec, LayerSpec, int> Columns)
{
    /// <summary>Whether a model has it; null: always.</summary>
    public Func<ModelSpec, LayerSpec, bool>? When { get; init; }

    /// <summary>
    /// Of what makes queries or keys: the number of heads. transformers rotates number i of a head with number i + dimension / 2, ggml's
    /// llama with its neighbour, so the rows of each head are put in the order 0, d/2, 1, d/2 + 1, ...
    /// </summary>
    public Func<AttentionSpec, int>? RotatedHeads { get; init; }

    /// <summary>Matrices of a stack, one after the other; null: one.</summary>
    public Func<LayerSpec, int>? Experts { get; init; }

    /// <summary>Whether its numbers are floats in every file: a small matrix that is never quantized.</summary>
    public bool IsFloat { get; init; }

    /// <summary>Whether of each token one row is read, and of the others nothing: it stays on disk.</summary>
    public bool IsLookedUp { get; init; }

    /// <summary>
    /// Whether it is a table of rotary positions, which the spec has the numbers of: no step binds it, and no folder has it.
    /// </summary>
    public bool IsRopeTable => Role is TensorRole.RopeDivisors or TensorRole.RopeShortDivisors or TensorRole.RopeLongDivisors;

    /// <summary>Whether there is one in every layer.</summary>
    public bool IsOfLayer => Gguf.StartsWith("blk.", StringComparison.Ordinal);

    /// <summary>Whether it multiplies activations.</summary>
    public bool IsMatrix => Rows is not null;

    /// <summary>GGUF's name.</summary>
    public string NameIn(int layer) => InLayer(Gguf, layer);

    /// <summary>A name with the number of the layer.</summary>
    public static string InLayer(string name, int layer) =>
        name.Replace("{}", layer.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}

/// <summary>A tensor of a model, its place and shape.</summary>
/// <param name="Rows">Rows of a matrix, or of all matrices of a stack; 1 of a vector.</param>
/// <param name="Columns">The length of a row, or of the vector.</param>
internal sealed record TensorUse(TensorEntry Entry, int Layer, int Rows, int Columns)
{
    /// <summary>Matrices of a stack; 1 where it is none.</summary>
    public int Experts { get; init; } = 1;

    public TensorRole Role => Entry.Role;

    /// <summary>GGUF's name.</summary>
    public string Name => Entry.NameIn(Layer);
}

/// <summary>
/// All tensors that a model may have, in the order in which a forward pass uses them, so that it reads a file from front to back; what runs
/// as one operation is side by side.
/// </summary>
internal static class TensorTable
{
    public const string Embedding = "token_embd.weight";
    public const string Head = "output.weight";

    private static readonly TensorEntry[] Entries =
    [
        new(TensorRole.RopeDivisors, "rope_freqs.weight", "", null, (m, _) => FirstRope(m)!.Dimension / 2) { When =
            (m, _) => FirstRope(m) is { Divisors.Count: > 0 } },
        new(TensorRole.RopeLongDivisors, "rope_factors_long.weight", "", null, (m, _) => FirstRope(m)!.Dimension / 2)
            { When = (m, _) => FirstRope(m) is { LongDivisors.Count: > 0 } },
        new(TensorRole.RopeShortDivisors, "rope_factors_short.weight", "", null, (m, _) => FirstRope(m)!.Dimension / 2)
            { When = (m, _) => FirstRope(m) is { ShortDivisors.Count: > 0 } },
        new(TensorRole.TokenEmbedding, Embedding, "model.embed_tokens.weight", (m, _) => m.VocabularySize, (m, _) => m.Width),
        new(TensorRole.PositionEmbedding, "position_embd.weight", "", (m, _) => m.Positions!.Rows, (m, _) => m.Width) { When =
            (m, _) => m.Positions is not null },
        new(TensorRole.TokenTypes, "token_types.weight", "", (m, _) => m.TokenTypes, (m, _) => m.Width) { When =
            (m, _) => m.TokenTypes > 0 },
        new(TensorRole.EmbeddingNorm, "token_embd_norm.weight", "", null, (m, _) => m.Width) { When = (m, _) => m.EmbeddingNorm is not null
            || m.OutputNormRole == TensorRole.EmbeddingNorm },
        new(TensorRole.EmbeddingNormBias, "token_embd_norm.bias", "", null, (m, _) => m.Width) { When =
            (m, _) => m.EmbeddingNorm is { HasBias: true } },
        new(TensorRole.PerLayerProjection, "per_layer_model_proj.weight", "model.per_layer_model_projection.weight",
            (m, _) => m.PerLayer!.Width * m.Layers.Count, (m, _) => m.Width) { When = HasPerLayer },
        new(TensorRole.PerLayerProjectionNorm, "per_layer_proj_norm.weight", "model.per_layer_projection_norm.weight", null,
            (m, _) => m.PerLayer!.Width) { When = HasPerLayer },
        new(TensorRole.PerLayerEmbedding, "per_layer_token_embd.weight", "model.embed_tokens_per_layer.weight", (m, _) => m.VocabularySize,
            (m, _) => m.PerLayer!.Width * m.Layers.Count) { When = HasPerLayer, IsLookedUp = true },
        new(TensorRole.AttentionNorm, "blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l.AttentionNorm is not null },
        new(TensorRole.AttentionNormBias, "blk.{}.attn_norm.bias", "model.layers.{}.input_layernorm.bias", null, (m, _) => m.Width)
            { When = (_, l) => l.AttentionNorm is { HasBias: true } },
        new(TensorRole.SecondNorm, "blk.{}.attn_norm_2.weight", "", null, (m, _) => m.Width) { When = (_, l) => l.HasSecondNorm },
        new(TensorRole.SecondNormBias, "blk.{}.attn_norm_2.bias", "", null, (m, _) => m.Width) { When =
            (_, l) => l is { HasSecondNorm: true, AttentionNorm.HasBias: true } },
        new(TensorRole.QueryKeyValue, "blk.{}.attn_qkv.weight", "",
            (_, l) => l.Recurrence is GatedDeltaSpec delta ? delta.Channels : l.Attention.FusedWidth, (m, _) => m.Width)
            { When = (_, l) => l.Attention.IsFused || l.Recurrence is GatedDeltaSpec },
        new(TensorRole.QueryKeyValueBias, "blk.{}.attn_qkv.bias", "", null, (_, l) => l.Attention.FusedWidth)
            { When = (_, l) => l.Attention is { IsFused: true, HasFusedBias: true } },
        new(TensorRole.Query, "blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight", (_, l) => l.Attention.QueryRows,
            (m, _) => m.Width) { When = Separate, RotatedHeads = a => InPairs(a, a.Heads) },
        new(TensorRole.Key, "blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight", (_, l) => l.Attention.KeyValueWidth,
            (m, _) => m.Width) { When = HasOwnKeys, RotatedHeads = a => InPairs(a, a.KeyValueHeads) },
        new(TensorRole.Value, "blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight", (_, l) => l.Attention.KeyValueWidth,
            (m, _) => m.Width) { When = HasOwnKeys },
        new(TensorRole.QueryBias, "blk.{}.attn_q.bias", "model.layers.{}.self_attn.q_proj.bias", null, (_, l) => l.Attention.QueryWidth)
            { RotatedHeads = a => InPairs(a, a.Heads), When = (_, l) => l.Attention.HasQueryBias },
        new(TensorRole.KeyBias, "blk.{}.attn_k.bias", "model.layers.{}.self_attn.k_proj.bias", null, (_, l) => l.Attention.KeyValueWidth)
            { RotatedHeads = a => InPairs(a, a.KeyValueHeads), When = (_, l) => l.Attention.HasKeyBias },
        new(TensorRole.ValueBias, "blk.{}.attn_v.bias", "model.layers.{}.self_attn.v_proj.bias", null,
            (_, l) => l.Attention.KeyValueWidth) { When = (_, l) => l.Attention.HasValueBias },
        new(TensorRole.QueryNorm, "blk.{}.attn_q_norm.weight", "model.layers.{}.self_attn.q_norm.weight", null,
            (_, l) => l.Attention.QueryNormWidth)
            { When = (_, l) => l.Attention.HeadNorm is not null,
                RotatedHeads = a => a.IsHeadNormWide ? InPairs(a, a.Heads) : InPairs(a, 1) },
        new(TensorRole.KeyNorm, "blk.{}.attn_k_norm.weight", "model.layers.{}.self_attn.k_norm.weight", null,
            (_, l) => l.Attention.KeyNormWidth)
            { When = (_, l) => l.Attention is { HeadNorm: not null, Source: null },
                RotatedHeads = a => a.IsHeadNormWide ? InPairs(a, a.KeyValueHeads) : InPairs(a, 1) },
        new(TensorRole.ConvolutionInput, "blk.{}.shortconv.in_proj.weight", "", (_, l) => 3 * RecurrentWidth(l),
            (m, _) => m.Width) { When = IsShort },
        new(TensorRole.ConvolutionInputBias, "blk.{}.shortconv.in_proj.bias", "", null,
            (_, l) => 3 * RecurrentWidth(l)) { When = HasShortBias },
        new(TensorRole.ShortConvolution, "blk.{}.shortconv.conv.weight", "", (_, l) => RecurrentWidth(l),
            (_, l) => TapsOf(l)) { When = IsShort, IsFloat = true },
        new(TensorRole.ShortConvolutionBias, "blk.{}.shortconv.conv.bias", "", null, (_, l) => RecurrentWidth(l)) { When = HasShortBias },
        new(TensorRole.ConvolutionOutput, "blk.{}.shortconv.out_proj.weight", "", (m, _) => m.Width,
            (_, l) => RecurrentWidth(l)) { When = IsShort },
        new(TensorRole.ConvolutionOutputBias, "blk.{}.shortconv.out_proj.bias", "", null, (m, _) => m.Width) { When = HasShortBias },
        new(TensorRole.ScanInput, "blk.{}.ssm_in.weight", "", (_, l) => ((SelectiveScanSpec)l.Recurrence!).InputRows,
            (m, _) => m.Width) { When = IsScan },
        new(TensorRole.RecurrenceGate, "blk.{}.attn_gate.weight", "", (_, l) => RecurrentWidth(l), (m, _) => m.Width) { When = IsDelta },
        new(TensorRole.RecurrenceStep, "blk.{}.ssm_alpha.weight", "", (_, l) => HeadsOf(l), (m, _) => m.Width) { When = IsDelta },
        new(TensorRole.RecurrenceShare, "blk.{}.ssm_beta.weight", "", (_, l) => HeadsOf(l), (m, _) => m.Width) { When = IsDelta },
        new(TensorRole.RecurrenceConvolution, "blk.{}.ssm_conv1d.weight", "", (_, l) => ChannelsOf(l),
            (_, l) => TapsOf(l)) { When = IsDeltaOrScan, IsFloat = true },
        new(TensorRole.RecurrenceConvolutionBias, "blk.{}.ssm_conv1d.bias", "", null, (_, l) => ChannelsOf(l))
            { When = (_, l) => l.Recurrence is SelectiveScanSpec { HasConvolutionBias: true } },
        new(TensorRole.RecurrenceOffset, "blk.{}.ssm_dt.bias", "", null, (_, l) => HeadsOf(l)) { When = IsDeltaOrScan },
        new(TensorRole.RecurrenceRate, "blk.{}.ssm_a", "", null, (_, l) => HeadsOf(l)) { When = IsDeltaOrScan },
        new(TensorRole.ScanSkip, "blk.{}.ssm_d", "", null, (_, l) => HeadsOf(l)) { When = IsScan },
        new(TensorRole.RecurrenceNorm, "blk.{}.ssm_norm.weight", "", null,
            (_, l) => l.Recurrence is GatedDeltaSpec delta ? delta.ValueDimension : RecurrentWidth(l)) { When = IsDeltaOrScan },
        new(TensorRole.RecurrenceOutput, "blk.{}.ssm_out.weight", "", (m, _) => m.Width,
            (_, l) => RecurrentWidth(l)) { When = IsDeltaOrScan },
        new(TensorRole.Sinks, "blk.{}.attn_sinks.weight", "model.layers.{}.self_attn.sinks", null, (_, l) => l.Attention.Heads) { When =
            (_, l) => l.Attention.HasSinks },
        new(TensorRole.AttentionOutput, "blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight", (m, _) => m.Width,
            (_, l) => l.Attention.QueryWidth) { When = (_, l) => l.Attention.IsThere },
        new(TensorRole.AttentionOutputBias, "blk.{}.attn_output.bias", "model.layers.{}.self_attn.o_proj.bias", null,
            (m, _) => m.Width) { When = (_, l) => l.Attention.HasOutputBias },
        new(TensorRole.AddedAttentionNorm, "blk.{}.attn_output_norm.weight", "", null, (m, _) => m.Width) { When =
            (_, l) => l.AddedAttentionNorm is not null },
        new(TensorRole.AddedAttentionNormBias, "blk.{}.attn_output_norm.bias", "", null, (m, _) => m.Width) { When =
            (_, l) => l.AddedAttentionNorm is { HasBias: true } },
        new(TensorRole.PostAttentionNorm, "blk.{}.post_attention_norm.weight",
            "model.layers.{}.post_attention_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l.PostAttentionNorm is not null || l.FeedForwardNormRole == TensorRole.PostAttentionNorm },
        new(TensorRole.FeedForwardNorm, "blk.{}.ffn_norm.weight",
            "model.layers.{}.post_attention_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l is { FeedForwardNorm: not null, HasSecondNorm: false, FeedForwardNormRole: TensorRole.FeedForwardNorm } },
        new(TensorRole.FeedForwardNormBias, "blk.{}.ffn_norm.bias",
            "model.layers.{}.post_attention_layernorm.bias", null, (m, _) => m.Width)
            { When = (_, l) => l is { FeedForwardNorm.HasBias: true, HasSecondNorm: false } },
        new(TensorRole.Gate, "blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight", (_, l) => l.FeedForward.Width,
            (m, _) => m.Width) { When = (_, l) => l is { FeedForward.HasGate: true, Experts: null } },
        new(TensorRole.Up, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight", (_, l) => l.FeedForward.UpRows,
            (m, _) => m.Width) { When = (_, l) => l.Experts is null },
        new(TensorRole.GateBias, "blk.{}.ffn_gate.bias", "model.layers.{}.mlp.gate_proj.bias", null, (_, l) => l.FeedForward.Width) { When =
            (_, l) => l.FeedForward.HasGateBias },
        new(TensorRole.UpBias, "blk.{}.ffn_up.bias", "model.layers.{}.mlp.up_proj.bias", null, (_, l) => l.FeedForward.UpRows) { When =
            (_, l) => l.FeedForward.HasUpBias },
        new(TensorRole.Down, "blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight", (m, _) => m.Width,
            (_, l) => l.FeedForward.Width) { When = (_, l) => l.Experts is null },
        new(TensorRole.DownBias, "blk.{}.ffn_down.bias", "model.layers.{}.mlp.down_proj.bias", null, (m, _) => m.Width) { When =
            (_, l) => l.FeedForward.HasDownBias },
        new(TensorRole.Router, "blk.{}.ffn_gate_inp.weight", "model.layers.{}.mlp.gate.weight", (_, l) => CountOf(l),
            (m, _) => m.Width) { When = HasExperts, IsFloat = true },
        new(TensorRole.RouterBias, "blk.{}.ffn_gate_inp.bias", "model.layers.{}.mlp.gate.bias", null, (_, l) => CountOf(l)) { When =
            (_, l) => l.Experts is { HasRouterBias: true } },
        new(TensorRole.SharedExpertGate, "blk.{}.ffn_gate_inp_shexp.weight", "model.layers.{}.mlp.shared_expert_gate.weight",
            (_, _) => 1, (m, _) => m.Width)
            { When = (_, l) => l.Experts is { HasSharedGate: true }, IsFloat = true },
        new(TensorRole.ChoiceBias, "blk.{}.exp_probs_b.bias", "", null, (_, l) => CountOf(l)) { When =
            (_, l) => l.Experts is { HasChoiceBias: true } },
        new(TensorRole.GateExperts, "blk.{}.ffn_gate_exps.weight", "model.layers.{}.mlp.experts.{e}.gate_proj.weight",
            (_, l) => l.Experts!.Width, (m, _) => m.Width) { When = HasExperts, Experts = CountOf },
        new(TensorRole.GateExpertsBias, "blk.{}.ffn_gate_exps.bias", "", null,
            (_, l) => l.Experts!.Width) { When = HasExpertBiases, Experts = CountOf },
        new(TensorRole.UpExperts, "blk.{}.ffn_up_exps.weight", "model.layers.{}.mlp.experts.{e}.up_proj.weight", (_, l) => l.Experts!.Width,
            (m, _) => m.Width) { When = HasExperts, Experts = CountOf },
        new(TensorRole.UpExpertsBias, "blk.{}.ffn_up_exps.bias", "", null,
            (_, l) => l.Experts!.Width) { When = HasExpertBiases, Experts = CountOf },
        new(TensorRole.DownExperts, "blk.{}.ffn_down_exps.weight", "model.layers.{}.mlp.experts.{e}.down_proj.weight", (m, _) => m.Width,
            (_, l) => l.Experts!.Width) { When = HasExperts, Experts = CountOf },
        new(TensorRole.DownExpertsBias, "blk.{}.ffn_down_exps.bias", "", null,
            (m, _) => m.Width) { When = HasExpertBiases, Experts = CountOf },
        new(TensorRole.SharedGate, "blk.{}.ffn_gate_shexp.weight", "model.layers.{}.mlp.shared_expert.gate_proj.weight",
            (_, l) => l.Experts!.SharedWidth, (m, _) => m.Width) { When = HasShared },
        new(TensorRole.SharedUp, "blk.{}.ffn_up_shexp.weight", "model.layers.{}.mlp.shared_expert.up_proj.weight",
            (_, l) => l.Experts!.SharedWidth, (m, _) => m.Width) { When = HasShared },
        new(TensorRole.SharedDown, "blk.{}.ffn_down_shexp.weight", "model.layers.{}.mlp.shared_expert.down_proj.weight", (m, _) => m.Width,
            (_, l) => l.Experts!.SharedWidth) { When = HasShared },
        new(TensorRole.PostFeedForwardNorm, "blk.{}.post_ffw_norm.weight",
            "model.layers.{}.post_feedforward_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l.PostFeedForwardNorm is not null },
        new(TensorRole.PerLayerGate, "blk.{}.inp_gate.weight", "model.layers.{}.per_layer_input_gate.weight", (m, _) => m.PerLayer!.Width,
            (m, _) => m.Width) { When = HasPerLayer },
        new(TensorRole.PerLayerOutput, "blk.{}.proj.weight", "model.layers.{}.per_layer_projection.weight", (m, _) => m.Width,
            (m, _) => m.PerLayer!.Width) { When = HasPerLayer },
        new(TensorRole.PerLayerNorm, "blk.{}.post_norm.weight", "model.layers.{}.post_per_layer_input_norm.weight", null,
            (m, _) => m.Width) { When = HasPerLayer },
        new(TensorRole.LayerScale, "blk.{}.layer_output_scale.weight", "model.layers.{}.layer_scalar", null, (_, _) => 1) { When =
            (_, l) => l.HasOutputScale },
        new(TensorRole.AddedFeedForwardNorm, "blk.{}.layer_output_norm.weight", "", null, (m, _) => m.Width) { When =
            (_, l) => l.AddedFeedForwardNorm is not null },
        new(TensorRole.AddedFeedForwardNormBias, "blk.{}.layer_output_norm.bias", "", null, (m, _) => m.Width) { When =
            (_, l) => l.AddedFeedForwardNorm is { HasBias: true } },
        new(TensorRole.OutputNorm, "output_norm.weight", "model.norm.weight", null, (m, _) => m.Width) { When =
            (m, _) => m.OutputNorm is not null && m.OutputNormRole == TensorRole.OutputNorm },
        new(TensorRole.OutputNormBias, "output_norm.bias", "model.norm.bias", null, (m, _) => m.Width) { When =
            (m, _) => m.OutputNorm is { HasBias: true } },
        new(TensorRole.Output, Head, "lm_head.weight", (m, _) => m.VocabularySize, (m, _) => m.Width) { When =
            (m, _) => !m.IsTied && !m.IsEncoder },
        new(TensorRole.OutputBias, "output.bias", "lm_head.bias", null, (m, _) => m.VocabularySize) { When = (m, _) => m.HasHeadBias },
        new(TensorRole.FirstDense, "dense_2.weight", "dense_2.linear.weight", (m, _) => m.DenseWidths[0], (m, _) => m.Width) { When =
            (m, _) => m.DenseWidths.Count > 0 },
        new(TensorRole.SecondDense, "dense_3.weight", "dense_3.linear.weight", (m, _) => m.DenseWidths[1],
            (m, _) => m.DenseWidths[0]) { When = (m, _) => m.DenseWidths.Count > 1 },
        new(TensorRole.Pooler, "cls.weight", "", (m, _) => m.Width, (m, _) => m.Width) { When = (m, _) => m.Labels > 0 },
        new(TensorRole.PoolerBias, "cls.bias", "", null, (m, _) => m.Width) { When = (m, _) => m.Labels > 0 },
        new(TensorRole.Classifier, "cls.output.weight", "", (m, _) => m.Labels, (m, _) => m.Width) { When = (m, _) => m.Labels > 0 },
        new(TensorRole.ClassifierBias, "cls.output.bias", "", null, (m, _) => m.Labels) { When = (m, _) => m.Labels > 0 },
    ];

    private static readonly Dictionary<TensorRole, TensorEntry> ByRole = Entries.ToDictionary(entry => entry.Role);
    private static readonly Dictionary<string, TensorEntry> ByName = Entries.ToDictionary(entry => entry.Gguf);

    public static TensorEntry Get(TensorRole role) => ByRole[role];

    /// <summary>Heads whose rows move, as they are rotated in neighbours here and in halves in a folder.</summary>
    private static int InPairs(AttentionSpec attention, int heads) => attention.Rope is { IsSplit: false } ? heads : 0;

    private static bool Separate(ModelSpec model, LayerSpec layer) => layer.Attention is { IsThere: true, IsFused: false };

    /// <summary>The rotary positions that tables are of: those of the first layer without a window, where there is one.</summary>
    private static RopeSpec? FirstRope(ModelSpec model) =>
        model.Layers.OrderBy(layer => layer.Attention.Window > 0).Select(layer => layer.Attention.Rope)
            .FirstOrDefault(rope => rope is not null);

    private static bool IsShort(ModelSpec model, LayerSpec layer) => layer.Recurrence is ShortConvolutionSpec;

    private static bool HasShortBias(ModelSpec model, LayerSpec layer) => layer.Recurrence is ShortConvolutionSpec { HasBias: true };

    private static bool IsDelta(ModelSpec model, LayerSpec layer) => layer.Recurrence is GatedDeltaSpec;

    private static bool IsDeltaOrScan(ModelSpec model, LayerSpec layer) => layer.Recurrence is GatedDeltaSpec or SelectiveScanSpec;

    private static bool IsScan(ModelSpec model, LayerSpec layer) => layer.Recurrence is SelectiveScanSpec;

    private static int HeadsOf(LayerSpec layer) =>
        layer.Recurrence is GatedDeltaSpec delta ? delta.ValueHeads : ((SelectiveScanSpec)layer.Recurrence!).Heads;

    private static int ChannelsOf(LayerSpec layer) =>
        layer.Recurrence is GatedDeltaSpec delta ? delta.Channels : ((SelectiveScanSpec)layer.Recurrence!).Channels;

    private static int TapsOf(LayerSpec layer) => layer.Recurrence switch
    {
        GatedDeltaSpec delta => delta.Taps,
        SelectiveScanSpec scan => scan.Taps,
        _ => ((ShortConvolutionSpec)layer.Recurrence!).Taps,
    };

    private static int RecurrentWidth(LayerSpec layer) => layer.Recurrence switch
    {
        GatedDeltaSpec delta => delta.ValueWidth,
        SelectiveScanSpec scan => scan.Width,
        _ => ((ShortConvolutionSpec)layer.Recurrence!).Width,
    };

    private static bool HasPerLayer(ModelSpec model, LayerSpec layer) => model.PerLayer is not null;

    private static bool HasOwnKeys(ModelSpec model, LayerSpec layer) => layer.Attention is { IsThere: true, IsFused: false, Source: null };

    private static bool HasExperts(ModelSpec model, LayerSpec layer) => layer.Experts is not null;

    private static bool HasExpertBiases(ModelSpec model, LayerSpec layer) => layer.Experts is { HasBiases: true };

    private static bool HasShared(ModelSpec model, LayerSpec layer) => layer.Experts is { SharedWidth: > 0 };

    private static int CountOf(LayerSpec layer) => layer.Experts!.Count;

    /// <summary>GGUF's name of a tensor.</summary>
    public static string Name(TensorRole role, int layer = 0) => Get(role).NameIn(layer);

    /// <summary>A tensor as a step uses it.</summary>
    public static TensorUse Use(ModelSpec model, TensorRole role, int layer = 0)
    {
        TensorEntry entry = Get(role);
        LayerSpec spec = model.Layers[layer];
        int experts = entry.Experts?.Invoke(spec) ?? 1;
        return new TensorUse(entry, layer, checked(experts * (entry.Rows?.Invoke(model, spec) ?? 1)), entry.Columns(model, spec))
        {
            Experts = experts,
        };
    }

    /// <summary>Use of a tensor that not every model has, or null where this one has not.</summary>
    public static TensorUse? UseOptional(ModelSpec model, TensorRole role, int layer = 0) =>
        Get(role).When is { } when && !when(model, model.Layers[layer]) ? null : Use(model, role, layer);

    /// <summary>All tensors of a model, in the order of use.</summary>
    public static IEnumerable<TensorUse> Of(ModelSpec model)
    {
        TensorUse?[] first = [.. Entries.TakeWhile(entry => !entry.IsOfLayer).Select(entry => UseOptional(model, entry.Role))];
        IEnumerable<TensorUse?> layers = Enumerable.Range(0, model.Layers.Count)
            .SelectMany(l => Entries.Where(entry => entry.IsOfLayer).Select(entry => UseOptional(model, entry.Role, l)));
        IEnumerable<TensorUse?> last =
            Entries.SkipWhile(entry => !entry.IsOfLayer).Where(entry => !entry.IsOfLayer).Select(entry => UseOptional(model, entry.Role));
        return first.Concat(layers).Concat(last).OfType<TensorUse>();
    }

    /// <summary>The row of a tensor's name and its layer (0 where it is not a layer's), or null where the table has none.</summary>
    public static (TensorEntry Entry, int Layer)? Find(string name)
    {
        if (ByName.TryGetValue(name, out TensorEntry? entry)) return entry.IsOfLayer ? null : (entry, 0);
        return LayerOf(name) is { } layer && ByName.TryGetValue($"blk.{{}}.{name.Split('.', 3)[2]}", out entry) ? (entry, layer) : null;
    }

    /// <summary>Whether a tensor is a matrix of a layer, which multiplies activations.</summary>
    public static bool IsLayerMatrix(string name) =>
        Find(name) is var (entry, _) && entry is { IsMatrix: true, IsOfLayer: true, IsFloat: false };

    /// <summary>The layer that a tensor is of by its name, or null.</summary>
    public static int? LayerOf(string name) =>
        name.Split('.', 3) is ["blk", var number, _]
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) ? layer : null;

    /// <summary>Sorts tensors by use; what the table does not have comes last in its layer, or in the file, and keeps its order.</summary>
    /// <param name="isTied">The embedding is the head too: then it is read in full at the end.</param>
    public static (int Layer, int Place) Rank(string name, bool isTied)
    {
        if (Find(name) is not var (entry, layer)) return (LayerOf(name) ?? int.MaxValue, Entries.Length);
        int place = Array.IndexOf(Entries, entry);
        if (entry.IsOfLayer) return (layer, place);
        bool isLast = isTied && entry.Role == TensorRole.TokenEmbedding || place > Array.FindIndex(Entries, other => other.IsOfLayer);
        return isLast ? (int.MaxValue, isTied && entry.Role == TensorRole.TokenEmbedding ? Entries.Length - 1 : place) : (-1, place);
    }
}
