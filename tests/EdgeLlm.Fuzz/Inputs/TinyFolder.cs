using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.Tests;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>
/// A tiny llama as a Hugging Face folder: with tokenizer.json and one file of weights, torch's or safetensors, or with tokenizer.model and
/// two of the latter.
/// </summary>
internal static class TinyFolder
{
    private const int Width = 32, Heads = 4, KeyValueHeads = 2, FeedForward = 64, Layers = 1;

    /// <summary>The files by name.</summary>
    public static Dictionary<string, byte[]> Files(bool sharded, bool isTorch = false)
    {
        var files = new Dictionary<string, byte[]>
        {
            ["config.json"] = Utf8(Config().ToJsonString()),
            ["tokenizer_config.json"] = Utf8(new JsonObject
            {
                ["bos_token"] = sharded ? "<s>" : "<|im_start|>",
                ["eos_token"] = new JsonObject { ["content"] = sharded ? "</s>" : "<|im_end|>", ["special"] = true },
                ["add_bos_token"] = true,
                ["chat_template"] = TinyModel.ChatTemplate,
                ["added_tokens_decoder"] =
                    new JsonObject { ["2"] = new JsonObject { ["content"] = sharded ? "</s>" : "<|im_end|>", ["special"] = true } },
            }.ToJsonString()),
            ["generation_config.json"] = Utf8("""{"eos_token_id":[2,0],"temperature":0.6,"top_p":0.9}"""),
        };
        files[sharded ? "tokenizer.model" : "tokenizer.json"] = sharded ? SentencePiece(isUnigram: false)
            : Utf8(TokenizerJson().ToJsonString());
        List<(string Name, int[] Shape)> tensors = [.. Tensors()];
        if (!sharded)
        {
            if (isTorch) files["pytorch_model.bin"] = Torch(tensors);
            else files["model.safetensors"] = Safetensors(tensors);
            return files;
        }
        var map = new JsonObject();
        for (int part = 1; part <= 2; part++)
        {
            string name = $"model-0000{part}-of-00002.safetensors";
            List<(string Name, int[] Shape)> some = part == 1 ? tensors[..6] : tensors[6..];
            files[name] = Safetensors(some);
            foreach ((string tensor, _) in some) map[tensor] = name;
        }
        files["model.safetensors.index.json"] =
            Utf8(new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = 1 }, ["weight_map"] = map }.ToJsonString());
        return files;
    }

    /// <summary>A tokenizer.json of byte-level BPE.</summary>
    public static JsonObject TokenizerJson()
    {
        var vocabulary = new JsonObject();
        var added = new JsonArray();
        List<(string Text, TokenType Type)> tokens = TinyVocabulary.ByteLevel();
        for (int id = 0; id < tokens.Count; id++)
        {
            if (tokens[id].Type == TokenType.Normal) vocabulary[tokens[id].Text] = id;
            else
                added.Add(new JsonObject
                {
                    ["id"] = id,
                    ["content"] = tokens[id].Text,
                    ["single_word"] = false,
                    ["lstrip"] = false,
                    ["rstrip"] = false,
                    ["normalized"] = false,
                    ["special"] = true
                });
        }
        var bytes = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true };
        return new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = added,
            ["normalizer"] = null,
            ["pre_tokenizer"] = bytes,
            ["post_processor"] = null,
            ["decoder"] = bytes.DeepClone(),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["byte_fallback"] = false,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray([.. TinyVocabulary.Merges().Select(merge => JsonValue.Create(merge))])
            },
        };
    }

    /// <summary>Tokenizers of every kind of model, with steps of every kind.</summary>
    public static JsonObject[] TokenizerJsons()
    {
        JsonObject steps = TokenizerJson(), pairs = TokenizerJson(), unigram = TokenizerJson(), words = TokenizerJson();
        steps["normalizer"] =
            Json(
                """{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":"(?i:x)+ {2,}"},"content":" "},{"type":"Strip","strip_left":true,"strip_right":false}]}""");
        steps["pre_tokenizer"] = Json("""
            {"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}++|(?:ab)*c|[\\w&&[^\\d]]|\\s+(?!\\S)|(?<=a)\\s*?$"},"behavior":"Isolated","invert":false},
            {"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"Contiguous"},{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]}
            """);
        steps["post_processor"] = Json("""{"type":"RobertaProcessing","cls":["<|im_start|>",1],"sep":["<|im_end|>",2]}""");
        foreach (JsonNode? token in steps["added_tokens"]!.AsArray())
            (token!["lstrip"], token["rstrip"], token["normalized"]) = (true, true, true);

        pairs["normalizer"] =
            Json(
                """{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}""");
        pairs["pre_tokenizer"] = Json("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}""");
        pairs["decoder"] =
            Json(
                """{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""");
        (pairs["model"]!["byte_fallback"], pairs["model"]!["fuse_unk"], pairs["model"]!["unk_token"]) = (true, true, "a");

        unigram["normalizer"] = Json("""{"type":"Precompiled","precompiled_charsmap":""}""");
        unigram["pre_tokenizer"] =
            Json(
                """{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}]}""");
        unigram["decoder"] = Json("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}""");
        unigram["model"] = new JsonObject
        {
            ["type"] = "Unigram",
            ["unk_id"] = 0,
            ["byte_fallback"] = true,
            ["vocab"] = new JsonArray(
                [.. TinyVocabulary.SentencePiece().Select((token, id) => (JsonNode)new JsonArray(token.Text, -(double)id))]),
        };

        words["normalizer"] =
            Json("""{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}""");
        words["pre_tokenizer"] = Json("""{"type":"BertPreTokenizer"}""");
        words["decoder"] = Json("""{"type":"WordPiece","prefix":"##","cleanup":true}""");
        words["model"]!["type"] = "WordPiece";
        (words["model"]!["unk_token"], words["model"]!["max_input_chars_per_word"], words["model"]!["continuing_subword_prefix"]) =
            ("a", 100, "##");
        return [TokenizerJson(), steps, pairs, unigram, words];

        static JsonNode Json(string text) => JsonNode.Parse(text)!;
    }

    /// <summary>A tokenizer.model: SentencePiece's ModelProto (sentencepiece_model.proto).</summary>
    public static byte[] SentencePiece(bool isUnigram)
    {
        var bytes = new List<byte>();
        List<(string Text, TokenType Type)> tokens = TinyVocabulary.SentencePiece();
        for (int id = 0; id < tokens.Count; id++)
        {
            byte[] text = Utf8(tokens[id].Text);
            byte[] piece =
                [0x0A, .. Varint((ulong)text.Length), .. text, 0x15, .. BitConverter.GetBytes(-(float)id), 0x18, (byte)tokens[id].Type];
            bytes.AddRange([0x0A, .. Varint((ulong)piece.Length), .. piece]);
        }
        byte[] trainer =
            [0x18, (byte)(isUnigram ? 1 : 2), 0xC0, 0x02, 0, 0xC8, 0x02, 1, 0xD0, 0x02, 2]; // model_type, unk_id, bos_id, eos_id
        byte[] normalizer = [0x18, 1, 0x20, 0];
        bytes.AddRange([0x12, (byte)trainer.Length, .. trainer, 0x1A, (byte)normalizer.Length, .. normalizer]);
        return [.. bytes];
    }

    private static JsonObject Config() => new()
    {
        ["architectures"] = new JsonArray("LlamaForCausalLM"),
        ["model_type"] = "llama",
        ["hidden_size"] = Width,
        ["intermediate_size"] = FeedForward,
        ["num_attention_heads"] = Heads,
        ["num_key_value_heads"] = KeyValueHeads,
        ["num_hidden_layers"] = Layers,
        ["head_dim"] = Width / Heads,
        ["vocab_size"] = TinyVocabulary.Size,
        ["max_position_embeddings"] = 128,
        ["rms_norm_eps"] = 1e-5,
        ["rope_theta"] = 10000.0,
        ["rope_scaling"] = new JsonObject
        {
            ["rope_type"] = "llama3",
            ["factor"] = 8.0,
            ["low_freq_factor"] = 1.0,
            ["high_freq_factor"] = 4.0,
            ["original_max_position_embeddings"] = 64
        },
        ["hidden_act"] = "silu",
        ["attention_bias"] = false,
        ["mlp_bias"] = false,
        ["tie_word_embeddings"] = false,
        ["torch_dtype"] = "bfloat16",
        ["bos_token_id"] = 1,
        ["eos_token_id"] = 2,
    };

    private static IEnumerable<(string Name, int[] Shape)> Tensors()
    {
        const int Keys = KeyValueHeads * Width / Heads;
        yield return ("model.embed_tokens.weight", [TinyVocabulary.Size, Width]);
        for (int l = 0; l < Layers; l++)
        {
            string layer = $"model.layers.{l}.";
            yield return (layer + "input_layernorm.weight", [Width]);
            yield return (layer + "self_attn.q_proj.weight", [Width, Width]);
            yield return (layer + "self_attn.k_proj.weight", [Keys, Width]);
            yield return (layer + "self_attn.v_proj.weight", [Keys, Width]);
            yield return (layer + "self_attn.o_proj.weight", [Width, Width]);
            yield return (layer + "post_attention_layernorm.weight", [Width]);
            yield return (layer + "mlp.gate_proj.weight", [FeedForward, Width]);
            yield return (layer + "mlp.up_proj.weight", [FeedForward, Width]);
            yield return (layer + "mlp.down_proj.weight", [Width, FeedForward]);
        }
        yield return ("model.norm.weight", [Width]);
        yield return ("lm_head.weight", [TinyVocabulary.Size, Width]);
    }

    /// <summary>F32 of normal numbers.</summary>
    private static byte[] Torch(List<(string Name, int[] Shape)> tensors)
    {
        var dice = new Dice(tensors.Count);
        return TorchFile.Write(
            [.. tensors.Select(tensor => new TorchEntry(tensor.Name, "FloatStorage", [.. tensor.Shape.Select(size => (long)size)],
            [.. Enumerable.Range(0, tensor.Shape.Aggregate(1, (product, size) => product * size))
                .SelectMany(_ => BitConverter.GetBytes(tensor.Shape.Length == 1 ? 1f : (float)(dice.Normal() / 6)))]))]);
    }

    /// <summary>BF16 of normal numbers.</summary>
    public static byte[] Safetensors(List<(string Name, int[] Shape)> tensors)
    {
        var header = new JsonObject { ["__metadata__"] = new JsonObject { ["format"] = "pt" } };
        var dice = new Dice(tensors.Count);
        var data = new List<ushort>();
        foreach ((string name, int[] shape) in tensors)
        {
            int count = shape.Aggregate(1, (product, size) => product * size), start = data.Count * 2;
            for (int i = 0; i < count; i++)
                data.Add((ushort)(BitConverter.SingleToUInt32Bits(shape.Length == 1 ? 1 : dice.Normal() / 6) >> 16));
            header[name] = new JsonObject
            {
                ["dtype"] = "BF16",
                ["shape"] = new JsonArray([.. shape.Select(size => JsonValue.Create(size))]),
                ["data_offsets"] = new JsonArray(start, data.Count * 2),
            };
        }
        return Join(Utf8(header.ToJsonString()), MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(data)), length: null);
    }

    /// <summary>A safetensors file.</summary>
    /// <param name="length">What it says of the header's length; null: the truth.</param>
    public static byte[] Join(byte[] header, ReadOnlySpan<byte> data, ulong? length) =>
        [.. BitConverter.GetBytes(length ?? (ulong)header.Length), .. header, .. data];

    private static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);
}
