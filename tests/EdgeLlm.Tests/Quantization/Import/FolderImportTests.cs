using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Folders;
using EdgeLlm.Quantization.Import;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Quantization.Import;

/// <summary>The ways in which folders differ, each on a copy of a tiny checkpoint.</summary>
public sealed class FolderImportTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Weights_of_16_bit_floats_stay_what_they_are_and_norms_become_32_bits()
    {
        string folder = _folder.CopyOf("llama3-rope");
        var weights = new TestSafetensors(Path.Combine(folder, "model.safetensors"));
        Span<ushort> numbers = MemoryMarshal.Cast<byte, ushort>(weights.Data.AsSpan());
        foreach (ref ushort number in numbers) number = BitConverter.HalfToUInt16Bits((Half)BitConverter.Int32BitsToSingle(number << 16));
        foreach ((_, JsonNode? tensor) in weights.Header)
        {
            if (tensor!["dtype"] is not null) tensor["dtype"] = "F16";
        }
        weights.Save();
        using GgufFile file = Import(folder);
        GgufTensor value = file.FindTensor("blk.1.attn_v.weight")!, norm = file.FindTensor("output_norm.weight")!;
        Assert.Equal((ElementType.F16, ElementType.F32, 1u), (value.Type, norm.Type, file.Metadata.GetUInt32("general.file_type")));
        int start = weights.StartOf("model.layers.1.self_attn.v_proj.weight"), normStart = weights.StartOf("model.norm.weight");
        Assert.Equal(weights.Data.AsSpan(start, (int)value.ByteCount), file.Bytes(value, 0, (int)value.ByteCount));
        Half[] expected = MemoryMarshal.Cast<byte, Half>(weights.Data.AsSpan(normStart, 128)).ToArray();
        Assert.Equal(expected.Select(half => (float)half), MemoryMarshal.Cast<byte, float>(file.Bytes(norm, 0, 256)).ToArray());
    }

    [Fact]
    public void The_prefix_of_names_may_be_missing_and_what_is_no_weight_is_passed_over()
    {
        string folder = _folder.CopyOf("llama-mha-tied-bias"), path = Path.Combine(folder, "model.safetensors");
        byte[] before = ImportBytes(folder);
        var weights = new TestSafetensors(path);
        foreach (string name in weights.Header.Select(entry => entry.Key)
            .Where(name => name.StartsWith("model.", StringComparison.Ordinal)).ToArray())
        {
            JsonNode entry = weights.Header[name]!;
            weights.Header.Remove(name);
            weights.Header[name["model.".Length..]] = entry;
        }
        int end = weights.Data.Length;
        weights.Header["layers.0.self_attn.rotary_emb.inv_freq"] =
            new JsonObject { ["dtype"] = "F32", ["shape"] = new JsonArray(8), ["data_offsets"] = new JsonArray(end, end + 32) };
        JsonNode head = weights.Header["embed_tokens.weight"]!.DeepClone(); // of a model whose head is tied
        int[] place = [.. head["data_offsets"]!.AsArray().Select(offset => (int)offset!)];
        head["data_offsets"] = new JsonArray(end + 32, end + 32 + place[1] - place[0]);
        weights.Header["lm_head.weight"] = head;
        weights.Data = [.. weights.Data, .. new byte[32], .. weights.Data[place[0]..place[1]]];
        weights.Save();
        Assert.Equal(before, ImportBytes(folder));

        weights.Data[^2] ^= 1; // another head than the embedding: it is taken, as by the reference
        weights.Save();
        Assert.InRange(ImportBytes(folder).Length, before.Length + place[1] - place[0], int.MaxValue);
    }

    [Theory]
    [InlineData("""{"rope_scaling":null,"rope_theta":12345.0}""", "rope.freq_base=12345")]
    [InlineData("""{"rope_scaling":{"type":"linear","factor":2.5},"rope_theta":1000}""",
        "rope.scaling.type=linear rope.scaling.factor=2.5 rope.freq_base=1000")]
    [InlineData("""{"rope_parameters":{"rope_type":"dynamic","factor":2,"rope_theta":7000}}""",
        "rope.scaling.type=dynamic rope.scaling.factor=2 rope.freq_base=7000")]
    [InlineData("""{"rope_scaling":{"rope_type":"yarn","factor":4,"beta_fast":24,"beta_slow":2,"attention_factor":1.5}}""",
        "rope.scaling.type=yarn rope.scaling.original_context_length=256 rope.scaling.yarn_beta_fast=24 rope.scaling.yarn_beta_slow=2 rope.scaling.attn_factor=1.3173733 rope.freq_base=10000")]
    [InlineData(
        """{"rope_scaling":{"rope_type":"yarn","factor":40,"original_max_position_embeddings":64,"mscale":1.0,"mscale_all_dim":1.0}}""",
        "rope.scaling.original_context_length=64 rope.scaling.attn_factor=0.73052")]
    public void Rotary_settings_of_either_age_become_keys(string fields, string keys)
    {
        string folder = _folder.CopyOf("llama");
        TestFolder.EditJson(Path.Combine(folder, "config.json"), config =>
        {
            foreach (string old in new[] { "rope_theta", "rope_scaling" }) config.Remove(old);
            foreach ((string name, JsonNode? value) in JsonNode.Parse(fields)!.AsObject()) config[name] = value?.DeepClone();
        });
        using GgufFile file = Import(folder);
        foreach (string key in keys.Split(' '))
        {
            Assert.True(file.Metadata.TryGet("llama." + key.Split('=')[0], out GgufValue? value), key);
            Assert.Equal(key.Split('=')[1], value.ToString());
        }
        ModelLoader.ReadSpec(file);
    }

    [Fact]
    public void A_chat_template_is_taken_from_the_file_of_its_own_or_the_config_and_named_ones_keep_their_names()
    {
        string folder = _folder.CopyOf("llama"), config = Path.Combine(folder, "tokenizer_config.json");
        using (GgufFile none = Import(folder)) Assert.False(none.Metadata.Contains("tokenizer.chat_template"));
        TestFolder.EditJson(config, json => json["chat_template"] = "{{ one }}");
        using (GgufFile one = Import(folder)) Assert.Equal("{{ one }}", one.Metadata.GetString("tokenizer.chat_template"));
        TestFolder.EditJson(config,
            json => json["chat_template"] =
                JsonNode.Parse("""[{"name":"default","template":"{{ a }}"},{"name":"tool_use","template":"{{ b }}"}]"""));
        using (GgufFile several = Import(folder))
        {
            Assert.Equal("{{ a }}", several.Metadata.GetString("tokenizer.chat_template"));
            Assert.Equal("{{ b }}", several.Metadata.GetString("tokenizer.chat_template.tool_use"));
        }
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "{{ file }}\n");
        using (GgufFile file = Import(folder)) Assert.Equal("{{ file }}\n", file.Metadata.GetString("tokenizer.chat_template"));
    }

    [Fact]
    public void An_empty_chat_template_is_none()
    {
        string folder = _folder.CopyOf("llama");
        TestFolder.EditJson(Path.Combine(folder, "tokenizer_config.json"), json => json["chat_template"] = "");
        using (GgufFile file = Import(folder)) Assert.False(file.Metadata.Contains("tokenizer.chat_template"));
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), " \n");
        using (GgufFile file = Import(folder)) Assert.False(file.Metadata.Contains("tokenizer.chat_template"));
    }

    [Fact]
    public void All_tokens_of_eos_token_id_and_of_generation_config_end_an_answer()
    {
        string folder = _folder.CopyOf("llama3-rope");
        TestFolder.EditJson(Path.Combine(folder, "config.json"), json => json["eos_token_id"] = new JsonArray(7, 8, -1, 4_000_000_000));
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"eos_token_id": [8, 9], "temperature": 0.6}""");
        using GgufFile file = Import(folder);
        Tokenizer tokenizer = ModelLoader.MakeTokenizer(file);
        Assert.All([7, 8, 9, tokenizer.EosId!.Value], id => Assert.True(tokenizer.IsEndOfGeneration(id), $"{id}"));
        Assert.False(tokenizer.IsEndOfGeneration(10));
        Assert.Equal(7u, file.Metadata.GetUInt32("tokenizer.ggml.eot_token_id")); // for readers that know nothing of ours
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"eos_token_id": "two"}""");
        Assert.Contains("generation_config.json: eos_token_id is no number", Assert.Throws<ModelException>(() => Import(folder)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_token_one_past_the_embedding_is_left_out_with_a_note_and_an_empty_bos_token_is_none()
    {
        string folder = _folder.CopyOf("llama3-rope");
        TestFolder.EditJson(Path.Combine(folder, "tokenizer.json"),
            json => json["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = 512, ["content"] = "[PAD]", ["special"] = true }));
        TestFolder.EditJson(Path.Combine(folder, "tokenizer_config.json"), json => json["pad_token"] = "[PAD]");
        using (HuggingFaceModel model = HuggingFaceModel.Open(folder))
            Assert.Contains("token '[PAD]' has the id 512, and the model's embedding has 512 rows", Assert.Single(model.Notes));
        using (GgufFile file = Import(folder))
            Assert.Equal((512, null), (ModelLoader.MakeTokenizer(file).VocabularySize, ModelLoader.MakeTokenizer(file).FindToken("[PAD]")));

        folder = _folder.CopyOf("llama");
        TestFolder.EditJson(Path.Combine(folder, "tokenizer_config.json"), json => json["bos_token"] = "");
        using (GgufFile file = Import(folder))
            Assert.Equal((null, false), (ModelLoader.MakeTokenizer(file).BosId, ModelLoader.MakeTokenizer(file).AddsBos));
    }

    [Fact]
    public void Prepend_scheme_first_and_legacy_false_put_no_space_after_special_tokens()
    {
        string folder = _folder.PathOf("spm"), config = Path.Combine(folder, "tokenizer_config.json");
        Directory.CreateDirectory(folder);
        foreach (string file in new[] { "tokenizer.model", "tokenizer_config.json" })
            File.Copy(SharedFolder.Require("golden", "hf-tokenizers", "spm", file), Path.Combine(folder, file));
        foreach (bool legacy in new[] { true, false })
        {
            TestFolder.EditJson(config, json => json["legacy"] = legacy);
            Assert.Equal(legacy ? " the</s> the" : " the</s>the", Spelled(folder));
        }

        string jsonFolder = _folder.PathOf("json"), path = Path.Combine(jsonFolder, "tokenizer.json");
        Directory.CreateDirectory(jsonFolder);
        File.Copy(SharedFolder.Require("golden", "hf-tokenizers", "gemma-json", "tokenizer.json"), path);
        foreach ((string scheme, string expected) in new[] { ("first", " the</s>the"), ("always", " the</s> the"),
            ("never", "the</s>the") })
        {
            TestFolder.EditJson(path, json =>
            {
                json["normalizer"] = null;
                json["pre_tokenizer"] =
                    new JsonObject { ["type"] = "Metaspace", ["replacement"] = "▁", ["prepend_scheme"] = scheme, ["split"] = false };
            });
            File.WriteAllText(Path.Combine(jsonFolder, "tokenizer_config.json"), """{"bos_token":"<s>","eos_token":"</s>"}""");
            Assert.Equal(expected, Spelled(jsonFolder));
        }

        // The entries that `the</s>the` becomes, through the keys of a file.
        string Spelled(string source)
        {
            var writer = new GgufWriter();
            foreach ((string key, GgufValue value) in TokenizerKeys.Of(HuggingFaceTokenizer.Read(source, modelConfig: null, rows: 512)))
                writer.Set(key, value);
            string path = _folder.PathOf("tokenizer.gguf");
            writer.Save(path);
            using GgufFile file = GgufFile.Open(path);
            Tokenizer tokenizer = ModelLoader.MakeTokenizer(file);
            return string.Concat(tokenizer.Encode("the</s>the", parseSpecial: true)
                .Select(id => tokenizer.Vocabulary.Data.Tokens.GetText(id))).Replace('▁', ' ');
        }
    }

    [Fact]
    public void Name_licence_and_origin_are_kept()
    {
        string golden = _folder.CopyOf("llama"), cache = Path.Combine(_folder.Root, "models--someone--Some-Model", "snapshots", "0123abc");
        Directory.CreateDirectory(Path.GetDirectoryName(cache)!);
        Directory.Move(golden, cache);
        File.WriteAllText(Path.Combine(cache, "README.md"),
            "---\nlanguage:\n- en\nlicense: apache-2.0\nbase_model: \"other/base\"\n---\n# Title\nlicense: mit\n");
        using GgufFile file = Import(cache);
        Assert.Equal("Some-Model", file.Metadata.GetString("general.name"));
        Assert.Equal("apache-2.0", file.Metadata.GetString("general.license"));
        Assert.Equal("https://huggingface.co/someone/Some-Model/tree/0123abc", file.Metadata.GetString("general.source.repo_url"));
        Assert.Equal("https://huggingface.co/other/base", file.Metadata.GetString("general.base_model.0.repo_url"));
    }

    [Fact]
    public void The_same_folder_makes_the_same_file()
    {
        string folder = _folder.CopyOf("mistral-window"), first = _folder.PathOf("first.gguf"), second = _folder.PathOf("second.gguf");
        using var model = HuggingFaceModel.Open(folder);
        foreach (string path in new[] { first, second }) model.Save(path, _ => { }, CancellationToken.None);
        Assert.Equal(File.ReadAllBytes(first), File.ReadAllBytes(second));
        Assert.Equal(File.GetLastWriteTimeUtc(Path.Combine(folder, "model.safetensors")), File.GetLastWriteTimeUtc(second));
    }

    [Fact]
    public void An_outline_has_the_plan_of_the_file_and_takes_no_weights()
    {
        string folder = _folder.CopyOf("llama"), path = _folder.PathOf("outline.gguf");
        byte[] whole = ImportBytes(folder);
        using (var model = HuggingFaceModel.Open(folder)) model.SaveOutline(path);
        using GgufFile outline = GgufFile.Open(path), file = GgufFile.Open(_folder.PathOf("imported.gguf"));
        Assert.Equal(whole.Length, outline.FileSize);
        Assert.Equal(file.Tensors.Select(tensor => $"{tensor} {tensor.Offset}"),
            outline.Tensors.Select(tensor => $"{tensor} {tensor.Offset}"));
    }

    [Fact]
    public void A_run_that_is_ended_leaves_no_file()
    {
        string folder = _folder.CopyOf("llama"), path = _folder.PathOf("imported.gguf");
        using var cancellation = new CancellationTokenSource();
        using var model = HuggingFaceModel.Open(folder);
        Assert.ThrowsAny<OperationCanceledException>(() => model.Save(path, _ => cancellation.Cancel(), cancellation.Token));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void Tokens_beside_those_of_a_sentencepiece_model_are_added()
    {
        string folder = _folder.CopyOf("llama");
        File.WriteAllText(Path.Combine(folder, "added_tokens.json"), """{"<extra>":500,"<|im_start|>":501}""");
        TestFolder.EditJson(Path.Combine(folder, "tokenizer_config.json"), config =>
        {
            config["added_tokens_decoder"] =
                JsonNode.Parse("""{"2":{"content":"</s>","special":true},"501":{"content":"<|im_start|>","special":true}}""");
            config["bos_token"] = JsonNode.Parse("""{"content":"<|im_start|>"}""");
        });
        using GgufFile file = Import(folder);
        Tokenizer tokenizer = Tokenizer.Create(ModelLoader.ReadTokenizer(file));
        Assert.Equal((501, 500, 512), (tokenizer.BosId, tokenizer.FindToken("<extra>"), tokenizer.VocabularySize));
        Assert.Equal([500], tokenizer.Encode("<extra>"));
        Assert.NotEqual([501], tokenizer.Encode("<|im_start|>"));
        Assert.Equal([501], tokenizer.Encode("<|im_start|>", parseSpecial: true));
    }

    [Fact]
    public void Merges_may_be_pairs_or_texts_and_a_file_of_either_says_the_same()
    {
        string folder = _folder.CopyOf("llama3-rope");
        byte[] before = ImportBytes(folder);
        TestFolder.EditJson(Path.Combine(folder, "tokenizer.json"), root =>
        {
            JsonArray merges = root["model"]!["merges"]!.AsArray();
            for (int i = 0; i < merges.Count; i++) merges[i] = $"{merges[i]![0]} {merges[i]![1]}";
        });
        Assert.Equal(before, ImportBytes(folder));
    }

    [Fact]
    public void What_a_token_takes_of_the_spaces_beside_it_is_kept_in_a_file()
    {
        string folder = _folder.CopyOf("llama3-rope");
        int[] Ids(string text)
        {
            using GgufFile file = Import(folder);
            return ModelLoader.MakeTokenizer(file).Encode(text, parseSpecial: true);
        }

        Assert.NotEqual(Ids("a<|eot_id|>b"), Ids("a<|eot_id|>  b"));
        TestFolder.EditJson(Path.Combine(folder, "tokenizer.json"), root => root["added_tokens"]![2]!["rstrip"] = true);
        Assert.Equal(Ids("a<|eot_id|>b"), Ids("a<|eot_id|>  b"));
        TestFolder.EditJson(Path.Combine(folder, "tokenizer.json"), root => root["added_tokens"]![2]!["single_word"] = true);
        Assert.NotEqual(Ids("a<|eot_id|> b"), Ids("a <|eot_id|> b"));
    }

    private byte[] ImportBytes(string folder)
    {
        Import(folder).Dispose();
        return File.ReadAllBytes(_folder.PathOf("imported.gguf"));
    }

    private GgufFile Import(string folder)
    {
        string path = _folder.PathOf("imported.gguf");
        using (var model = HuggingFaceModel.Open(folder)) model.Save(path, _ => { }, CancellationToken.None);
        return GgufFile.Open(path);
    }
}
