using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.Quantization.Import;

namespace EdgeLlm.Tests.Quantization.Import;

/// <summary>
/// What is wrong with a folder is said in one line that names the file and the field or tensor, and nothing is left behind.
/// </summary>
public sealed class FolderErrorTests : IDisposable
{
    private const string Query = "model.layers.0.self_attn.q_proj.weight";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("hidden_size", null, "config.json: hidden_size is missing")]
    [InlineData("hidden_size", "-64", "config.json: hidden_size is -64")]
    [InlineData("hidden_size", "1e300", "config.json: hidden_size is 1e300")]
    [InlineData("hidden_size", "\"64\"", "config.json: hidden_size is no number")]
    [InlineData("hidden_size", "128", "embed_tokens.weight has the shape [512, 64]; by config.json it should have [512, 128]")]
    [InlineData("num_hidden_layers", "99999999999", "config.json: num_hidden_layers is 99999999999")]
    [InlineData("num_hidden_layers", "3", "has no tensor model.layers.2.")]
    [InlineData("num_hidden_layers", "1", "has the tensor model.layers.1.")]
    [InlineData("num_attention_heads", "0", "config.json: num_attention_heads is 0")]
    [InlineData("num_key_value_heads", "3", "config.json: num_key_value_heads is 3")]
    [InlineData("head_dim", "15", "heads of 15 numbers")]
    [InlineData("vocab_size", "100", "has the id 100, and the model's embedding has 100 rows|has the shape [512, 64]")]
    [InlineData("rms_norm_eps", "-1", "config.json: rms_norm_eps is -1")]
    [InlineData("hidden_act", "\"geglu\"", "config.json: hidden_act is 'geglu'")]
    [InlineData("model_type", "\"mamba\\u001b[31m\"", "config.json: model_type is 'mamba?[31m'")]
    [InlineData("architectures", "[\"LlamaForSequenceClassification\"]", "architectures[0] is 'LlamaForSequenceClassification'")]
    [InlineData("quantization_config", "{\"quant_method\":\"gptq\"}", "config.json: quantization_config is there")]
    [InlineData("rope_scaling", "{\"rope_type\":\"longer\",\"factor\":2}", "config.json: rope_scaling.rope_type is 'longer'")]
    [InlineData("rope_scaling", "{\"rope_type\":\"longrope\",\"factor\":2}",
        "config.json: rope_scaling has no original_max_position_embeddings")]
    [InlineData("rope_scaling",
        "{\"rope_type\":\"longrope\",\"original_max_position_embeddings\":32,\"short_factor\":[1],\"long_factor\":[1,2]}",
        "config.json: rope_scaling.short_factor has not one number")]
    [InlineData("rope_scaling", "{\"rope_type\":\"linear\"}", "config.json: rope_scaling.factor is missing")]
    [InlineData("rope_scaling", "{\"rope_type\":\"linear\",\"factor\":2,\"beta_fast\":1}",
        "config.json: rope_scaling.beta_fast is a setting")]
    [InlineData("rope_scaling", "7", "config.json: rope_scaling is no object")]
    [InlineData("partial_rotary_factor", "0.5", "config.json: partial_rotary_factor is not 1")]
    [InlineData("attention_bias", "true", "has no tensor model.layers.0.self_attn.q_proj.bias")]
    [InlineData("tie_word_embeddings", "1", "config.json: tie_word_embeddings is neither true nor false")]
    public void A_field_of_the_config_that_is_wrong_is_named(string field, string? json, string message)
    {
        string folder = _folder.CopyOf("llama3-rope");
        TestFolder.EditJson(Path.Combine(folder, "config.json"), config =>
        {
            config.Remove(field);
            if (json is not null) config[field] = JsonNode.Parse(json);
        });
        Refuses(folder, message.Split('|'));
    }

    [Theory]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":[64,64],\"data_offsets\":[0,9000000000000000000]}",
        "should lie at 0 to 9000000000000000000")]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":[64,64],\"data_offsets\":[8192,0]}", "should lie at 8192 to 0")]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":[64,64],\"data_offsets\":[-8,8184]}", "data_offsets[0] is -8")]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":[64,64],\"data_offsets\":[0,8192]}", "overlaps another one|has a gap before it")]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":[64,32],\"data_offsets\":[0,8192]}",
        "has 8192 bytes, but BF16 of the shape [64, 32] takes 4096")]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":[9223372036854775807,9223372036854775807],\"data_offsets\":[0,8192]}",
        "has a shape of more than 2^63 bytes")]
    [InlineData("{\"dtype\":\"Q9\",\"shape\":[64,64],\"data_offsets\":[0,8192]}", "has the dtype 'Q9'")]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":[64,64]}", "data_offsets is missing")]
    [InlineData("{\"dtype\":\"BF16\",\"shape\":\"64\",\"data_offsets\":[0,8192]}", "shape is no list")]
    [InlineData("3", "is no object")]
    public void A_tensor_of_the_header_that_is_wrong_is_named(string entry, string message)
    {
        string folder = _folder.CopyOf("llama3-rope");
        var weights = new TestSafetensors(Path.Combine(folder, "model.safetensors"));
        weights.Header[Query] = JsonNode.Parse(entry);
        weights.Save();
        string text = Refuses(folder, message.Split('|'));
        Assert.Contains("model.safetensors", text);
    }

    [Fact]
    public void Weights_that_are_cut_short_or_have_something_behind_them_are_refused()
    {
        string folder = _folder.CopyOf("llama3-rope"), path = Path.Combine(folder, "model.safetensors");
        byte[] whole = File.ReadAllBytes(path);
        foreach (int length in new[] { 0, 7, 8, 100, whole.Length / 2, whole.Length - 1 })
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Contains("model.safetensors: ", Refuses(folder));
        }
        File.WriteAllBytes(path, [.. whole, 0]);
        Refuses(folder, "has 1 bytes behind its last tensor");
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(1ul << 40)]
    [InlineData(1ul << 63)]
    public void A_header_that_says_it_is_huge_is_refused(ulong length)
    {
        string folder = _folder.CopyOf("llama3-rope");
        TestSafetensors.Write(Path.Combine(folder, "model.safetensors"), "{}"u8.ToArray(), [], length);
        Refuses(folder, $"its header should have {length} bytes");
    }

    [Fact]
    public void A_header_of_more_bytes_than_are_read_is_refused()
    {
        string folder = _folder.CopyOf("llama3-rope");
        TestSafetensors.Write(Path.Combine(folder, "model.safetensors"), new byte[(16 << 20) + 1], []);
        Refuses(folder, "more than the 16777216 that are read");
    }

    [Theory]
    [InlineData("7B 22 FF FE 22 3A 31 7D", "header is not valid UTF-8")]
    [InlineData("7B 22 5C 75 64 38 30 30 22 3A 31 7D", "header has an escape that is no Unicode character")] // {"\ud800":1}
    [InlineData("7B 22 61 5C 6E 22 3A 7B 7D 7D", "has a name that has a control character")] // {"a\n":{}}
    [InlineData("7B 22 22 3A 7B 7D 7D", "has a name that is empty")] // {"":{}}
    [InlineData("5B 5D", "header is no JSON object")]
    [InlineData("7B 22 61 22", "header is not valid JSON")]
    public void A_header_that_is_no_text_or_no_header_is_refused(string header, string message)
    {
        string folder = _folder.CopyOf("llama3-rope");
        TestSafetensors.Write(Path.Combine(folder, "model.safetensors"), Convert.FromHexString(header.Replace(" ", "")), []);
        Refuses(folder, message);
    }

    [Fact]
    public void A_tensor_that_is_there_twice_is_refused()
    {
        string folder = _folder.CopyOf("llama3-rope");
        byte[] header = Encoding.UTF8.GetBytes(
            """{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""");
        TestSafetensors.Write(Path.Combine(folder, "model.safetensors"), header, []);
        Refuses(folder, "tensor a is there twice");
    }

    [Theory]
    [InlineData(Query, 0x7FC0)] // not a number
    [InlineData(Query, 0x7F80)] // infinite
    [InlineData("model.norm.weight", 0xFF80)]
    [InlineData("model.embed_tokens.weight", 0xFFFF)]
    public void A_weight_that_is_not_finite_is_refused_and_no_file_is_left(string tensor, int bits)
    {
        string folder = _folder.CopyOf("llama3-rope");
        var weights = new TestSafetensors(Path.Combine(folder, "model.safetensors"));
        BinaryPrimitives.WriteUInt16LittleEndian(weights.Data.AsSpan(weights.StartOf(tensor) + 50), (ushort)bits);
        weights.Save();
        Refuses(folder, $"model.safetensors: tensor {tensor} has a weight that is not finite");
    }

    [Theory]
    [InlineData("F64", "is F64; weights are read as F32, F16 and BF16")]
    [InlineData("I64", "is I64; weights are read as F32, F16 and BF16")]
    public void A_tensor_of_another_type_is_refused(string type, string message)
    {
        string folder = _folder.CopyOf("llama3-rope");
        var weights = new TestSafetensors(Path.Combine(folder, "model.safetensors"));
        int end = weights.Data.Length;
        weights.Data = [.. weights.Data, .. new byte[64 * 64 * 8]];
        // The old place stays taken, so that there is no gap.
        weights.Header["model.layers.0.self_attn.rotary_emb.inv_freq"] = weights.Header[Query]!.DeepClone();
        weights.Header[Query] = JsonNode.Parse($$"""{"dtype":"{{type}}","shape":[64,64],"data_offsets":[{{end}},{{end + 64 * 64 * 8}}]}""");
        weights.Save();
        Refuses(folder, $"tensor {Query} {message}");
    }

    [Fact]
    public void A_shard_that_is_missing_or_lies_elsewhere_is_named()
    {
        string folder = _folder.CopyOf("llama"), index = Path.Combine(folder, "model.safetensors.index.json");
        const string Second = "model-00002-of-00002.safetensors";
        File.Move(Path.Combine(folder, Second), Path.Combine(folder, "elsewhere"));
        Refuses(folder, $"is in {Second}, and that file is missing");
        File.Move(Path.Combine(folder, "elsewhere"), Path.Combine(folder, Second));
        TestFolder.EditJson(index, json => json["weight_map"]!["model.norm.weight"] = "../" + Second);
        Refuses(folder,
            "weight_map.model.norm.weight is '../model-00002-of-00002.safetensors', not the name of a safetensors file in the same folder");
        TestFolder.EditJson(index, json => json["weight_map"]!["model.norm.weight"] = "model-00001-of-00002.safetensors");
        Refuses(folder, "weight_map.model.norm.weight should be in model-00001-of-00002.safetensors, but that has no such tensor");
        TestFolder.EditJson(index, json => json["weight_map"]!["model.norm.weight"] = 5);
        Refuses(folder, "weight_map.model.norm.weight is no text");
        File.Delete(index);
        Refuses(folder, "has neither model.safetensors nor pytorch_model.bin, nor one of them followed by .index.json");
    }

    [Fact]
    public void A_tensor_in_two_shards_is_refused()
    {
        string folder = _folder.CopyOf("llama");
        File.Copy(Path.Combine(folder, "model-00002-of-00002.safetensors"), Path.Combine(folder, "again.safetensors"));
        TestFolder.EditJson(Path.Combine(folder, "model.safetensors.index.json"),
            json => json["weight_map"]!["model.norm.weight"] = "again.safetensors");
        Refuses(folder, "is in model-00002-of-00002.safetensors too", "is in again.safetensors too");
    }

    [Fact]
    public void Weights_of_another_form_and_a_folder_of_something_else_are_refused()
    {
        string folder = _folder.CopyOf("llama3-rope");
        File.Move(Path.Combine(folder, "model.safetensors"), Path.Combine(folder, "pytorch_model.bin"));
        Refuses(folder, "pytorch_model.bin: is no zip archive");
        File.Delete(Path.Combine(folder, "config.json"));
        Refuses(folder, "is a folder without config.json");
    }

    [Fact]
    public void A_tokenizer_that_is_missing_or_not_understood_is_named()
    {
        string folder = _folder.CopyOf("llama3-rope"), path = Path.Combine(folder, "tokenizer.json");
        string original = File.ReadAllText(path);
        Edit(root => root["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = @"(?<a>x)\k<a>",
            "tokenizer.json: pre_tokenizer.pretokenizers[0].pattern.Regex has something that is not known here, at 1 in the expression "
                + "(?<a>");
        Edit(root => root["model"]!["type"] = "Unigram", "model.vocab is no list");
        Edit(root => root["model"]!["type"] = "WordLevel", "model has the type 'WordLevel'");
        Edit(root => root["model"]!["vocab"]!["!"] = 700, "token '!' has the id 700, and the model's embedding has 512 rows");
        Edit(root => root["model"]!["vocab"]!["!"] = -1, "model.vocab.! is -1");
        Edit(root => root["model"]!["merges"]![3] = "abc", "model.merges[3] is not a pair");
        Edit(root => root["model"]!["dropout"] = 0.1, "model.dropout is not 0");
        Edit(root => root["model"]!["unk_token"] = "<none>", "model.unk_token is '<none>', which is no token");
        Edit(root => root["normalizer"] = JsonNode.Parse("""{"type":"Nmt"}"""), "normalizer.type is 'Nmt'");
        Edit(root => root["post_processor"] = JsonNode.Parse("""{"type":"OtherProcessing"}"""), "post_processor.type is 'OtherProcessing'");
        Edit(root => root["post_processor"] = JsonNode.Parse("""{"type":"BertProcessing","cls":[],"sep":["x",1]}"""),
            "post_processor.cls is empty");
        Edit(root => root["pre_tokenizer"] = JsonNode.Parse("""{"type":"UnicodeScripts"}"""), "pre_tokenizer.type is 'UnicodeScripts'");
        Edit(root => root["decoder"] = JsonNode.Parse("""{"type":"CTC"}"""), "decoder.type is 'CTC'");
        Edit(root => root.Remove("model"), "tokenizer.json: model is missing");
        TestFolder.EditJson(Path.Combine(folder, "tokenizer_config.json"), config => config["bos_token"] = "<nothing>");
        Edit(_ => { }, "tokenizer_config.json: bos_token is '<nothing>', which is no token");
        File.Delete(path);
        Refuses(folder, "has no tokenizer: neither tokenizer.json nor tokenizer.model, nor vocab.json with merges.txt, nor vocab.txt");

        void Edit(Action<JsonObject> change, string message)
        {
            File.WriteAllText(path, original);
            TestFolder.EditJson(path, change);
            Refuses(folder, message);
        }
    }

    [Fact]
    public void A_sentencepiece_model_that_is_damaged_is_refused()
    {
        string folder = _folder.CopyOf("llama"), path = Path.Combine(folder, "tokenizer.model");
        byte[] whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..^3]);
        Refuses(folder, "tokenizer.model: is no SentencePiece model, or cut short");
        File.WriteAllBytes(path, []);
        Refuses(folder, "tokenizer.model: has no pieces");
        File.WriteAllBytes(path, [.. "IQ== 0\nIg== 1\n"u8]); // tiktoken's form, which Llama 3 has under the same name
        Refuses(folder, "is no SentencePiece model");
    }

    /// <summary>The folder is refused with one line that has one of the texts, and no file is written.</summary>
    private string Refuses(string folder, params string[] messages)
    {
        string target = _folder.PathOf("target.gguf");
        ModelException exception = Assert.Throws<ModelException>(() =>
        {
            using var model = HuggingFaceModel.Open(folder);
            model.Save(target, _ => { }, CancellationToken.None);
        });
        Assert.True(messages.Length == 0 || messages.Any(message => exception.Message.Contains(message, StringComparison.Ordinal)),
            exception.Message);
        Assert.DoesNotContain(exception.Message, letter => char.IsControl(letter));
        Assert.Equal([folder], Directory.GetFileSystemEntries(_folder.Root));
        return exception.Message;
    }
}
