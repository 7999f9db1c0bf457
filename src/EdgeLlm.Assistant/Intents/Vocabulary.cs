using System.Globalization;

namespace EdgeLlm.Assistant.Intents;

/// <summary>Meaning that a phrase may have. One phrase may have several: the rule of a sentence decides.</summary>
internal enum Sign
{
    Turn, On, Off, Set, To, Percent, Half, Full, Light, Lights, All, And, Filler, Polite, Request, Is, In, Ask, It, Warm, Temperature,
    Humidity, Pressure, Brightness, Co2, Distance, Motion,
    Contact, Time, Date, Weather, Timer, For, Begin, Cancel, Left, Second, Minute, Hour, Devices, Yes, No, Quit,

    /// <summary>A number, in digits or words.</summary>
    Number,

    /// <summary>The name of a device.</summary>
    Device,
}

/// <summary>The words of a language and what the assistant says in it, out of `Intents/LANGUAGE.words`.</summary>
internal sealed class Vocabulary
{
    private const string Resources = "EdgeLlm.Assistant.Intents.", Ending = ".words", Answers = "answer.";

    private readonly Dictionary<string, string> _answers = [];

    private Vocabulary(string language, TextReader lines)
    {
        Language = language;
        while (lines.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] == '#') continue;
            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            (string name, string text) = (line[..colon], line[(colon + 2)..]);
            if (name.StartsWith(Answers, StringComparison.Ordinal)) _answers.Add(name[Answers.Length..], text);
            else
            {
                Sign sign = Enum.Parse<Sign>(name, ignoreCase: true);
                foreach (string phrase in text.Split(", ")) Phrases.Add(TextTokens.Of(phrase), sign, 0);
            }
        }
        for (int number = 0; number <= 100; number++)
        {
            foreach (string name in NumberNames.Of(number, language)) Phrases.Add(TextTokens.Of(name), Sign.Number, number);
        }
    }

    /// <summary>All languages, English first.</summary>
    public static IReadOnlyList<Vocabulary> All { get; } = [.. ((string[])["en", "de", "fr", "es"]).Select(Read)];

    /// <summary>Its code, such as en.</summary>
    public string Language { get; }

    /// <summary>Phrases with their signs.</summary>
    public PhraseTable Phrases { get; } = new();

    /// <summary>The language of a code; null where it is not known.</summary>
    public static Vocabulary? Find(string language) => All.FirstOrDefault(one => one.Language == language);

    /// <summary>A text to say, with its places filled.</summary>
    public string Say(string name, params ReadOnlySpan<object> values) =>
        values.IsEmpty ? _answers[name] : string.Format(CultureInfo.InvariantCulture, _answers[name], values);

    /// <summary>A duration in words, such as "1 hour and 30 minutes".</summary>
    public string Duration(TimeSpan duration)
    {
        var parts = new List<string>();
        Add((int)duration.TotalHours, "hour", "hours.count");
        Add(duration.Minutes, "minute", "minutes");
        if (duration.Seconds > 0 || parts.Count == 0) Add(duration.Seconds, "second", "seconds", always: true);
        return parts.Count == 1 ? parts[0] : $"{string.Join(", ", parts[..^1])} {Say("and")} {parts[^1]}";

        void Add(int count, string one, string several, bool always = false)
        {
            if (count > 0 || always) parts.Add(Say(count == 1 ? one : several, count));
        }
    }

    /// <summary>Names in one text: "a, b and c".</summary>
    public string List(IReadOnlyList<string> names) => names.Count switch
    {
        0 => Say("nothing"),
        1 => names[0],
        _ => $"{string.Join(", ", names.Take(names.Count - 1))} {Say("and")} {names[^1]}",
    };

    private static Vocabulary Read(string language)
    {
        using Stream stream = typeof(Vocabulary).Assembly.GetManifestResourceStream(Resources + language + Ending)!;
        using var lines = new StreamReader(stream);
        return new Vocabulary(language, lines);
    }
}

/// <summary>Phrases of words, each with its meanings.</summary>
internal sealed class PhraseTable
{
    private readonly Dictionary<string, List<(string[] Words, Sign Sign, int Value)>> _byFirst = [];

    /// <summary>Adds a phrase, unless it is there with this sign.</summary>
    public void Add(string[] words, Sign sign, int value)
    {
        if (words.Length == 0) return;
        if (!_byFirst.TryGetValue(words[0], out List<(string[] Words, Sign Sign, int Value)>? phrases)) _byFirst[words[0]] = phrases = [];
        if (!phrases.Exists(one => one.Sign == sign && one.Value == value && one.Words.AsSpan().SequenceEqual(words)))
            phrases.Add((words, sign, value));
    }

    /// <summary>Whether a phrase begins with a word.</summary>
    public bool Knows(string word) => _byFirst.ContainsKey(word);

    /// <summary>Phrases with which a text continues.</summary>
    public IEnumerable<(int Words, Sign Sign, int Value)> At(string[] text, int position)
    {
        if (!_byFirst.TryGetValue(text[position], out List<(string[] Words, Sign Sign, int Value)>? phrases)) yield break;
        foreach ((string[] words, Sign sign, int value) in phrases)
        {
            if (text.AsSpan(position).StartsWith(words)) yield return (words.Length, sign, value);
        }
    }
}

/// <summary>Words of a text, as the router compares them.</summary>
internal static class TextTokens
{
    /// <summary>
    /// Words in lower case, marks of letters kept; hyphens and apostrophes part words, except in English shortenings (what's). A character
    /// that is not a letter, digit or mark of a sentence is a word of its own.
    /// </summary>
    public static string[] Of(string text)
    {
        var words = new List<string>();
        var word = new System.Text.StringBuilder();
        string folded = text.Replace('’', '\'').ToLowerInvariant();
        for (int i = 0; i < folded.Length; i++)
        {
            char character = folded[i];
            bool isShortening = character == '\'' && word.Length > 0 && folded[(i + 1)..] is { Length: > 0 } rest && IsShortening(rest);
            bool isDecimal = character is '.' or ',' && word.Length > 0 && char.IsAsciiDigit(word[^1]) && i + 1 < folded.Length
                && char.IsAsciiDigit(folded[i + 1]);
            if (char.IsLetterOrDigit(character) || isShortening || isDecimal)
            {
                if (word.Length > 0 && char.IsAsciiDigit(word[^1]) != char.IsAsciiDigit(character) && !isDecimal
                    && char.IsAsciiDigit(word[^1]))
                    End();
                word.Append(isDecimal ? '.' : character);
                continue;
            }
            End();
            if (!char.IsWhiteSpace(character) && character is not ('.' or ',' or '!' or '?' or ';' or ':' or '-' or '\'' or '¿' or '¡'))
                words.Add(character.ToString());
        }
        End();
        return [.. words];

        void End()
        {
            if (word.Length > 0) words.Add(word.ToString());
            word.Clear();
        }
    }

    /// <summary>How many letters have to change, come or go until two words are equal, as far as that is 0 or 1; else 2.</summary>
    public static int Distance(string first, string second)
    {
        if (Math.Abs(first.Length - second.Length) > 1) return 2;
        int start = first.AsSpan().CommonPrefixLength(second);
        if (start == first.Length && start == second.Length) return 0;
        ReadOnlySpan<char> one = first.AsSpan(start), two = second.AsSpan(start);
        bool isOne = one.Length == two.Length ? one[1..].SequenceEqual(two[1..]) : one.Length > two.Length ? one[1..].SequenceEqual(two)
            : one.SequenceEqual(two[1..]);
        return isOne ? 1 : 2;
    }

    // what's, i'd, don't, you're, we'll
    private static bool IsShortening(string rest)
    {
        foreach (string ending in (string[])["s", "d", "t", "re", "ll", "ve", "m"])
        {
            if (rest.StartsWith(ending, StringComparison.Ordinal)
                && (rest.Length == ending.Length || !char.IsLetterOrDigit(rest[ending.Length])))
                return true;
        }
        return false;
    }
}
