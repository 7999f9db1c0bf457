using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>Fields of config.json that most families have.</summary>
internal static class CommonConfig
{
    public static int Width(JsonPart config, string name) => (int)config.Require(name).Integer(1, ModelKeys.MaximumWidth);

    public static int Length(JsonPart config, string name) => (int)config.Require(name).Integer(1, 1 << 28);

    public static bool Flag(JsonPart config, string name) => config.Find(name)?.Flag() ?? false;

    /// <summary>Sizes that all decoders have, and that nothing is asked for that none has here.</summary>
    public static ModelKeys Decoder(JsonPart config, string architecture, out AttentionConfig attention, out int context)
    {
        if (config.Find("hidden_act") is { } activation && activation.Text() is not ("silu" or "swish"))
            throw activation.Error($"is '{Printable.Line(activation.Text())}', and this family runs with silu only");
        if (config.Find("quantization_config") is { } quantized) throw quantized.Error("is there: the weights are quantized already, in a form that is not read");
        attention = Attention(config);
        context = Length(config, "max_position_embeddings");
        var keys = new ModelKeys(config.File, architecture);
        keys.Set(ModelKeys.VocabularySize, Width(config, "vocab_size"));
        keys.Set(ModelKeys.ContextLength, context);
        keys.Set(ModelKeys.EmbeddingLength, Width(config, "hidden_size"));
        keys.Set(ModelKeys.BlockCount, (int)config.Require("num_hidden_layers").Integer(1, ModelKeys.MaximumLayers));
        keys.Set(ModelKeys.FeedForwardLength, Width(config, "intermediate_size"));
        attention.Write(keys);
        return keys;
    }

    /// <summary>num_attention_heads, num_key_value_heads and head_dim.</summary>
    public static AttentionConfig Attention(JsonPart config)
    {
        int width = Width(config, "hidden_size"), heads = Width(config, "num_attention_heads");
        int keyValueHeads = config.Find("num_key_value_heads") is { } few ? (int)few.Integer(1, heads) : heads;
        if (heads % keyValueHeads != 0) throw config.Require("num_key_value_heads").Error($"is {keyValueHeads}, and num_attention_heads {heads} is no multiple of it");
        if (config.Find("head_dim") is null && width % heads != 0) throw config.Require("num_attention_heads").Error($"is {heads}, and hidden_size {width} is no multiple of it");
        int dimension = config.Find("head_dim") is { } given ? (int)given.Integer(2, 1 << 14) : width / heads;
        if (dimension % 2 != 0) throw config.Error($"has heads of {dimension} numbers; rotary positions need an even number");
        if ((long)heads * dimension > ModelKeys.MaximumWidth) throw config.Require("num_attention_heads").Error($"is {heads}: heads of {dimension} numbers are too many");
        return new AttentionConfig(heads, keyValueHeads, dimension);
    }
}

/// <summary>The shape of attention.</summary>
internal sealed record AttentionConfig(int Heads, int KeyValueHeads, int Dimension)
{
    public void Write(ModelKeys keys)
    {
        keys.Set(ModelKeys.HeadCount, Heads);
        keys.Set(ModelKeys.KeyValueHeadCount, KeyValueHeads);
        keys.Set(ModelKeys.KeyLength, Dimension);
        keys.Set(ModelKeys.ValueLength, Dimension);
    }
}
