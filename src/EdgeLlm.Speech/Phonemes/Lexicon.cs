using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Sound with which the next word begins; none at a pause.</summary>
internal enum NextSound
{
    None,
    Vowel,
    Consonant,
}

/// <summary>Context on which a reading depends besides the word: words are read from the last to the first.</summary>
/// <param name="Next">Sound that follows.</param>
/// <param name="ToFollows">Whether the next word is `to`.</param>
internal readonly record struct WordContext(NextSound Next, bool ToFollows);

/// <summary>
/// Reads words by two dictionaries, rules for endings and letter by letter (the rules of misaki 0.9.4, American English).
/// </summary>
internal sealed partial class Lexicon
{
    private readonly StringTable _gold;
    private readonly StringTable _silver;

    private readonly Dictionary<string, string> _own;

    /// <param name="own">The user's words, which come first, in the voice's signs.</param>
    public Lexicon(TextParts parts, Dictionary<string, string>? own)
    {
        (_gold, _silver) = (parts.Table(TextParts.Gold), parts.Table(TextParts.Silver));
        _own = own ?? [];
    }

    /// <summary>Look-ups so far.</summary>
    public long Work { get; private set; }

    /// <summary>Phonemes of a word or a number; null where neither dictionary nor rules know it.</summary>
    public string? Read(SubToken token, WordContext context)
    {
        string word = ReadableText.Compose(token.Alias ?? token.Text);
        if (word.Length == 0) return null;
        if (Own(word) is { } own) return own;
        double? stress = Letters.EqualsLower(word) ? null : Letters.EqualsUpper(word) ? 2 : 0.5;
        if (ReadWord(word, token.Tag, stress, context) is { } phonemes)
        {
            if (token.Currency.Length == 0) return phonemes;
            return AddS(LookUp(CurrencyName(token.Currency), "", null, null)) is { } name ? $"{phonemes} {name}" : phonemes;
        }
        return IsNumber(word, token.IsHead) ? ReadNumber(word, token.Currency, token.IsHead, token.CountsThings) : null;
    }

    /// <summary>Whether a word has a reading of its own as a verb.</summary>
    public bool IsVerb(string word) => Find(_gold, word) is { } entry && entry.Contains('=') && ReadingOf(entry, "VERB") is not null;

    private string? ReadWord(string word, string tag, double? stress, WordContext context)
    {
        if (ReadSpecial(word, tag, stress, context) is { } special) return special;
        word = LowerWhereKnown(word, tag, stress, context);
        if (IsKnown(word)) return LookUp(word, tag, stress, context);
        if (word.EndsWith("s'", StringComparison.Ordinal) && IsKnown(word[..^2] + "'s"))
            return LookUp(word[..^2] + "'s", tag, stress, context);
        if (word.EndsWith('\'') && IsKnown(word[..^1])) return LookUp(word[..^1], tag, stress, context);
        return ReadEndings(word, tag, stress, context);
    }

    private string? ReadEndings(string word, string tag, double? stress, WordContext context) =>
        EndingS(word, tag, stress, context) ?? EndingEd(word, tag, stress, context) ?? EndingIng(word, tag, stress ?? 0.5, context);

    /// <summary>Words whose reading depends on their part in the sentence or on what follows.</summary>
    private string? ReadSpecial(string word, string tag, double? stress, WordContext context)
    {
        bool isNoun = tag.StartsWith("NN", StringComparison.Ordinal);
        switch (word)
        {
            case "." when tag == "ADD": return LookUp("dot", "", -0.5, context);
            case "/" when tag == "ADD": return LookUp("slash", "", -0.5, context);
            case "%": return LookUp("percent", "", null, context);
            case "&": return LookUp("and", "", null, context);
            case "+": return LookUp("plus", "", null, context);
            case "@": return LookUp("at", "", null, context);
        }
        if (IsDotted(word)) return Spell(word);
        switch (word)
        {
            case "a" or "A": return tag == "DT" ? "ɐ" : "ˈA";
            case "am" or "Am" or "AM":
                if (isNoun) return Spell(word);
                return context.Next == NextSound.None || word != "am" || stress > 0 ? Gold("am") : "ɐm";
            case "an" or "An" or "AN": return word == "AN" && isNoun ? Spell(word) : "ɐn";
            case "I" when tag == "PRP": return "ˌI";
            case "by" or "By" or "BY" when ParentOf(tag) == "ADV": return "bˈI";
            case "to" or "To":
            case "TO" when tag is "TO" or "IN":
                return context.Next switch { NextSound.None => Gold("to"), NextSound.Vowel => "tʊ", _ => "tə" };
            case "in" or "In":
            case "IN" when tag != "NNP":
                return context.Next == NextSound.None || tag != "IN" ? "ˈɪn" : "ɪn";
            case "the" or "The":
            case "THE" when tag == "DT":
                return context.Next == NextSound.Vowel ? "ði" : "ðə";
            case "used" or "Used" or "USED":
                return Entry("used", tag is "VBD" or "JJ" && context.ToFollows ? "VBD" : "DEFAULT");
        }
        return tag == "IN" && word.ToLowerInvariant() is "vs" or "vs." ? LookUp("versus", "", null, context) : null;
    }

    /// <summary>`U.S.`, `e.g.`: letters with dots inside, in parts of one or two.</summary>
    private static bool IsDotted(string word)
    {
        if (!word.AsSpan().Trim('.').Contains('.')) return false;
        int part = 0;
        foreach (char c in word)
        {
            if (c != '.' && !char.IsLetter(c)) return false;
            part = c == '.' ? 0 : part + 1;
            if (part > 2) return false;
        }
        return true;
    }

    /// <summary>The lower form of a word that is written large and known only small.</summary>
    private string LowerWhereKnown(string word, string tag, double? stress, WordContext context)
    {
        if (word.Length < 2 || Letters.EqualsLower(word) || (tag == "NNP" && word.Length <= 7) || InGold(word) || InSilver(word))
            return word;
        if (!Letters.IsAlphabetic(word.Replace("'", "", StringComparison.Ordinal))) return word;
        if (!Letters.EqualsUpper(word) && !Letters.EqualsLower(word.AsSpan(1))) return word;
        string lower = word.ToLowerInvariant();
        return InGold(lower) || InSilver(lower) || ReadEndings(lower, tag, stress, context) is not null ? lower : word;
    }

    private bool IsKnown(string word)
    {
        if (InGold(word) || word is "%" or "&" or "+" or "@" || InSilver(word)) return true;
        foreach (char c in word)
        {
            if (!char.IsAsciiLetter(c)) return false;
        }
        if (word.Length <= 1) return word.Length == 1;
        if (Letters.EqualsUpper(word) && InGold(word.ToLowerInvariant())) return true;
        return Letters.EqualsUpper(word.AsSpan(1));
    }

    private string? LookUp(string word, string tag, double? stress, WordContext? context)
    {
        bool isName = false;
        if (Letters.EqualsUpper(word) && !InGold(word))
        {
            word = word.ToLowerInvariant();
            isName = tag == "NNP";
        }
        string? entry = Gold(word) ?? (isName ? null : Silver(word));
        if (entry is not null && entry.Contains('=')) entry = Choose(entry, tag, context);
        if (string.IsNullOrEmpty(entry) || isName && !entry.Contains(Signs.Primary))
        {
            if (Spell(word) is { } spelled) return spelled;
            if (string.IsNullOrEmpty(entry)) return null;
        }
        return Signs.ApplyStress(entry, stress);
    }

    /// <summary>Letter by letter, the last stressed; null where a character has no name.</summary>
    public string? Spell(string word)
    {
        var phonemes = new StringBuilder();
        foreach (char c in word)
        {
            if (!char.IsLetter(c)) continue;
            if (Gold([char.ToUpperInvariant(c)]) is not { Length: > 0 } name || name.Contains('=')) return null;
            phonemes.Append(name);
        }
        string joined = Signs.ApplyStress(phonemes.ToString(), 0);
        int last = joined.LastIndexOf(Signs.Secondary);
        return joined.Length == 0 ? null : last < 0 ? joined : $"{joined[..last]}{Signs.Primary}{joined[(last + 1)..]}";
    }

    /// <summary>The reading of an entry with several, by what follows, the tag, its parent.</summary>
    private static string? Choose(string entry, string tag, WordContext? context)
    {
        if (context is { Next: NextSound.None } && ReadingOf(entry, "None") is { } atPause) return atPause;
        return ReadingOf(entry, tag) ?? ReadingOf(entry, ParentOf(tag)) ?? ReadingOf(entry, "DEFAULT");
    }

    private static string? ReadingOf(string entry, string tag)
    {
        foreach (Range line in entry.AsSpan().Split('\n'))
        {
            ReadOnlySpan<char> reading = entry.AsSpan(line);
            if (reading.Length > tag.Length && reading[tag.Length] == '=' && reading.StartsWith(tag))
                return reading[(tag.Length + 1)..].ToString();
        }
        return null;
    }

    private static string ParentOf(string tag) => tag switch
    {
        _ when tag.StartsWith("VB", StringComparison.Ordinal) => "VERB",
        _ when tag.StartsWith("NN", StringComparison.Ordinal) => "NOUN",
        _ when tag.StartsWith("ADV", StringComparison.Ordinal) || tag.StartsWith("RB", StringComparison.Ordinal) => "ADV",
        _ when tag.StartsWith("ADJ", StringComparison.Ordinal) || tag.StartsWith("JJ", StringComparison.Ordinal) => "ADJ",
        _ => tag,
    };

    /// <summary>A reading of a word by the name of its tag.</summary>
    private string? Entry(string word, string tag) =>
        Gold(word) is { } entry ? entry.Contains('=') ? ReadingOf(entry, tag) ?? ReadingOf(entry, "DEFAULT") : entry : null;

    private bool InGold(ReadOnlySpan<char> word) => Gold(word) is not null;

    private bool InSilver(ReadOnlySpan<char> word) => Silver(word) is not null;

    /// <summary>The user's reading of a word as it is, or in small letters.</summary>
    private string? Own(ReadOnlySpan<char> word)
    {
        if (_own.Count == 0) return null;
        if (_own.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(word, out string? phonemes)) return phonemes;
        return word.Length <= 64 && _own.TryGetValue(word.ToString().ToLowerInvariant(), out phonemes) ? phonemes : null;
    }

    private string? Gold(ReadOnlySpan<char> word) => Own(word) ?? Find(_gold, word);

    private string? Silver(ReadOnlySpan<char> word) => Find(_silver, word);

    /// <summary>An entry by the word as it is, else by the same with the other case of its first letter.</summary>
    private string? Find(StringTable table, ReadOnlySpan<char> word)
    {
        Work++;
        if (table.Find(word) is { } exact) return exact;
        if (word.Length is < 2 or > 64) return null;
        Span<char> other = stackalloc char[word.Length];
        word.CopyTo(other);
        if (Letters.EqualsLower(word)) other[0] = char.ToUpperInvariant(word[0]);
        else if (Letters.EqualsCapitalized(word)) other[0] = char.ToLowerInvariant(word[0]);
        else return null;
        return other[0] == word[0] ? null : table.Find(other);
    }
}
