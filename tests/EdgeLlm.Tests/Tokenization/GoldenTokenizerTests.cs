using System.Text.Json;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

/// <summary>llama.cpp's own cases, and many more made with it (`../shared/golden/tokenizers`).</summary>
public sealed class GoldenTokenizerTests
{
    public static TheoryData<string> Vocabularies =>
        ["deepseek-coder", "falcon", "gpt-2", "gpt-neox", "llama-spm", "phi-3", "starcoder"];

    public static TheoryData<string> VocabulariesWithCases => [.. Vocabularies.Select(row => row.Data).Where(name => name != "gpt-neox")];

    [Theory]
    [MemberData(nameof(VocabulariesWithCases))]
    public void Every_case_of_llama_cpp_gives_its_ids(string name)
    {
        string input = SharedFolder.Require("golden", "tokenizers", $"ggml-vocab-{name}.gguf");
        Tokenizer tokenizer = GoldenVocabulary.Load($"ggml-vocab-{name}.gguf");
        string[] texts = File.ReadAllText(input + ".inp").Split("\n__ggml_vocab_test__\n");
        string[] ids = File.ReadAllLines(input + ".out");
        Assert.Equal(texts.Length, ids.Length + 1);
        Assert.Empty(texts[^1]);
        for (int i = 0; i < ids.Length; i++)
        {
            Assert.Equal((texts[i], ids[i].Trim()), (texts[i], string.Join(' ', tokenizer.Encode(texts[i]))));
        }
    }

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public void Every_stress_case_gives_the_reference_ids(string name)
    {
        string path = SharedFolder.Require("golden", "tokenizers", $"ggml-vocab-{name}.stress.json");
        Tokenizer tokenizer = GoldenVocabulary.Load($"ggml-vocab-{name}.gguf");
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (JsonElement item in cases.RootElement.EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            int[] expected = [.. item.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            Assert.Equal((text, string.Join(' ', expected)), (text, string.Join(' ', tokenizer.Encode(text))));
            Assert.Equal(text, tokenizer.Decode(expected));
        }
    }
}
