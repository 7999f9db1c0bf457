using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>Vocabularies of 320 tokens, one of each kind of tokenizer.</summary>
internal static class TinyVocabulary
{
    public const int Size = 320;

    private const string Mark = "\u2581";

    private static readonly string[] Words = ["th", "he", "in", "er", "an", "the", "and", "ing", "on", "at"];

    /// <summary>The kinds by GGUF's name of their model.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["llama", "gpt2", "t5", "bert"];

    /// <summary>Sets the keys of a kind.</summary>
    public static void Write(GgufWriter writer, string kind)
    {
        List<(string Text, TokenType Type)> tokens = kind switch
        {
            "gpt2" => ByteLevel(),
            "bert" => WordPiece(),
            _ => SentencePiece(),
        };
        const string Prefix = "tokenizer.ggml.";
        writer.Set(Prefix + "model", GgufValue.Of(kind));
        writer.Set(Prefix + "pre", GgufValue.Of(kind == "gpt2" ? "llama-bpe" : "default"));
        writer.Set(Prefix + "tokens", GgufValue.OfArray([.. tokens.Select(token => token.Text)]));
        writer.Set(Prefix + "token_type", GgufValue.OfArray<int>([.. tokens.Select(token => (int)token.Type)]));
        writer.Set(Prefix + "bos_token_id", GgufValue.Of(1u));
        writer.Set(Prefix + "eos_token_id", GgufValue.Of(2u));
        writer.Set(Prefix + "unknown_token_id", GgufValue.Of(0u));
        writer.Set(Prefix + "add_bos_token", GgufValue.Of(true));
        if (kind == "gpt2") writer.Set(Prefix + "merges", GgufValue.OfArray([.. Merges()]));
        else writer.Set(Prefix + "scores", GgufValue.OfArray<float>([.. tokens.Select((_, id) => -(float)id)]));
    }

    public static List<(string Text, TokenType Type)> SentencePiece()
    {
        List<(string, TokenType)> tokens = [("<unk>", TokenType.Unknown), ("<s>", TokenType.Control), ("</s>", TokenType.Control)];
        for (int value = 0; value < 256; value++) tokens.Add(($"<0x{value:X2}>", TokenType.Byte));
        tokens.Add((Mark, TokenType.Normal));
        foreach (string word in Words) tokens.AddRange([(word, TokenType.Normal), (Mark + word, TokenType.Normal)]);
        return Filled(tokens, TokenType.UserDefined);
    }

    /// <summary>Tokens 0 to 2 are special, then the 256 letters for bytes, then what <see cref="Merges"/> makes of them.</summary>
    public static List<(string Text, TokenType Type)> ByteLevel()
    {
        List<(string, TokenType)> tokens =
            [("<|endoftext|>", TokenType.Control), ("<|im_start|>", TokenType.Control), ("<|im_end|>", TokenType.Control)];
        for (int value = 0; value < 256; value++) tokens.Add((Letter((byte)value), TokenType.Normal));
        tokens.AddRange(Merges().Select(merge => (merge.Replace(" ", "", StringComparison.Ordinal), TokenType.Normal)));
        return Filled(tokens, TokenType.Normal);
    }

    public static IEnumerable<string> Merges() =>
        ["t h", "th e", "i n", "in g", "a n", "an d", "\u0120 th", "\u0120th e", "o n", "e r", "\u0120 a", "h e"];

    private static List<(string Text, TokenType Type)> WordPiece()
    {
        List<(string, TokenType)> tokens = [("[UNK]", TokenType.Unknown), ("[CLS]", TokenType.Control), ("[SEP]", TokenType.Control)];
        for (char letter = '!'; letter <= '~'; letter++)
            tokens.AddRange([(letter.ToString(), TokenType.Normal), (Mark + letter, TokenType.Normal)]);
        foreach (string word in Words) tokens.AddRange([(word + word, TokenType.Normal), (Mark + word, TokenType.Normal)]);
        return Filled(tokens, TokenType.Unused);
    }

    private static List<(string Text, TokenType Type)> Filled(List<(string Text, TokenType Type)> tokens, TokenType type)
    {
        while (tokens.Count < Size) tokens.Add(($"<extra_{tokens.Count}>", type));
        return tokens;
    }

    private static string Letter(byte value)
    {
        Span<byte> utf8 = stackalloc byte[ByteLetters.MaximumLength];
        return Encoding.UTF8.GetString(utf8[..ByteLetters.Write([value], utf8)]);
    }
}
