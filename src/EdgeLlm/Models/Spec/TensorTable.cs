using System.Globalization;

namespace EdgeLlm.Models.Spec;

/// <summary>What a tensor does in a model.</summary>
internal enum TensorRole
{
    RopeDivisors, RopeShortDivisors, RopeLongDivisors, TokenEmbedding, PositionEmbedding, EmbeddingNorm, EmbeddingNormBias, OutputNorm, Output, OutputBias,
    AttentionNorm, AttentionNormBias, SecondNorm, SecondNormBias, FeedForwardNormBias, OutputNormBias, QueryKeyValue, QueryKeyValueBias, QueryNorm, KeyNorm,
    PostAttentionNorm, PostFeedForwardNorm, Query, Key, Value, QueryBias, KeyBias, ValueBias, AttentionOutput, AttentionOutputBias,
    FeedForwardNorm, Gate, Up, GateBias, UpBias, Down, DownBias,
}

/// <summary>A row of <see cref="TensorTable"/>.</summary>
/// <param name="Gguf">GGUF's name (llama.cpp's gguf-py/gguf/constants.py); `{}` is the number of the layer.</param>
/// <param name="HuggingFace">The name in a folder; "" where folders have none.</param>
/// <param name="Rows">Rows of a matrix; null: a vector.</param>
/// <param name="Columns">The length of a row, or of the vector.</param>
internal sealed record TensorEntry(TensorRole Role, string Gguf, string HuggingFace, Func<ModelSpec, LayerSpec, int>? Rows, Func<ModelSpec, LayerSpec, int> Columns)
{
    /// <summary>Whether a model has it; null: always.</summary>
    public Func<ModelSpec, LayerSpec, bool>? When { get; init; }

    /// <summary>
    /// Of what makes queries or keys: the number of heads. transformers rotates number i of a head with number i + dimension / 2, ggml's llama
    /// with its neighbour, so the rows of each head are put in the order 0, d/2, 1, d/2 + 1, ...
    /// </summary>
    public Func<AttentionSpec, int>? RotatedHeads { get; init; }

    /// <summary>Whether it is a table of rotary positions, which the spec has the numbers of: no step binds it, and no folder has it.</summary>
    public bool IsRopeTable => Role is TensorRole.RopeDivisors or TensorRole.RopeShortDivisors or TensorRole.RopeLongDivisors;

    /// <summary>Whether there is one in every layer.</summary>
    public bool IsOfLayer => Gguf.StartsWith("blk.", StringComparison.Ordinal);

    /// <summary>Whether it multiplies activations.</summary>
    public bool IsMatrix => Rows is not null;

    /// <summary>GGUF's name.</summary>
    public string NameIn(int layer) => InLayer(Gguf, layer);

    /// <summary>A name with the number of the layer.</summary>
    public static string InLayer(string name, int layer) => name.Replace("{}", layer.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}

/// <summary>A tensor of a model, its place and shape.</summary>
/// <param name="Rows">Rows of a matrix; 1 of a vector.</param>
/// <param name="Columns">The length of a row, or of the vector.</param>
internal sealed record TensorUse(TensorEntry Entry, int Layer, int Rows, int Columns)
{
    public TensorRole Role => Entry.Role;

    /// <summary>GGUF's name.</summary>
    public string Name => Entry.NameIn(Layer);
}

/// <summary>
/// All tensors that a model may have, in the order in which a forward pass uses them, so that it reads a file from front to back; what runs as one operation lies side by
/// side.
/// </summary>
internal static class TensorTable
{
    public const string Embedding = "token_embd.weight";
    public const string Head = "output.weight";

    private static readonly TensorEntry[] Entries =
    [
        new(TensorRole.RopeDivisors, "rope_freqs.weight", "", null, (_, l) => l.Attention.Rope!.Dimension / 2) { When = (_, l) => l.Attention.Rope is { Divisors.Count: > 0 } },
        new(TensorRole.RopeLongDivisors, "rope_factors_long.weight", "", null, (_, l) => l.Attention.Rope!.Dimension / 2)
            { When = (_, l) => l.Attention.Rope is { LongDivisors.Count: > 0 } },
        new(TensorRole.RopeShortDivisors, "rope_factors_short.weight", "", null, (_, l) => l.Attention.Rope!.Dimension / 2)
            { When = (_, l) => l.Attention.Rope is { ShortDivisors.Count: > 0 } },
        new(TensorRole.TokenEmbedding, Embedding, "model.embed_tokens.weight", (m, _) => m.VocabularySize, (m, _) => m.Width),
        new(TensorRole.PositionEmbedding, "position_embd.weight", "", (m, _) => m.Positions!.Rows, (m, _) => m.Width) { When = (m, _) => m.Positions is not null },
        new(TensorRole.EmbeddingNorm, "token_embd_norm.weight", "", null, (m, _) => m.Width) { When = (m, _) => m.EmbeddingNorm is not null },
        new(TensorRole.EmbeddingNormBias, "token_embd_norm.bias", "", null, (m, _) => m.Width) { When = (m, _) => m.EmbeddingNorm is { HasBias: true } },
        new(TensorRole.AttentionNorm, "blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l.AttentionNorm is not null },
        new(TensorRole.AttentionNormBias, "blk.{}.attn_norm.bias", "model.layers.{}.input_layernorm.bias", null, (m, _) => m.Width)
            { When = (_, l) => l.AttentionNorm is { HasBias: true } },
        new(TensorRole.SecondNorm, "blk.{}.attn_norm_2.weight", "", null, (m, _) => m.Width) { When = (_, l) => l.HasSecondNorm },
        new(TensorRole.SecondNormBias, "blk.{}.attn_norm_2.bias", "", null, (m, _) => m.Width) { When = (_, l) => l is { HasSecondNorm: true, AttentionNorm.HasBias: true } },
        new(TensorRole.QueryKeyValue, "blk.{}.attn_qkv.weight", "", (_, l) => l.Attention.FusedWidth, (m, _) => m.Width) { When = (_, l) => l.Attention.IsFused },
        new(TensorRole.QueryKeyValueBias, "blk.{}.attn_qkv.bias", "", null, (_, l) => l.Attention.FusedWidth)
            { When = (_, l) => l.Attention is { IsFused: true, HasFusedBias: true } },
        new(TensorRole.Query, "blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight", (_, l) => l.Attention.QueryWidth, (m, _) => m.Width) { When = Separate, RotatedHeads = a => InPairs(a, a.Heads) },
        new(TensorRole.Key, "blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight", (_, l) => l.Attention.KeyValueWidth, (m, _) => m.Width) { When = Separate, RotatedHeads = a => InPairs(a, a.KeyValueHeads) },
        new(TensorRole.Value, "blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight", (_, l) => l.Attention.KeyValueWidth, (m, _) => m.Width) { When = Separate },
        new(TensorRole.QueryBias, "blk.{}.attn_q.bias", "model.layers.{}.self_attn.q_proj.bias", null, (_, l) => l.Attention.QueryWidth)
            { RotatedHeads = a => InPairs(a, a.Heads), When = (_, l) => l.Attention.HasQueryBias },
        new(TensorRole.KeyBias, "blk.{}.attn_k.bias", "model.layers.{}.self_attn.k_proj.bias", null, (_, l) => l.Attention.KeyValueWidth)
            { RotatedHeads = a => InPairs(a, a.KeyValueHeads), When = (_, l) => l.Attention.HasKeyBias },
        new(TensorRole.ValueBias, "blk.{}.attn_v.bias", "model.layers.{}.self_attn.v_proj.bias", null, (_, l) => l.Attention.KeyValueWidth) { When = (_, l) => l.Attention.HasValueBias },
        new(TensorRole.QueryNorm, "blk.{}.attn_q_norm.weight", "model.layers.{}.self_attn.q_norm.weight", null, (_, l) => l.Attention.QueryNormWidth)
            { When = (_, l) => l.Attention.HeadNorm is not null, RotatedHeads = a => a.IsHeadNormWide ? InPairs(a, a.Heads) : InPairs(a, 1) },
        new(TensorRole.KeyNorm, "blk.{}.attn_k_norm.weight", "model.layers.{}.self_attn.k_norm.weight", null, (_, l) => l.Attention.KeyNormWidth)
            { When = (_, l) => l.Attention.HeadNorm is not null, RotatedHeads = a => a.IsHeadNormWide ? InPairs(a, a.KeyValueHeads) : InPairs(a, 1) },
        new(TensorRole.AttentionOutput, "blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight", (m, _) => m.Width, (_, l) => l.Attention.QueryWidth),
        new(TensorRole.AttentionOutputBias, "blk.{}.attn_output.bias", "model.layers.{}.self_attn.o_proj.bias", null, (m, _) => m.Width) { When = (_, l) => l.Attention.HasOutputBias },
        new(TensorRole.PostAttentionNorm, "blk.{}.post_attention_norm.weight", "model.layers.{}.post_attention_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l.PostAttentionNorm is not null },
        new(TensorRole.FeedForwardNorm, "blk.{}.ffn_norm.weight", "model.layers.{}.post_attention_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l.FeedForwardNorm is not null && !l.HasSecondNorm },
        new(TensorRole.FeedForwardNormBias, "blk.{}.ffn_norm.bias", "model.layers.{}.post_attention_layernorm.bias", null, (m, _) => m.Width)
            { When = (_, l) => l is { FeedForwardNorm.HasBias: true, HasSecondNorm: false } },
        new(TensorRole.Gate, "blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight", (_, l) => l.FeedForward.Width, (m, _) => m.Width) { When = (_, l) => l.FeedForward.HasGate },
        new(TensorRole.Up, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight", (_, l) => l.FeedForward.UpRows, (m, _) => m.Width),
        new(TensorRole.GateBias, "blk.{}.ffn_gate.bias", "model.layers.{}.mlp.gate_proj.bias", null, (_, l) => l.FeedForward.Width) { When = (_, l) => l.FeedForward.HasGateBias },
        new(TensorRole.UpBias, "blk.{}.ffn_up.bias", "model.layers.{}.mlp.up_proj.bias", null, (_, l) => l.FeedForward.UpRows) { When = (_, l) => l.FeedForward.HasUpBias },
        new(TensorRole.Down, "blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight", (m, _) => m.Width, (_, l) => l.FeedForward.Width),
        new(TensorRole.DownBias, "blk.{}.ffn_down.bias", "model.layers.{}.mlp.down_proj.bias", null, (m, _) => m.Width) { When = (_, l) => l.FeedForward.HasDownBias },
        new(TensorRole.PostFeedForwardNorm, "blk.{}.post_ffw_norm.weight", "model.layers.{}.post_feedforward_layernorm.weight", null, (m, _) => m.Width)
            { When = (_, l) => l.PostFeedForwardNorm is not null },
        new(TensorRole.OutputNorm, "output_norm.weight", "model.norm.weight", null, (m, _) => m.Width),
        new(TensorRole.OutputNormBias, "output_norm.bias", "model.norm.bias", null, (m, _) => m.Width) { When = (m, _) => m.OutputNorm.HasBias },
        new(TensorRole.Output, Head, "lm_head.weight", (m, _) => m.VocabularySize, (m, _) => m.Width) { When = (m, _) => !m.IsTied },
        new(TensorRole.OutputBias, "output.bias", "lm_head.bias", null, (m, _) => m.VocabularySize) { When = (m, _) => m.HasHeadBias },
    ];

    private static readonly Dictionary<TensorRole, TensorEntry> ByRole = Entries.ToDictionary(entry => entry.Role);
    private static readonly Dictionary<string, TensorEntry> ByName = Entries.ToDictionary(entry => entry.Gguf);

    public static TensorEntry Get(TensorRole role) => ByRole[role];

    /// <summary>Heads whose rows move, as they are rotated in neighbours here and in halves in a folder.</summary>
    private static int InPairs(AttentionSpec attention, int heads) => attention.Rope is { IsSplit: false } ? heads : 0;

    private static bool Separate(ModelSpec model, LayerSpec layer) => !layer.Attention.IsFused;

    /// <summary>GGUF's name of a tensor.</summary>
    public static string Name(TensorRole role, int layer = 0) => Get(role).NameIn(layer);

    /// <summary>A tensor as a step uses it.</summary>
    public static TensorUse Use(ModelSpec model, TensorRole role, int layer = 0)
    {
        TensorEntry entry = Get(role);
        return new TensorUse(entry, layer, entry.Rows?.Invoke(model, model.Layers[layer]) ?? 1, entry.Columns(model, model.Layers[layer]));
    }

    /// <summary>The same of a tensor that not every model has, or null where this one has not.</summary>
    public static TensorUse? UseOptional(ModelSpec model, TensorRole role, int layer = 0) =>
        Get(role).When is { } when && !when(model, model.Layers[layer]) ? null : Use(model, role, layer);

    /// <summary>All tensors of a model, in the order of use.</summary>
    public static IEnumerable<TensorUse> Of(ModelSpec model)
    {
        TensorUse?[] first = [.. Entries.TakeWhile(entry => !entry.IsOfLayer).Select(entry => UseOptional(model, entry.Role))];
        IEnumerable<TensorUse?> layers = Enumerable.Range(0, model.Layers.Count).SelectMany(l => Entries.Where(entry => entry.IsOfLayer).Select(entry => UseOptional(model, entry.Role, l)));
        IEnumerable<TensorUse?> last = Entries.SkipWhile(entry => !entry.IsOfLayer).Where(entry => !entry.IsOfLayer).Select(entry => UseOptional(model, entry.Role));
        return first.Concat(layers).Concat(last).OfType<TensorUse>();
    }

    /// <summary>The row of a tensor's name and its layer (0 where it is no layer's), or null where the table has none.</summary>
    public static (TensorEntry Entry, int Layer)? Find(string name)
    {
        if (ByName.TryGetValue(name, out TensorEntry? entry)) return entry.IsOfLayer ? null : (entry, 0);
        return LayerOf(name) is { } layer && ByName.TryGetValue($"blk.{{}}.{name.Split('.', 3)[2]}", out entry) ? (entry, layer) : null;
    }

    /// <summary>Whether a tensor is a matrix of a layer, which multiplies activations.</summary>
    public static bool IsLayerMatrix(string name) => Find(name) is var (entry, _) && entry is { IsMatrix: true, IsOfLayer: true };

    /// <summary>The layer that a tensor is of by its name, or null.</summary>
    public static int? LayerOf(string name) =>
        name.Split('.', 3) is ["blk", var number, _] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) ? layer : null;

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
