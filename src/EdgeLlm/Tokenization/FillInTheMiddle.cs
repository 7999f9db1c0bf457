namespace EdgeLlm.Tokenization;

/// <summary>
/// The tokens by which a model is asked to fill a gap between two texts: as its file names them, else by the texts that families give them.
/// </summary>
/// <param name="Prefix">Begins the text before the gap.</param>
/// <param name="Suffix">Begins the text after it.</param>
/// <param name="Middle">Begins the text that fills it.</param>
public sealed record FillInTheMiddle(int Prefix, int Suffix, int Middle)
{
    /// <summary>Qwen, StarCoder and Refact, CodeGemma and SmolLM, Granite, DeepSeek, CodeLlama, Seed.</summary>
    private static readonly (string Prefix, string Suffix, string Middle)[] Families =
    [
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        ("<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>"),
        ("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"),
        ("<PRE>", "<SUF>", "<MID>"),
        ("[PREFIX]", "[SUFFIX]", "[MIDDLE]"),
        ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    ];

    /// <summary>Those of a vocabulary; null: it has none.</summary>
    public static FillInTheMiddle? Of(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        TokenizerData data = tokenizer.Vocabulary.Data;
        if (tokenizer.Vocabulary.InRange(data.FimPrefixId) is { } prefix && tokenizer.Vocabulary.InRange(data.FimSuffixId) is { } suffix
            && tokenizer.Vocabulary.InRange(data.FimMiddleId) is { } middle) return new FillInTheMiddle(prefix, suffix, middle);
        foreach ((string first, string second, string third) in Families)
        {
            if (tokenizer.FindToken(first) is { } one && tokenizer.FindToken(second) is { } two && tokenizer.FindToken(third) is { } three)
                return new FillInTheMiddle(one, two, three);
        }
        return null;
    }
}
