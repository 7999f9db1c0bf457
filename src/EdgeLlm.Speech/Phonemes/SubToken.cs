using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>A part of a token that is read by itself or with its neighbours.</summary>
internal sealed class SubToken(string text, string tag, bool space)
{
    public string Text { get; } = text;

    public string Tag { get; } = tag;

    /// <summary>Whether a space follows.</summary>
    public bool Space { get; } = space;

    /// <summary>Phonemes once they are known; null before.</summary>
    public string? Phonemes { get; set; }

    /// <summary>The word that is read instead of the text, or null.</summary>
    public string? Alias { get; init; }

    /// <summary>`$`, `£` or `€` where the amount is read with it, else empty.</summary>
    public string Currency { get; init; } = "";

    /// <summary>Whether a noun in the plural follows: 1100 people are not a year.</summary>
    public bool CountsThings { get; init; }

    /// <summary>Whether it is the first of its group.</summary>
    public bool IsHead { get; set; } = true;
}

/// <summary>Cuts tokens into parts, and joins the parts that no space separates into groups: `twenty-one`, `don't`, `ARM64`.</summary>
internal sealed partial class SubTokens
{
    private const string Q = Letters.Apostrophe, L = Letters.Letter;

    private readonly List<List<SubToken>> _groups = [];
    private List<SubToken>? _open;
    private string _currency = "";
    private bool _quoted; // in single quotes

    /// <summary>Words (groups of one) and groups of a sentence, in order.</summary>
    public static List<List<SubToken>> Cut(List<WordToken> tokens)
    {
        var cut = new SubTokens();
        for (int i = 0; i < tokens.Count; i++)
            cut.Add(tokens[i], i > 0 ? tokens[i - 1] : null, i + 1 < tokens.Count ? tokens[i + 1].Tag : null);
        return cut._groups;
    }

    private void Add(WordToken token, WordToken? before, string? nextTag)
    {
        if (token.Text.Length == 1 && BracketOrQuote(token, before) is { } sign)
        {
            _currency = "";
            AddWord(new SubToken(token.Text, token.Tag, token.Space) { Phonemes = sign });
            return;
        }
        if (token.Phonemes is { } given)
        {
            AddWord(new SubToken(token.Text, token.Tag, token.Space) { Phonemes = given });
            return;
        }
        MatchCollection parts = Parts().Matches(token.Text);
        for (int j = 0; j < parts.Count; j++)
        {
            bool isLast = j == parts.Count - 1, space = isLast && token.Space;
            string text = parts[j].Value;
            if (Given(text, token.Tag) is { } phonemes)
            {
                AddWord(new SubToken(text, token.Tag, space) { Phonemes = phonemes });
                continue;
            }
            string currency = "";
            if (_currency.Length > 0)
            {
                if (token.Tag != "CD") _currency = "";
                else if (isLast && nextTag != "CD") (currency, _currency) = (_currency, "");
            }
            if (text == "2" && j > 0 && !isLast && char.IsLetter(parts[j - 1].Value[^1]) && char.IsLetter(parts[j + 1].Value[0]))
                AddWord(new SubToken(text, token.Tag, space) { Alias = "to", Currency = currency });
            else
                AddPart(new SubToken(text, token.Tag, space)
                {
                    Currency = currency,
                    CountsThings = isLast && before?.Tag != "NNP" && nextTag is "NNS" or "NNPS"
                });
        }
    }

    /// <summary>Brackets and quotes by their text: which they are, the tagger knows less well.</summary>
    private string? BracketOrQuote(WordToken token, WordToken? before)
    {
        bool begins = before is null || before.Space, opens = begins && !token.Space;
        if (begins && token.Space && token.Text[0] is '[' or ']' or '{' or '}' or '(' or ')') return ""; // named, not used
        switch (token.Text[0])
        {
            case '(' or '[' or '{': return "(";
            case ')' or ']' or '}': return ")";
            // no part of the word beside it
            case '"' or '“' or '”' or '«' or '»' or '„' when token.Tag is not ("``" or "''" or "\"\"" or "." or "," or ":"): return "";
            case '\'' or '‘' or '’' or '`' when token.Tag is "''" or "``" or "\"\"":
                bool closes = !opens && _quoted;
                _quoted = opens;
                return opens ? "“" : closes ? "”" : ""; // else the apostrophe of a plural
            default: return null;
        }
    }

    /// <summary>Phonemes of a token that is not a word: punctuation, a currency's sign (which is kept for the amount).</summary>
    private string? Given(string text, string tag)
    {
        switch (tag)
        {
            case "$" when text is "$" or "£" or "€":
                _currency = text;
                return "";
            case ":" when text is "-" or "–":
                return "—";
            case "-LRB-" or "-RRB-" or "``" or "\"\"" or "''" or "." or "," or ":" or "$" or "#" or "NFP" when !IsAsciiWord(text):
                return tag switch
                {
                    "-LRB-" => "(",
                    "-RRB-" => ")",
                    "``" => "“",
                    "\"\"" or "''" => "”",
                    _ => string.Concat(text.Where(static c => Signs.Kept.Contains(c))),
                };
            default:
                return null;
        }
    }

    private void AddWord(SubToken word)
    {
        _groups.Add([word]);
        _open = null;
    }

    private void AddPart(SubToken part)
    {
        if (_open is not null && !_open[^1].Space)
        {
            part.IsHead = false;
            _open.Add(part);
            return;
        }
        List<SubToken> group = [part];
        _groups.Add(group);
        _open = part.Space ? null : group;
    }

    private static bool IsAsciiWord(string text)
    {
        foreach (char c in text)
        {
            if (!char.IsAsciiLetter(c)) return false;
        }
        return true;
    }

    [GeneratedRegex(
        $@"\A{Q}+|{Letters.Upper}(?={Letters.Upper}{Letters.Lower})|(?:\A-)?(?:\d?[,.]?\d)+|[-_]+|{Q}{{2,}}|{L}*?(?:{Q}{L})*?{Letters.Lower}(?={Letters.Upper})|{L}+(?:{Q}{L})*|[^\p{{L}}\p{{N}}_\-'‘’]|{Q}+\z")]
    private static partial Regex Parts();
}
