using System.Text.Json;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

/// <summary>The kinds of tokenizers against their own libraries' ids (`../shared/golden/hf-tokenizers`).</summary>
public sealed class HuggingFaceTokenizerTests
{
    [Theory]
    [InlineData("gpt2", "gpt-2")]
    [InlineData("llama3", "dbrx")] // llama3's expression; this vocabulary does not ignore merges
    [InlineData("qwen2", "qwen2")]
    [InlineData("neox", "olmo")]
    [InlineData("starcoder", "starcoder")]
    [InlineData("falcon", "falcon")]
    [InlineData("bloom", "bloom")]
    public void Byte_level_bpe_gives_the_reference_ids(string folder, string pre)
    {
        bool normalizes = folder is "qwen2" or "neox"; // to NFC, which GGUF does not say and llama.cpp does not do
        Tokenizer tokenizer = Tokenizer.Create(HuggingFaceFolders.BytePair(folder, pre));
        Check(folder, tokenizer, true, text => !normalizes || !text.Contains('\u0301', StringComparison.Ordinal));
    }

    [Fact]
    public void WordPiece_gives_the_reference_ids() => Check("bert", Tokenizer.Create(HuggingFaceFolders.WordPiece("bert")), true);

    [Fact]
    public void Unigram_gives_the_reference_ids() =>
        Check("unigram", Tokenizer.Create(HuggingFaceFolders.SentencePiece("unigram", "t5")), false);

    [Fact]
    public void SentencePiece_bpe_gives_the_reference_ids() =>
        Check("spm", Tokenizer.Create(HuggingFaceFolders.SentencePiece("spm", "llama")), false);

    private static void Check(string folder, Tokenizer tokenizer, bool parseSpecial, Func<string, bool>? applies = null)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "hf-tokenizers", "expected.json")));
        foreach (JsonElement item in json.RootElement.GetProperty(folder).EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            if (applies?.Invoke(text) == false) continue;
            Assert.Equal((text, Ids("ids")), (text, string.Join(' ', tokenizer.Encode(text, parseSpecial))));
            // BERT's own decoder also joins words and punctuation, which GGUF does not say.
            string decoded = tokenizer.Decode(tokenizer.Encode(text, parseSpecial), renderSpecial: true);
            if (folder != "bert") Assert.Equal(item.GetProperty("decoded").GetString(), decoded);
            if (folder is "bert" or "unigram" or "spm" or "llama3")
            {
                Assert.Equal((text, Ids("with_special")), (text, string.Join(' ', tokenizer.Encode(text, parseSpecial, addSpecial: true))));
            }

            string Ids(string name) => string.Join(' ', item.GetProperty(name).EnumerateArray().Select(id => id.GetInt32()));
        }
    }
}
