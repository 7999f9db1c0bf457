using EdgeLlm.HuggingFace;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Folders;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Quantization.Import;

/// <summary>Tokenizers of Hugging Face folders, through the keys of a GGUF file, against their own libraries' ids (`golden/hf-tokenizers`).</summary>
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
    public void Ids_and_texts_are_those_of_the_reference(string name)
    {
        bool parsesSpecial = name is not ("spm" or "unigram");
        Tokenizer tokenizer = Import(SharedFolder.Require("golden", "hf-tokenizers", name));
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
        foreach ((string key, GgufValue value) in TokenizerKeys.Of(HuggingFaceTokenizer.Read(folder, modelConfig: null, Rows))) writer.Set(key, value);
        string path = _folder.PathOf("tokenizer.gguf");
        writer.Save(path);
        using GgufFile file = GgufFile.Open(path);
        return Tokenizer.Create(ModelLoader.ReadTokenizer(file));
    }
}
