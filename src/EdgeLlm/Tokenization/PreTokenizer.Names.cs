namespace EdgeLlm.Tokenization;

internal sealed partial class PreTokenizer
{
    // Facts of the models' tokenizers as llama.cpp's list of names has them. Expressions are put together out of their alternatives;
    // each of these but the first starts with the bar.
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
    private const string Contraction = @"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
    private const string Word = @"[^\r\n\p{L}\p{N}]?\p{L}+";
    private const string Symbols = @"| ?[^\s\p{L}\p{N}]+[\r\n]*";
    private const string SymbolsAndSlashes = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*";
    private const string Spaces = @"|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Llama3 = Contraction + "|" + Word + @"|\p{N}{1,3}" + Symbols + Spaces;
    private const string Qwen2 = Contraction + "|" + Word + @"|\p{N}" + Symbols + Spaces;
    private const string NotLetter = @"[^\r\n\p{L}\p{N}]?";
    private const string Upper = @"((?=[\p{L}])([^a-z]))", Lower = @"((?=[\p{L}])([^A-Z]))";
    private const string UpperOrMark = @"((?=[\p{L}\p{M}])([^a-z]))", LowerOrMark = @"((?=[\p{L}\p{M}])([^A-Z]))";
    private const string Capital = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Small = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string CasedWord = NotLetter + Capital + "*" + Small + "+" + Contraction + "?|"
        + NotLetter + Capital + "+" + Small + "*" + Contraction + "?";
    private const string Cjk = "[一-龥\u3040-\u309F\u30A0-\u30FF]+";
    private const string HanAndHangul = "[一-龥ࠀ-一가-\uD7FF]+";
    private const string AsciiWord = @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+";
    private const string MarkedWord = @"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+";
    private const string DeepSeek = AsciiWord + MarkedWord + @"| ?[\p{P}\p{S}]+[\r\n]*" + Spaces;
    private const string DeepSeekLetters = @"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ"
        + @"Ⴀ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌ"
        + @"ῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ"
        + @"-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
    private const string NoPunctuation = @" ?[^(\s|.,!?…。，、।۔،)]+";
    private const string LinesOrBreaks = @"[^\n]+|[\n]+";

    // Kimi's own expression, whose class "letters but no Han" is written here as look-ahead. llama.cpp has code in its place.
    private const string NoHan = @"(?!\p{Han})";
    private const string Kimi = @"\p{Han}+|" + NotLetter + "(" + NoHan + Capital + ")*(" + NoHan + Small + ")+" + Contraction + "?|"
        + NotLetter + "(" + NoHan + Capital + ")+(" + NoHan + Small + ")*" + Contraction + @"?|\p{N}{1,3}" + Symbols + Spaces;

    /// <summary>The pre-tokenizer of that name.</summary>
    /// <exception cref="TokenizerException">There is none: guessing one would silently give other tokens than the model knows.</exception>
    public static PreTokenizer Named(string name) => name switch
    {
        "default" => new(@"[\p{P}\$\+<=>\^~\|]+", Gpt2, @"\p{N}+", "[0-9][0-9][0-9]"),
        "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "midm-2.0" or "lfm2" or "jina-v5-nano" =>
            new(Llama3) { IgnoresMerges = true, AddsBos = true },
        "glm4" or "glm5" => new(Llama3) { IgnoresMerges = true },
        "dbrx" or "smaug-bpe" or "chatglm-bpe" => new(Llama3),
        "minicpm5" => new(@"\p{N}{1,3}", Contraction + "|" + Word + @"|\p{N}+" + Symbols + Spaces) { IgnoresMerges = true },
        "qwen2" or "deepseek-r1-qwen" or "kormo" or "f2llmv2" or "stablelm2" or "megrez" or "hunyuan" or "grok-2" or "solar-open" =>
            new(Qwen2),
        "qwen35" => new(Contraction + @"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + Spaces),
        "laguna" => new(LinesOrBreaks, Qwen2),
        "ufakzeka" => new(Word + @"|\p{N}" + Symbols + Spaces),
        "seed-coder" => new(Contraction + "|" + Word + @"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + Spaces),
        "bailingmoe" or "bailingmoe2" or "llada-moe" =>
            new("'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|" + Word + @"|\p{N}" + Symbols + @"|\s*[\r\n]|\s+(?!\S)|\s+"),
        "exaone-moe" => new(Contraction + "|" + NotLetter + @"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"
            + @"|\s*[\r\n]|\s+(?!\S)|\s+"),
        "jais-2" => new(Contraction + "|" + Word + @"|\p{N}{1,3}" + Symbols + @"|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)"
            + @"|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"),
        "mpt" or "gpt-2" or "phi-2" or "jina-es" or "jina-de" or "gigachat" or "jina-v2-es" or "jina-v2-de" or "a.x-4.0" or "mellum"
            or "modern-bert" or "olmo" or "jais" or "exaone4" or "trillion" or "granite-docling" => new(Gpt2),
        "jina-v1-en" or "jina-v2-code" or "roberta-bpe" => new(Gpt2) { AddsSeparator = true },
        "starcoder" or "refact" or "command-r" or "smollm" or "codeshell" or "exaone" or "minerva-7b" or "mellum2" => new(@"\p{N}", Gpt2),
        "falcon" => new(@"[\p{P}\$\+<=>\^~\|`]+", Gpt2, "[0-9][0-9][0-9]"),
        "chameleon" => new("<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", @"([\t\n]|    |  )", @"\p{N}",
            @"[\p{P}!-/:-@\[-`{-~]", Gpt2)
        { AddsBos = true },
        "deepseek-coder" => new(@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", HanAndHangul, @"\p{N}"),
        "deepseek-llm" => new(@"[\r\n]", DeepSeekLetters, @"\s?[!-/:-~！-／：-～‘-‟　-。]+", @"\s+$", HanAndHangul, @"\p{N}+"),
        "deepseek-v3" or "hunyuan-dense" or "hy_v4" or "joyai-llm" => new(@"\p{N}{1,3}", Cjk, DeepSeek),
        "spark2_5" => new(@"\p{N}{1,3}", Cjk, AsciiWord + MarkedWord + @"| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+", @"\p{N}"),
        "afmoe" => new(@"\p{AFMoE_digits}", "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+", DeepSeek),
        "youtu" => new("[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + Cjk, CasedWord + @"|\p{N}" + SymbolsAndSlashes + Spaces)
        { IgnoresMerges = true },
        "tiny_aya" or "cohere2moe" => new(@"\d{1,3}(?=(?:\d{3})*\b)", CasedWord + @"|\p{N}{1,3}" + SymbolsAndSlashes + Spaces),
        "tekken" => new(NotLetter + Upper + "*" + Lower + "+|" + NotLetter + Upper + "+" + Lower + @"*|\p{N}" + SymbolsAndSlashes + Spaces)
        { IgnoresMerges = true, AddsBos = true },
        "gpt-4o" or "llama4" or "kanana2" or "talkie" or "minimax-m2" => new(NotLetter + Upper + "*" + Lower + "+" + Contraction + "?|"
            + NotLetter + Upper + "+" + Lower + "*" + Contraction + @"?|\p{N}{1,3}" + SymbolsAndSlashes + Spaces),
        "granite-embed-multi-97m" => new(NotLetter + UpperOrMark + "*" + LowerOrMark + "+" + Contraction + "?|"
            + NotLetter + UpperOrMark + "+" + LowerOrMark + "*" + Contraction + @"?|\p{N}{1,3}" + SymbolsAndSlashes + Spaces)
        { IgnoresMerges = true },
        "poro-chat" or "bloom" or "gpt3-finnish" => new(NoPunctuation),
        "viking" => new(NoPunctuation, @"\p{N}"),
        "superbpe" => new(@"\p{N}+", @"(?=(\d{3})+(?!\d))"),
        "kimi-k2" => new(Kimi),
        "gemma4" or "granite-embed-multi-311m" or "sarvam-moe" => new(LinesOrBreaks) { IsRaw = true, MarksSpaces = true },
        "whitespace" => new(@"\S+") { IsRaw = true },
        _ => throw new TokenizerException($"tokenizer.ggml.pre is '{name}', a way to split text that is not known here"),
    };
}
