using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// A token: its text, whether a space follows, its part of speech once it is known, and phonemes where the text gives them.
/// </summary>
internal sealed class WordToken(string text, bool space)
{
    public string Text { get; } = text;

    public bool Space { get; set; } = space;

    /// <summary>Penn Treebank's tag.</summary>
    public string Tag { get; set; } = "";

    /// <summary>Phonemes given by a mark, or null.</summary>
    public string? Phonemes { get; init; }
}

/// <summary>
/// Cuts normalized text into tokens as the tagger knows them: white space, then special cases, then prefixes and suffixes peeled off, then
/// infixes (spaCy's rules for English).
/// </summary>
internal sealed partial class WordTokenizer(StringTable exceptions)
{
    private const string Punctuation = "…,:;!?¿¡()[]{}<>_#*&。？！，、；：～·", Quotes = "`'\"“”‘´’‚,„»«「」『』（）〔〕【】《》〈〉", Icons = "™®©°§¶†‡•";

    private static readonly string[] Currencies = ["US$", "C$", "A$", .. "$£€¥฿₽₹₩₪₺₴₦₫₱₲₵₸₼₾₿".Select(static sign => sign.ToString())];

    // Longest first: of all that match the longest counts.
    private static readonly string[] Units =
    [
        .. "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K %"
            .Split(' ').OrderByDescending(static unit => unit.Length),
    ];

    /// <summary>Adds the tokens of a text.</summary>
    public void Cut(ReadOnlySpan<char> text, List<WordToken> tokens)
    {
        int position = 0;
        while (position < text.Length)
        {
            if (char.IsWhiteSpace(text[position]))
            {
                position++;
                continue;
            }
            int end = position;
            while (end < text.Length && !char.IsWhiteSpace(text[end])) end++;
            int first = tokens.Count;
            CutChunk(text[position..end].ToString(), tokens);
            if (tokens.Count > first) tokens[^1].Space = end < text.Length;
            position = end;
        }
    }

    private bool IsException(ReadOnlySpan<char> text) => text.Length > 0 && exceptions.TryFind(text, out _);

    private bool AddException(ReadOnlySpan<char> text, List<WordToken> tokens)
    {
        if (exceptions.Find(text) is not { } parts) return false;
        foreach (string part in parts.Split('\n')) tokens.Add(new WordToken(part, space: false));
        return true;
    }

    private void CutChunk(string chunk, List<WordToken> tokens)
    {
        if (AddException(chunk, tokens)) return;
        int first = tokens.Count, start = 0, end = chunk.Length, before = -1;
        var suffixes = new List<string>();
        while (end > start && end - start != before && !IsException(chunk.AsSpan(start, end - start)))
        {
            before = end - start;
            ReadOnlySpan<char> rest = chunk.AsSpan(start, end - start);
            int prefix = PrefixLength(rest), suffix;
            if (prefix > 0 && IsException(rest[prefix..]))
            {
                tokens.Add(new WordToken(rest[..prefix].ToString(), space: false));
                start += prefix;
                break;
            }
            suffix = SuffixLength(rest[prefix..]);
            if (suffix > 0 && IsException(rest[..^suffix]))
            {
                suffixes.Add(rest[^suffix..].ToString());
                end -= suffix;
                break;
            }
            if (prefix > 0)
            {
                tokens.Add(new WordToken(rest[..prefix].ToString(), space: false));
                start += prefix;
            }
            if (suffix > 0 && prefix + suffix <= rest.Length)
            {
                suffixes.Add(rest[^suffix..].ToString());
                end -= suffix;
            }
        }
        if (end > start)
        {
            string middle = chunk[start..end];
            if (!AddException(middle, tokens))
            {
                if (WebAddress().IsMatch(middle)) tokens.Add(new WordToken(middle, space: false));
                else CutInfixes(middle, tokens);
            }
        }
        for (int i = suffixes.Count - 1; i >= 0; i--) tokens.Add(new WordToken(suffixes[i], space: false));
        if (tokens.Count - first > 1) JoinExceptions(tokens, first);
    }

    /// <summary>Three or two tokens that are a special case together take its cut.</summary>
    private void JoinExceptions(List<WordToken> tokens, int first)
    {
        List<WordToken> cut = tokens[first..];
        tokens.RemoveRange(first, cut.Count);
        for (int i = 0; i < cut.Count;)
        {
            int joined = 0;
            for (int count = 3; count >= 2 && joined == 0; count--)
            {
                if (i + count > cut.Count) continue;
                string text = count == 3 ? cut[i].Text + cut[i + 1].Text + cut[i + 2].Text : cut[i].Text + cut[i + 1].Text;
                if (AddException(text, tokens)) joined = count;
            }
            if (joined == 0) tokens.Add(cut[i]);
            i += Math.Max(1, joined);
        }
    }

    private static int PrefixLength(ReadOnlySpan<char> s)
    {
        char c = s[0];
        if (c is '§' or '%' or '=' or '—' or '–') return 1;
        if (c == '+') return s.Length > 1 && s[1] is >= '0' and <= '9' ? 0 : 1;
        if (Punctuation.Contains(c) || Quotes.Contains(c) || Icons.Contains(c)) return 1;
        if (c == '.')
        {
            int dots = 1;
            while (dots < s.Length && s[dots] == '.') dots++;
            return dots > 1 ? dots : 0;
        }
        foreach (string sign in Currencies)
        {
            if (s.StartsWith(sign)) return sign.Length;
        }
        return 0;
    }

    private static int SuffixLength(ReadOnlySpan<char> s)
    {
        if (s.Length == 0) return 0;
        int length = 0;
        char last = s[^1], before = s.Length > 1 ? s[^2] : '\0';
        if (Punctuation.Contains(last) || Quotes.Contains(last) || Icons.Contains(last) || last is '—' or '–') length = 1;
        if (last == '…' && before == '…') length = 2;
        if (last is 's' or 'S' && before is '\'' or '’') length = 2;
        if (last == '.')
        {
            int dots = 1;
            while (dots < s.Length && s[^(dots + 1)] == '.') dots++;
            if (dots > 1) length = dots;
            else if (EndsBeforeDot(s[..^1])) length = 1;
        }
        if (last == '+' && before is >= '0' and <= '9') length = Math.Max(length, 1);
        foreach (string unit in Units)
        {
            if (unit.Length > length && EndsAfterDigit(s, unit)) length = unit.Length;
        }
        foreach (string sign in Currencies)
        {
            if (sign.Length > length && EndsAfterDigit(s, sign)) length = sign.Length;
        }
        return length;
    }

    private static bool EndsAfterDigit(ReadOnlySpan<char> s, string end) =>
        s.Length > end.Length && s.EndsWith(end) && s[^(end.Length + 1)] is >= '0' and <= '9';

    /// <summary>Whether a full stop is a token of its own after this.</summary>
    private static bool EndsBeforeDot(ReadOnlySpan<char> s)
    {
        if (s.Length == 0) return false;
        char last = s[^1], before = s.Length > 1 ? s[^2] : '\0';
        return before == '°' && last is 'F' or 'f' or 'C' or 'c' or 'K' or 'k'
            || last is >= '0' and <= '9' or '%' or '²' or '-' or '+'
            || Letters.IsLower(last) || Punctuation.Contains(last) || Quotes.Contains(last)
            || Letters.IsUpper(last) && Letters.IsUpper(before);
    }

    private static void CutInfixes(string s, List<WordToken> tokens)
    {
        int piece = 0;
        for (int i = 0; i < s.Length;)
        {
            int length = InfixLength(s, i);
            if (length == 0)
            {
                i++;
                continue;
            }
            if (i > 0)
            {
                if (i > piece) tokens.Add(new WordToken(s[piece..i], space: false));
                tokens.Add(new WordToken(s[i..(i + length)], space: false));
                piece = i + length;
            }
            i += length;
        }
        if (piece < s.Length) tokens.Add(new WordToken(s[piece..], space: false));
    }

    private static int InfixLength(string s, int i)
    {
        char c = s[i], before = i > 0 ? s[i - 1] : '\0', after = i + 1 < s.Length ? s[i + 1] : '\0';
        if (c == '.')
        {
            int dots = 1;
            while (i + dots < s.Length && s[i + dots] == '.') dots++;
            if (dots > 1) return dots;
            return (Letters.IsLower(before) || Quotes.Contains(before)) && (Letters.IsUpper(after) || Quotes.Contains(after)) ? 1 : 0;
        }
        if (c == '…' || Icons.Contains(c)) return 1;
        if (c is '+' or '-' or '*' or '^' && before is >= '0' and <= '9' && after is >= '0' and <= '9' or '-') return 1;
        if (c == ',') return Letters.IsLetter(before) && Letters.IsLetter(after) ? 1 : 0;
        bool afterWord = Letters.IsWord(before) && before != '_';
        if (!afterWord) return 0;
        if (c is '-' or '–' or '—' or '~' && Letters.IsLetter(after)) return 1;
        if (c is '-' or '—')
        {
            foreach (string dashes in (ReadOnlySpan<string>)["--", "---", "——"])
            {
                int end = i + dashes.Length;
                if (end < s.Length && string.CompareOrdinal(s, i, dashes, 0, dashes.Length) == 0 && Letters.IsLetter(s[end]))
                    return dashes.Length;
            }
        }
        return c is ':' or '<' or '>' or '=' or '/' && Letters.IsLetter(after) ? 1 : 0;
    }

    [GeneratedRegex(
        @"\A(?:(?:https?://|ftp://|www\.)\S*|[\p{L}\p{N}_.+\-]+@[\p{L}\p{N}_\-]+(?:\.[\p{L}\p{N}_\-]+)+|(?:[\p{L}\p{N}_\-]+\.)+(?:com|org|net|edu|gov|io|co|uk|de|fr|info|biz|us|ca|au|tv|me|ly|ai)(?:/\S*)?)\z",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    public static partial Regex WebAddress();
}
