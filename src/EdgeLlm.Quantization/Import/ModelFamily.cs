using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Quantization.Import;

/// <summary>
/// A family of models: how its tensors are called in a folder and in GGUF, and which of the fields of config.json its reference reads.
/// Another family is another entry here, with a table of tensors.
/// </summary>
internal sealed record ModelFamily
{
    /// <summary>config.json's model_type.</summary>
    public required string ModelType { get; init; }

    /// <summary>config.json's architectures.</summary>
    public required string ModelClass { get; init; }

    /// <summary>GGUF's general.architecture.</summary>
    public required string Architecture { get; init; }

    /// <summary>What some folders leave out at the start of the names of tensors.</summary>
    public required string Prefix { get; init; }

    public required IReadOnlyList<TensorRule> Tensors { get; init; }

    /// <summary>Whether attention_bias and mlp_bias are read.</summary>
    public bool MayHaveBiases { get; init; }

    /// <summary>Whether sliding_window is read.</summary>
    public bool HasWindow { get; init; }

    private static readonly TensorRule[] LlamaTensors =
    [
        new("model.embed_tokens.weight", "token_embd.weight", shape => shape.Vocabulary, shape => shape.Width),
        new("model.norm.weight", "output_norm.weight", null, shape => shape.Width),
        new("lm_head.weight", "output.weight", shape => shape.Vocabulary, shape => shape.Width) { When = shape => !shape.TiesEmbedding },
        new("model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", null, shape => shape.Width),
        new("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", shape => shape.QueryWidth, shape => shape.Width) { RotatedHeads = shape => shape.Heads },
        new("model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias", null, shape => shape.QueryWidth) { RotatedHeads = shape => shape.Heads, When = shape => shape.HasAttentionBias },
        new("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", shape => shape.KeyValueWidth, shape => shape.Width) { RotatedHeads = shape => shape.KeyValueHeads },
        new("model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias", null, shape => shape.KeyValueWidth) { RotatedHeads = shape => shape.KeyValueHeads, When = shape => shape.HasAttentionBias },
        new("model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight", shape => shape.KeyValueWidth, shape => shape.Width),
        new("model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias", null, shape => shape.KeyValueWidth) { When = shape => shape.HasAttentionBias },
        new("model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight", shape => shape.Width, shape => shape.QueryWidth),
        new("model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias", null, shape => shape.Width) { When = shape => shape.HasAttentionBias },
        new("model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", null, shape => shape.Width),
        new("model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight", shape => shape.FeedForward, shape => shape.Width),
        new("model.layers.{}.mlp.gate_proj.bias", "blk.{}.ffn_gate.bias", null, shape => shape.FeedForward) { When = shape => shape.HasFeedForwardBias },
        new("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight", shape => shape.FeedForward, shape => shape.Width),
        new("model.layers.{}.mlp.up_proj.bias", "blk.{}.ffn_up.bias", null, shape => shape.FeedForward) { When = shape => shape.HasFeedForwardBias },
        new("model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight", shape => shape.Width, shape => shape.FeedForward),
        new("model.layers.{}.mlp.down_proj.bias", "blk.{}.ffn_down.bias", null, shape => shape.Width) { When = shape => shape.HasFeedForwardBias },
    ];

    private static readonly ModelFamily[] Known =
    [
        new() { ModelType = "llama", ModelClass = "LlamaForCausalLM", Architecture = "llama", Prefix = "model.", Tensors = LlamaTensors, MayHaveBiases = true },
        new() { ModelType = "mistral", ModelClass = "MistralForCausalLM", Architecture = "llama", Prefix = "model.", Tensors = LlamaTensors, HasWindow = true },
    ];

    /// <summary>The family of a config.json.</summary>
    /// <exception cref="ModelException">It is none that is known here.</exception>
    public static ModelFamily Of(JsonPart config)
    {
        JsonPart type = config.Require("model_type");
        ModelFamily family = Array.Find(Known, family => family.ModelType == type.Text())
            ?? throw type.Error($"is '{FolderFile.Printable(type.Text())}', not one that is read here ({string.Join(", ", Known.Select(family => family.ModelType))})");
        JsonPart[] classes = config.Find("architectures") is { } names ? [.. names.Items().Take(2)] : [];
        if (classes.Length > 0 && (classes.Length > 1 || classes[0].Text() != family.ModelClass))
            throw classes[0].Error($"is '{FolderFile.Printable(classes[0].Text())}', and of model_type {family.ModelType} only {family.ModelClass} is read here");
        return family;
    }

    /// <summary>The keys of general.architecture's own.</summary>
    public void WriteKeys(GgufWriter writer, ModelShape shape)
    {
        Size("vocab_size", shape.Vocabulary);
        Size("context_length", shape.ContextLength);
        Size("embedding_length", shape.Width);
        Size("block_count", shape.Layers);
        Size("feed_forward_length", shape.FeedForward);
        Size("attention.head_count", shape.Heads);
        Size("attention.head_count_kv", shape.KeyValueHeads);
        Size("attention.key_length", shape.HeadDimension);
        Size("attention.value_length", shape.HeadDimension);
        if (shape.Window > 0) Size("attention.sliding_window", shape.Window);
        writer.Set($"{Architecture}.attention.layer_norm_rms_epsilon", GgufValue.Of(shape.NormEpsilon));
        Size("rope.dimension_count", shape.HeadDimension);
        foreach ((string key, GgufValue value) in shape.Rope.Keys) writer.Set($"{Architecture}.{key}", value);

        void Size(string key, int size) => writer.Set($"{Architecture}.{key}", GgufValue.Of((uint)size));
    }
}
