using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>The voice's own words of normalization: titles, abbreviations, units, currencies, symbols.</summary>
internal sealed class NormalizationRules
{
    private readonly Dictionary<string, Phrases> _sections = [];

    public NormalizationRules(StringTable table)
    {
        foreach ((string key, byte[] value) in table.Entries())
        {
            int slash = key.IndexOf('/', StringComparison.Ordinal);
            if (slash <= 0 || slash == key.Length - 1) continue;
            string section = key[..slash];
            if (!_sections.TryGetValue(section, out Phrases? phrases)) _sections.Add(section, phrases = new Phrases());
            phrases.Add(key[(slash + 1)..], Encoding.UTF8.GetString(value));
        }
        Symbols =
            [.. (Of("symbols").Items.Where(static item => item.Value.Length >= 3)
                .OrderBy(static item => item.Value[..3], StringComparer.Ordinal)).Select(static item => (item.Key, item.Value[3..]))];
    }

    /// <summary>Titles before a name, without their dot, and their words.</summary>
    public Phrases Titles => Of("titles");

    public Phrases Abbreviations => Of("abbreviations");

    /// <summary>Units: singular and plural, a line each.</summary>
    public Phrases Units => Of("units");

    /// <summary>Currencies: singular and plural, a line each.</summary>
    public Phrases Currencies => Of("currency");

    /// <summary>Words before a Roman numeral that is read as a number, such as chapters.</summary>
    public Phrases RomanCardinals => Of("roman_cardinal");

    /// <summary>Words before a Roman numeral that is read as an ordinal: names of rulers.</summary>
    public Phrases RomanOrdinals => Of("roman_ordinal");

    /// <summary>Symbols and their words, in the order in which they are read.</summary>
    public IReadOnlyList<(string Symbol, string Words)> Symbols { get; }

    private Phrases Of(string section) => _sections.TryGetValue(section, out Phrases? phrases) ? phrases : Phrases.None;
}

/// <summary>Texts with words that stand for them; the longest at a place in a text is found.</summary>
internal sealed class Phrases
{
    public static Phrases None { get; } = new();

    private readonly Dictionary<string, string> _items = [];
    private readonly Dictionary<char, int> _longest = []; // by first character

    public IEnumerable<KeyValuePair<string, string>> Items => _items;

    public void Add(string key, string words)
    {
        _items[key] = words;
        _longest[key[0]] = Math.Max(key.Length, _longest.GetValueOrDefault(key[0]));
    }

    /// <summary>The words of a text, or null.</summary>
    public string? Find(ReadOnlySpan<char> key) =>
        _items.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(key, out string? words) ? words : null;

    /// <summary>The longest key at a place for which what follows is as it should be; its length, or 0.</summary>
    public int LengthAt(string text, int position, Func<string, int, bool> mayFollow)
    {
        if (position >= text.Length || !_longest.TryGetValue(text[position], out int longest)) return 0;
        for (int length = Math.Min(longest, text.Length - position); length > 0; length--)
        {
            if (Find(text.AsSpan(position, length)) is not null && mayFollow(text, position + length)) return length;
        }
        return 0;
    }
}
