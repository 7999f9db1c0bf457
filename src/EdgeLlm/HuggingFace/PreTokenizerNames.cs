using EdgeLlm.Tokenization;

namespace EdgeLlm.HuggingFace;

/// <summary>From the pre-tokenizer of a tokenizer.json, which is a list of ways to split, to the name that GGUF has for it.</summary>
internal static class PreTokenizerNames
{
    private const string ByteLevel = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string AnyCase = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string Capital = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Small = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
        NotLetter = @"[^\r\n\p{L}\p{N}]?";
    private const string Rest = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string PunctuationRuns = "punctuation, in runs";

    // Expressions that GGUF's names write otherwise than tokenizer.json.
    private static readonly (string Name, string[] Split)[] OtherSpellings =
    [
        ("bloom", [@" ?[^(\s|[.,!?…。，、।۔،])]+"]),
        // Digits stand alone in the merges too, so that it is the same whether the runs of them are cut off.
        ("falcon", [PunctuationRuns, ByteLevel, @"\p{N}+", "[0-9][0-9][0-9]"]),
        ("tekken", [NotLetter + Capital + "*" + Small + "+|" + NotLetter + Capital + "+" + Small + @"*|\p{N}" + Rest]),
        ("gpt-4o",
            [NotLetter + Capital + "*" + Small + "+" + AnyCase + "?|" + NotLetter + Capital + "+" + Small + "*" + AnyCase
                + @"?|\p{N}{1,3}" + Rest]),
    ];

    // Names whose own expressions are those of the tokenizer.json, one for each way to split.
    private static readonly string[] Names =
    [
        "llama-bpe", "dbrx", "qwen2", "gpt-2", "starcoder", "deepseek-coder", "deepseek-llm", "deepseek-v3",
        "seed-coder", "qwen35", "exaone-moe",
        "bailingmoe", "minicpm5", "jais-2", "viking", "superbpe", "kimi-k2", "ufakzeka",
    ];

    /// <summary>The name, or null where it splits in a way that has none.</summary>
    public static string? Find(JsonPart preTokenizer, bool ignoresMerges)
    {
        List<string?> split =
            [.. PipelineReader.StepsOf(preTokenizer, "pretokenizers").Select(ExpressionOf).Where(expression => expression != "")];
        if (split.Contains(null)) return null;
        IEnumerable<string> bySpelling = OtherSpellings.Where(other => other.Split.SequenceEqual(split)).Select(other => other.Name);
        IEnumerable<string> byExpressions = Names.Where(name =>
            PreTokenizer.Named(name).Expressions.Select(Plain).SequenceEqual(split.Select(expression => Plain(expression!))));
        return bySpelling.Concat(byExpressions).FirstOrDefault(name => PreTokenizer.Named(name).IgnoresMerges == ignoresMerges);
    }

    /// <summary>The expression that a step splits by; empty where it does not split, null where it does so in another way.</summary>
    private static string? ExpressionOf(JsonPart step)
    {
        switch (step.Require("type").Text())
        {
            case "ByteLevel":
                return step.Find("add_prefix_space")?.Flag() ?? true ? null : step.Find("use_regex")?.Flag() ?? true ? ByteLevel : "";
            case "Split":
                JsonPart behavior = step.Require("behavior");
                // What is left of an inverted pattern that matches everything is the matches.
                bool keepsMatches = behavior.Text() == "Isolated" || behavior.Text() == "Removed" && (step.Find("invert")?.Flag() ?? false);
                return keepsMatches ? step.Require("pattern").Find("Regex")?.Text() : null;
            case "Digits":
                return step.Require("individual_digits").Flag() ? @"\p{N}" : @"\p{N}+";
            case "Punctuation" when step.Find("behavior")?.Text() == "Contiguous":
                return PunctuationRuns;
            default:
                return null;
        }
    }

    /// <summary>
    /// One spelling for what means the same: letters of either case, and a last alternative for the spaces between matches.
    /// </summary>
    private static string Plain(string expression)
    {
        const string Last = @"|\s+", EitherCase = @"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
        string plain = expression.Replace(AnyCase, EitherCase, StringComparison.Ordinal);
        return plain.EndsWith(Last, StringComparison.Ordinal) ? plain[..^Last.Length] : plain;
    }
}
