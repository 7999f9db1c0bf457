using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Reads the words of a sentence, from the last to the first, and joins their phonemes.</summary>
internal sealed class SentenceReader(Lexicon lexicon, UnknownWords unknown)
{
    private const int LongestWord = 64, MostParts = 24;
    private const string Junk = "',-._‘’/";

    /// <summary>The sentence's phonemes, spaces between words; tokens have their tags.</summary>
    public string Read(List<WordToken> tokens)
    {
        List<List<SubToken>> groups = SubTokens.Cut(tokens);
        var context = new WordContext(NextSound.None, ToFollows: false);
        for (int i = groups.Count - 1; i >= 0; i--)
        {
            List<SubToken> group = groups[i];
            if (group.Count > 1)
            {
                ReadGroup(group, ref context);
                continue;
            }
            SubToken word = group[0];
            word.Phonemes ??= lexicon.Read(word, context) ?? ReadUnknown(word.Text, word.Tag);
            context = After(context, word.Phonemes, word.Text, word.Tag);
        }
        return Join(groups);
    }

    /// <summary>The context of the word before one.</summary>
    private static WordContext After(WordContext context, string phonemes, string text, string tag)
    {
        NextSound next = context.Next;
        foreach (char sign in phonemes)
        {
            bool vowel = Signs.IsVowel(sign), stop = Signs.IsStop(sign);
            if (!vowel && !stop && !Signs.IsConsonant(sign)) continue;
            next = vowel ? NextSound.Vowel : stop ? NextSound.None : NextSound.Consonant;
            break;
        }
        return new WordContext(next, text is "to" or "To" || text == "TO" && tag is "TO" or "IN");
    }

    /// <summary>Reads the longest ends of the group that the lexicon knows; all of it by the net where a part is unknown.</summary>
    private void ReadGroup(List<SubToken> group, ref WordContext context)
    {
        WordContext before = context;
        int right = group.Count, left = FirstOf(right);
        while (left < right)
        {
            SubToken merged = right - left == 1 ? group[left] : Merge(group, left, right);
            string? phonemes = lexicon.Read(merged, context);
            if (phonemes is not null)
            {
                group[left].Phonemes = phonemes;
                for (int i = left + 1; i < right; i++) group[i].Phonemes = "";
                context = After(context, phonemes, merged.Text, merged.Tag);
                right = left;
                left = FirstOf(right);
            }
            else if (left + 1 < right)
            {
                left++;
            }
            else
            {
                right--;
                SubToken part = group[right];
                if (part.Text.AsSpan().ContainsAnyExcept(Junk))
                {
                    string text = string.Concat(group.Select(static part => part.Text));
                    group[0].Phonemes = ReadUnknown(text, group[0].Tag);
                    for (int i = 1; i < group.Count; i++) group[i].Phonemes = "";
                    context = After(before, group[0].Phonemes!, text, group[0].Tag);
                    return;
                }
                part.Phonemes = "";
                left = FirstOf(right);
            }
        }
        Balance(group);
    }

    /// <summary>The first part that a word which ends with a part may have: no word of the dictionaries has more parts.</summary>
    private static int FirstOf(int right) => Math.Max(0, right - MostParts);

    private static SubToken Merge(List<SubToken> group, int left, int right)
    {
        string text = string.Concat(group.GetRange(left, right - left).Select(static part => part.Text)), tag = "", currency = "";
        int heaviest = -1;
        for (int i = left; i < right; i++)
        {
            int weight = 0;
            foreach (char c in group[i].Text) weight += char.ToLowerInvariant(c) == c ? 1 : 2;
            if (weight > heaviest) (heaviest, tag) = (weight, group[i].Tag);
            if (string.CompareOrdinal(group[i].Currency, currency) > 0) currency = group[i].Currency;
        }
        return new SubToken(text, tag, group[right - 1].Space) { IsHead = group[left].IsHead, Currency = currency };
    }

    /// <summary>Takes stress from the lighter half of a compound: `twˌɛntiwˈʌn`.</summary>
    private static void Balance(List<SubToken> group)
    {
        if (IsSpaced(group)) return;
        List<SubToken> members = [.. group.Where(static part => part.Phonemes is { Length: > 0 })];
        if (members.Count == 2 && members[0].Text.Length == 1)
        {
            members[1].Phonemes = Signs.ApplyStress(members[1].Phonemes!, -0.5);
            return;
        }
        if (members.Count < 2 || members.Count(static part => part.Phonemes!.Contains(Signs.Primary)) <= (members.Count + 1) / 2) return;
        IEnumerable<SubToken> order =
            members.OrderBy(static part => part.Phonemes!.Contains(Signs.Primary)).ThenBy(static part => Signs.Weight(part.Phonemes!));
        foreach (SubToken part in order.Take(members.Count / 2).ToList()) part.Phonemes = Signs.ApplyStress(part.Phonemes!, -0.5);
    }

    /// <summary>Whether the parts of a group are words of their own: it has a space, a slash or characters of several kinds.</summary>
    private static bool IsSpaced(List<SubToken> group)
    {
        int kinds = 0;
        foreach (SubToken part in group)
        {
            foreach (char c in part.Text)
            {
                if (c is ' ' or '/') return true;
                if (!Junk.Contains(c)) kinds |= char.IsLetter(c) ? 1 : char.IsAsciiDigit(c) ? 2 : 4;
            }
        }
        return (kinds & (kinds - 1)) != 0;
    }

    /// <summary>
    /// Reads a word or group that the lexicon does not know: of compounds with hyphens the parts that it knows, the rest by the net.
    /// </summary>
    private string ReadUnknown(string text, string tag)
    {
        bool isCompound = text.Contains('-') && !text.AsSpan().ContainsAny('/', '.', '~');
        var spoken = new List<string>();
        for (int i = 0; i < text.Length;)
        {
            int start = i;
            if (char.IsDigit(text[i]))
            {
                while (i < text.Length && (char.IsDigit(text[i]) || text[i] == ',' && i + 1 < text.Length && char.IsDigit(text[i + 1])))
                    i++;
                Append(spoken, lexicon.ReadDigits(text[start..i]));
            }
            else if (Letters.IsLetter(text[i]))
            {
                while (i < text.Length
                    && (Letters.IsLetter(text[i]) || text[i] is '\'' or '’' && i + 1 < text.Length && Letters.IsLetter(text[i + 1])))
                    i++;
                string? known = isCompound && i - start > 2 ? lexicon.Read(new SubToken(text[start..i], tag, space: false), default) : null;
                if (known is not null) Append(spoken, known);
                else if (char.IsLetter(text[start])) Append(spoken, ReadByNet(text.AsSpan(start, i - start)));
            }
            else
            {
                Append(spoken, SymbolName(text[i]));
                i++;
            }
        }
        return string.Join(' ', spoken);
    }

    /// <summary>A word by the net; what is longer than any word is spelled.</summary>
    private string? ReadByNet(ReadOnlySpan<char> word) => word.Length <= LongestWord ? unknown.Read(word) : lexicon.Spell(word.ToString());

    private static void Append(List<string> spoken, string? phonemes)
    {
        if (!string.IsNullOrEmpty(phonemes)) spoken.Add(phonemes);
    }

    private static string? SymbolName(char symbol) => symbol switch
    {
        '/' => "slˈæʃ",
        '=' => "ˈikwᵊlz",
        '+' => "plˈʌs",
        '&' => "ænd",
        '@' => "æt",
        '%' => "pəɹsˈɛnt",
        '#' => "hˈæʃ",
        '*' => "ˈæstəɹˌɪsk",
        '~' => "tˈɪldə",
        '^' => "kˈɛɹət",
        '<' => "lˈɛs ðən",
        '>' => "ɡɹˈATəɹ ðən",
        '—' => "—",
        _ => null,
    };

    private static string Join(List<List<SubToken>> groups)
    {
        var sentence = new StringBuilder();
        var word = new StringBuilder();
        foreach (List<SubToken> group in groups)
        {
            bool spaced = group.Count > 1 && IsSpaced(group);
            word.Clear();
            foreach (SubToken part in group)
            {
                if (part.Phonemes is not { Length: > 0 } phonemes) continue;
                if (spaced && word.Length > 0 && word[^1] != ' ') word.Append(' ');
                word.Append(phonemes);
            }
            sentence.Append(word.Replace('ɾ', 'T').Replace('ʔ', 't'));
            if (group[^1].Space) sentence.Append(' ');
        }
        return sentence.ToString().Trim();
    }
}
