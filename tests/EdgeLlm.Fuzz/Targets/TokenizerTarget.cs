using System.Text;
using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.HuggingFace;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Tokenizers of all kinds: GGUF's keys, tokenizer.json, tokenizer.model.</summary>
internal static class TokenizerTarget
{
    private static readonly string[] Names =
    [
        "added_tokens", "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special", "normalizer", "type", "normalizers",
        "prepend", "pattern", "String", "Regex", "pre_tokenizer", "pretokenizers",
        "ByteLevel", "add_prefix_space", "trim_offsets", "use_regex", "Metaspace", "replacement", "prepend_scheme", "post_processor",
        "processors", "single", "SpecialToken", "Sequence", "decoder", "decoders",
        "model", "vocab", "merges", "byte_fallback", "fuse_unk", "ignore_merges", "continuing_subword_prefix", "unk_token",
        "max_input_chars_per_word", "behavior", "invert", "lowercase", "strip_accents", "split", "unk_id",
        "NFKC", "Replace", "Prepend", "Precompiled", "BertNormalizer", "Split", "Digits", "Punctuation", "WhitespaceSplit",
        "BertPreTokenizer", "content", "individual_digits", "precompiled_charsmap",
        "ByteFallback", "Fuse", "Strip", "WordPiece", "Unigram", "BPE", "Removed", "Isolated", "Contiguous", "MergedWithPrevious",
        "MergedWithNext", "decoders", "start", "stop", "cleanup",
    ];

    private static readonly Lazy<byte[][]> Jsons =
        new(() => [.. TinyFolder.TokenizerJsons().Select(json => Encoding.UTF8.GetBytes(json.ToJsonString()))]);
    private static readonly Lazy<byte[][]> Protos =
        new(() => [TinyFolder.SentencePiece(isUnigram: false), TinyFolder.SentencePiece(isUnigram: true)]);

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        TokenizerData data = dice.Below(5) switch
        {
            0 => FromFolder(current, "tokenizer.json", JsonMutator.Mutate(dice, dice.Of(Jsons.Value), Names)),
            1 => FromFolder(current, "tokenizer.model", Proto(dice)),
            _ => FromGguf(current, GgufMutator.Mutate(dice, dice.Of(Samples.Tokenizers.Value))),
        };
        ModelUse.RoundTrip(Tokenizer.Create(data));
        return null;
    }

    private static byte[] Proto(Dice dice)
    {
        byte[] bytes = dice.Of(Protos.Value);
        for (int count = dice.Mutations(); count > 0; count--) bytes = dice.Damage(bytes);
        return bytes;
    }

    private static TokenizerData FromGguf(FuzzCase current, byte[] bytes)
    {
        string path = current.PathOf("vocabulary.gguf");
        File.WriteAllBytes(path, bytes);
        current.Begin(bytes.Length);
        using GgufFile file = GgufFile.Open(path);
        return ModelLoader.ReadTokenizer(file);
    }

    private static TokenizerData FromFolder(FuzzCase current, string name, byte[] bytes)
    {
        string folder = current.PathOf("tokenizer");
        Directory.CreateDirectory(folder);
        foreach (string old in Directory.GetFiles(folder)) File.Delete(old);
        File.WriteAllBytes(Path.Combine(folder, name), bytes);
        current.Begin(bytes.Length);
        return HuggingFaceTokenizer.Read(folder, null, TinyVocabulary.Size).Data;
    }
}
