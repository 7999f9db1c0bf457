using System.Buffers.Binary;
using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Quantization.Import;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Folders as Hugging Face's tools write them: run as they are, or imported and run as what they become.</summary>
internal static class HuggingFaceTarget
{
    private static readonly string[] Names =
    [
        "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers", "head_dim", "vocab_size",
        "max_position_embeddings", "rms_norm_eps", "rope_theta",
        "rope_scaling", "rope_type", "type", "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
        "attention_factor", "beta_fast", "beta_slow", "sliding_window",
        "tie_word_embeddings", "attention_bias", "mlp_bias", "model_type", "architectures", "hidden_act", "quantization_config",
        "torch_dtype", "bos_token_id", "eos_token_id", "rope_parameters",
        "dtype", "shape", "data_offsets", "__metadata__", "weight_map", "metadata", "chat_template", "bos_token", "eos_token", "unk_token",
        "pad_token", "add_bos_token", "add_eos_token",
        "added_tokens_decoder", "content", "special", "legacy", "add_prefix_space", "clean_up_tokenization_spaces",
        "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
    ];

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        string folder = current.PathOf("hugging-face");
        Directory.CreateDirectory(folder);
        foreach (string old in Directory.GetFileSystemEntries(folder)) File.Delete(old);
        Dictionary<string, byte[]> files = new(dice.Of(Samples.Folders.Value));
        for (int count = dice.Mutations(); count > 0; count--) Mutate(dice, files);
        foreach ((string name, byte[] bytes) in files) File.WriteAllBytes(Path.Combine(folder, name), bytes);

        current.Begin(files.Values.Sum(bytes => (long)bytes.Length));
        if (dice.OneIn(2))
        {
            ModelUse.Load(current, folder);
            return null;
        }
        string target = current.PathOf("imported.gguf");
        using (var model = HuggingFaceModel.Open(folder)) model.Save(target, _ => { }, CancellationToken.None);
        ModelUse.Load(current, target);
        return null;
    }

    private static void Mutate(Dice dice, Dictionary<string, byte[]> files)
    {
        string name = dice.Of(files.Keys.ToArray());
        byte[] bytes = files[name];
        switch (dice.Below(12))
        {
            case 0: files.Remove(name); break;
            case 1: files[name] = dice.Damage(bytes); break;
            case 2: files[name] = files[dice.Of(files.Keys.ToArray())]; break;
            case 3:
                files[dice.Pick("special_tokens_map.json", "pytorch_model.bin", "added_tokens.json", "chat_template.jinja",
                    "model.safetensors", "tokenizer.json", "generation_config.json")] = bytes; break;
            default: files[name] = Edited(dice, name, bytes); break;
        }
    }

    private static byte[] Edited(Dice dice, string name, byte[] bytes)
    {
        if (name.EndsWith(".json", StringComparison.Ordinal)) return JsonMutator.Mutate(dice, bytes, Names);
        if (name.EndsWith(".bin", StringComparison.Ordinal)) return Torch(dice, bytes);
        if (!name.EndsWith(".safetensors", StringComparison.Ordinal) || bytes.Length < 8) return dice.Damage(bytes);
        long header = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        if (header < 0 || header > bytes.Length - 8) return dice.Damage(bytes);
        byte[] json = bytes[8..(int)(8 + header)], data = bytes[(int)(8 + header)..];
        return dice.Below(4) switch
        {
            0 => TinyFolder.Join(json, dice.Damage(data), null),
            1 => TinyFolder.Join(json, data, dice.Integer((ulong)header)),
            _ => TinyFolder.Join(JsonMutator.Mutate(dice, json, Names), data, null),
        };
    }

    /// <summary>Damages what is small and says much: the pickle near the file's start, or the directory at its end.</summary>
    private static byte[] Torch(Dice dice, byte[] bytes)
    {
        int part = Math.Min(bytes.Length, 3000);
        return dice.Below(3) switch
        {
            0 => dice.Damage(bytes),
            1 => [.. dice.Damage(bytes[..part]), .. bytes[part..]],
            _ => [.. bytes[..^part], .. dice.Damage(bytes[^part..])],
        };
    }
}
