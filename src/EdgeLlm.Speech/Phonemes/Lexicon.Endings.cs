namespace EdgeLlm.Speech.Phonemes;

/// <summary>Words with the endings -s, -ed and -ing, by their stems.</summary>
internal sealed partial class Lexicon
{
    private string? EndingS(string word, string tag, double? stress, WordContext? context)
    {
        if (word.Length < 3 || !word.EndsWith('s')) return null;
        string? stem = null;
        if (!word.EndsWith("ss", StringComparison.Ordinal) && IsKnown(word[..^1])) stem = word[..^1];
        else if ((word.EndsWith("'s", StringComparison.Ordinal) || word.Length > 4 && word.EndsWith("es", StringComparison.Ordinal)
            && !word.EndsWith("ies", StringComparison.Ordinal)) && IsKnown(word[..^2]))
            stem = word[..^2];
        else if (word.Length > 4 && word.EndsWith("ies", StringComparison.Ordinal) && IsKnown(word[..^3] + "y")) stem = word[..^3] + "y";
        return stem is null ? null : AddS(LookUp(stem, tag, stress, context));
    }

    private string? EndingEd(string word, string tag, double? stress, WordContext? context)
    {
        if (word.Length < 4 || !word.EndsWith('d')) return null;
        string? stem = null;
        if (!word.EndsWith("dd", StringComparison.Ordinal) && IsKnown(word[..^1])) stem = word[..^1];
        else if (word.Length > 4 && word.EndsWith("ed", StringComparison.Ordinal)
            && !word.EndsWith("eed", StringComparison.Ordinal) && IsKnown(word[..^2]))
            stem = word[..^2];
        return stem is null ? null : AddEd(LookUp(stem, tag, stress, context));
    }

    private string? EndingIng(string word, string tag, double? stress, WordContext? context)
    {
        if (word.Length < 5 || !word.EndsWith("ing", StringComparison.Ordinal)) return null;
        string? stem = null;
        if (word.Length > 5 && IsKnown(word[..^3])) stem = word[..^3];
        else if (IsKnown(word[..^3] + "e")) stem = word[..^3] + "e";
        else if (word.Length > 5 && (HasDoubled(word) || word.EndsWith("cking", StringComparison.Ordinal)) && IsKnown(word[..^4]))
            stem = word[..^4];
        return stem is null ? null : AddIng(LookUp(stem, tag, stress, context));
    }

    /// <summary>A doubled consonant before -ing, as in `running`.</summary>
    private static bool HasDoubled(string word) => word[^4] == word[^5] && "bcdgklmnprstvxz".Contains(word[^4]);

    private static string? AddS(string? stem)
    {
        if (string.IsNullOrEmpty(stem)) return null;
        if ("ptkfθ".Contains(stem[^1])) return stem + "s";
        return stem + ("szʃʒʧʤ".Contains(stem[^1]) ? "ᵻz" : "z");
    }

    private static string? AddEd(string? stem)
    {
        if (string.IsNullOrEmpty(stem)) return null;
        char last = stem[^1];
        if ("pkfθʃsʧ".Contains(last)) return stem + "t";
        if (last == 'd') return stem + "ᵻd";
        if (last != 't') return stem + "d";
        if (stem.Length < 2) return stem + "ɪd";
        return Signs.IsTapVowel(stem[^2]) ? stem[..^1] + "ɾᵻd" : stem + "ᵻd";
    }

    private static string? AddIng(string? stem)
    {
        if (string.IsNullOrEmpty(stem)) return null;
        return stem.Length > 1 && stem[^1] == 't' && Signs.IsTapVowel(stem[^2]) ? stem[..^1] + "ɾɪŋ" : stem + "ɪŋ";
    }
}
