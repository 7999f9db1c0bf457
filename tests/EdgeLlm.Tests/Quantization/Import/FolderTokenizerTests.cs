using EdgeLlm.HuggingFace;
using System.Text.Json;
using System.Text.Json.Nodes;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Folders;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Quantization.Import;

/// <summary>
/// Tokenizers of Hugging Face folders, through the keys of a GGUF file, against their own libraries' ids (`golden/hf-tokenizers`).
/// </summary>
public sealed class FolderTokenizerTests : IDisposable
{
    private const int Rows = 512;

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama3")]
    [InlineData("qwen2")]
    [InlineData("neox")]
    [InlineData("bloom")]
    [InlineData("falcon")]
    [InlineData("starcoder")]
    [InlineData("bert")]
    [InlineData("spm")]
    [InlineData("unigram")]
    [InlineData("gemma-json")]
    [InlineData("xlmr")]
    public void Ids_and_texts_are_those_of_the_reference(string name) => Check(name, SharedFolder.Require("golden", "hf-tokenizers", name));

    [Fact]
    public void A_vocabulary_of_words_alone_gives_the_ids_of_its_tokenizer_json()
    {
        string source = SharedFolder.Require("golden", "hf-tokenizers", "bert");
        foreach (string file in new[] { "vocab.txt", "tokenizer_config.json" }) File.Copy(Path.Combine(source, file), _folder.PathOf(file));
        Check("bert", _folder.Root);
    }

    [Theory]
    [InlineData("gpt2", "GPT2Tokenizer")]
    [InlineData("qwen2", "Qwen2TokenizerFast")]
    public void A_vocabulary_with_a_list_of_merges_gives_the_ids_of_its_tokenizer_json(string name, string kind)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "hf-tokenizers", name, "tokenizer.json")))!;
        var vocabulary = (JsonObject)root["model"]!["vocab"]!.DeepClone();
        File.WriteAllText(_folder.PathOf("vocab.json"), vocabulary.ToJsonString());
        IEnumerable<string> merges = root["model"]!["merges"]!.AsArray()
            .Select(merge => merge is JsonArray pair ? $"{pair[0]} {pair[1]}" : merge!.GetValue<string>());
        File.WriteAllText(_folder.PathOf("merges.txt"), "#version: 0.2\n" + string.Join('\n', merges) + "\n");
        var config = new JsonObject { ["tokenizer_class"] = kind };
        foreach ((string field, JsonNode? token) in new[] { "pad_token", "unk_token", "sep_token",
            "cls_token" }.Zip(root["added_tokens"]!.AsArray()))
            config[field] = token!["content"]!.DeepClone();
        File.WriteAllText(_folder.PathOf("tokenizer_config.json"), config.ToJsonString());
        Check(name, _folder.Root);

        config["tokenizer_class"] = "OtherTokenizer";
        File.WriteAllText(_folder.PathOf("tokenizer_config.json"), config.ToJsonString());
        Assert.Contains("tokenizer_class is 'OtherTokenizer', which is not known here without a tokenizer.json",
            Assert.Throws<ModelException>(() => Import(_folder.Root)).Message);
    }

    [Fact]
    public void A_sentencepiece_file_whose_ids_are_not_the_model_s_is_refused()
    {
        File.Copy(SharedFolder.Require("golden", "hf-tokenizers", "unigram", "tokenizer.model"), _folder.PathOf("tokenizer.model"));
        File.WriteAllText(_folder.PathOf("tokenizer_config.json"), """{"tokenizer_class":"XLMRobertaTokenizer"}""");
        Assert.Contains("tokenizer_class is 'XLMRobertaTokenizer', whose ids are not those of tokenizer.model",
            Assert.Throws<ModelException>(() => Import(_folder.Root)).Message);
    }

    private void Check(string name, string folder)
    {
        bool parsesSpecial = name is not ("spm" or "unigram");
        Tokenizer tokenizer = Import(folder);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "hf-tokenizers", "expected.json")));
        JsonElement[] items = [.. json.RootElement.GetProperty(name).EnumerateArray()];
        Assert.NotEmpty(items);
        foreach (JsonElement item in items)
        {
            string text = item.GetProperty("text").GetString()!;
            int[] ids = tokenizer.Encode(text, parsesSpecial);
            Assert.Equal((text, Ids("ids")), (text, string.Join(' ', ids)));
            Assert.Equal((text, Ids("with_special")), (text, string.Join(' ', tokenizer.Encode(text, parsesSpecial, addSpecial: true))));
            Assert.Equal(item.GetProperty("decoded").GetString(), tokenizer.Decode(ids, renderSpecial: true));

            string Ids(string field) => string.Join(' ', item.GetProperty(field).EnumerateArray().Select(id => id.GetInt32()));
        }
    }

    /// <summary>From the folder to the keys of a file, and from those to a tokenizer.</summary>
    private Tokenizer Import(string folder)
    {
        var writer = new GgufWriter();
        foreach ((string key, GgufValue value) in TokenizerKeys.Of(HuggingFaceTokenizer.Read(folder, modelConfig: null, Rows)))
            writer.Set(key, value);
        string path = _folder.PathOf("tokenizer.gguf");
        writer.Save(path);
        using GgufFile file = GgufFile.Open(path);
        return Tokenizer.Create(ModelLoader.ReadTokenizer(file));
    }
}
