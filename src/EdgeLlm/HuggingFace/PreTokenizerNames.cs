using EdgeLlm.Tokenization;

namespace EdgeLlm.HuggingFace;

/// <summary>From the pre-tokenizer of a tokenizer.json, which is a list of ways to split, to the name that GGUF has for it.</summary>
internal static class PreTokenizerNames
{
    private const string ByteLevel = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string AnyCase = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string Capital = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Small = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", NotLetter = @"[^\r\n\p{L}\p{N}]?";
    private const string Rest = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string PunctuationRuns = "punctuation, in runs";

    // Expressions that GGUF's names write otherwise than tokenizer.json.
    private static readonly (string Name, string[] Split)[] OtherSpellings =
    [
        ("bloom", [@" ?[^(\s|[.,!?…。，、।۔،])]+"]),
        // Digits stand alone in the merges too, so that it is the same whether the runs of them are cut off.
        ("falcon", [PunctuationRuns, ByteLevel, @"\p{N}+", "[0-9][0-9][0-9]"]),
        ("tekken", [NotLetter + Capital + "*" + Small + "+|" + NotLetter + Capital + "+" + Small + @"*|\p{N}" + Rest]),
        ("gpt-4o", [NotLetter + Capital + "*" + Small + "+" + AnyCase + "?|" + NotLetter + Capital + "+" + Small + "*" + AnyCase + @"?|\p{N}{1,3}" + Rest]),
    ];

    // Names whose own expressions are those of the tokenizer.json, one for each way to split.
    private static readonly string[] Names =
    [
        "llama-bpe", "dbrx", "qwen2", "gpt-2", "starcoder", "deepseek-coder", "deepseek-llm", "deepseek-v3", "seed-coder", "qwen35", "exaone-moe",
        "bailingmoe", "minicpm5", "jais-2", "viking", "superbpe", "kimi-k2", "ufakzeka",
    ];

    /// <exception cref="ModelException">It splits in a way that has no name.</exception>
    public static string Of(JsonPart preTokenizer, bool ignoresMerges)
    {
        var split = new List<string>();
        Flatten(preTokenizer, split);
        IEnumerable<string> bySpelling = OtherSpellings.Where(other => other.Split.SequenceEqual(split)).Select(other => other.Name);
        IEnumerable<string> byExpressions = Names.Where(name => PreTokenizer.Named(name).Expressions.Select(Plain).SequenceEqual(split.Select(Plain)));
        return bySpelling.Concat(byExpressions).FirstOrDefault(name => PreTokenizer.Named(name).IgnoresMerges == ignoresMerges)
            ?? throw preTokenizer.Error($"splits text in a way that is not known here{(ignoresMerges ? " (with ignore_merges)" : "")}: {FolderFile.Printable(string.Join("  ", split))}");
    }

    private static void Flatten(JsonPart preTokenizer, List<string> split)
    {
        JsonPart type = preTokenizer.Require("type");
        switch (type.Text())
        {
            case "Sequence":
                foreach (JsonPart part in preTokenizer.Require("pretokenizers").Items()) Flatten(part, split);
                break;
            case "ByteLevel":
                if (preTokenizer.Require("add_prefix_space") is var prefix && prefix.Flag()) throw prefix.Error("is true, which is not known here");
                if (preTokenizer.Find("use_regex")?.Flag() ?? true) split.Add(ByteLevel);
                break;
            case "Split":
                JsonPart behavior = preTokenizer.Require("behavior");
                // What is left of an inverted pattern that matches everything is the matches.
                bool keepsMatches = behavior.Text() == "Isolated" || behavior.Text() == "Removed" && preTokenizer.Require("invert").Flag();
                if (!keepsMatches) throw behavior.Error($"is '{FolderFile.Printable(behavior.Text())}', which is not known here");
                split.Add(preTokenizer.Require("pattern").Require("Regex").Text());
                break;
            case "Digits":
                split.Add(preTokenizer.Require("individual_digits").Flag() ? @"\p{N}" : @"\p{N}+");
                break;
            case "Punctuation" when preTokenizer.Require("behavior").Text() == "Contiguous":
                split.Add(PunctuationRuns);
                break;
            default:
                throw type.Error($"is '{FolderFile.Printable(type.Text())}', which is not known here");
        }
    }

    /// <summary>One spelling for what means the same: letters of either case, and a last alternative for the spaces between matches.</summary>
    private static string Plain(string expression)
    {
        const string Last = @"|\s+", EitherCase = @"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
        string plain = expression.Replace(AnyCase, EitherCase, StringComparison.Ordinal);
        return plain.EndsWith(Last, StringComparison.Ordinal) ? plain[..^Last.Length] : plain;
    }
}
