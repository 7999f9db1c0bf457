using System.Collections.Frozen;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Words with a full stop that does not end a sentence.</summary>
internal static class Abbreviations
{
    // A name or a word follows, or the sentence goes on in any case.
    private static readonly FrozenSet<string> Before = FrozenSet.Create(StringComparer.Ordinal,
        "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Mt", "Ft", "Gen", "Gov", "Sen", "Rep", "Capt", "Lt", "Col", "Sgt", "Cmdr", "Rev", "Hon",
        "Pres", "Supt", "Cpl", "Maj",
        "Adm", "Fr", "Msgr", "Atty", "Messrs", "Mme", "Mlle", "vs", "v", "cf", "viz", "e.g", "i.e", "approx", "ca",
        "incl", "esp", "resp", "al",
        "Mon", "Tue", "Tues", "Wed", "Thu", "Thurs", "Fri", "Jan", "Feb", "Apr", "Jun", "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec",
        "Hwy", "Apt", "Ste", "Bldg");

    // A number follows; else it may be the sentence's end.
    private static readonly FrozenSet<string> BeforeNumber = FrozenSet.Create(StringComparer.Ordinal,
        "No", "Nos", "no", "nos", "Fig", "fig", "Figs", "figs", "Vol", "vol", "Ch", "ch", "p", "pp", "Sec", "sec", "Eq", "eq", "Art", "art",
        "c", "est", "Rs", "Mar", "Sat", "Sun",
        "Op", "op", "Ref", "ref", "Tab", "tab", "Pt", "pt", "Bk", "ed", "eds", "min", "max", "Ave", "Rd", "Ext", "ext", "Tel", "tel", "Rm");

    /// <summary>Whether the sentence continues after a word and its full stop.</summary>
    /// <param name="word">The word without the full stop.</param>
    /// <param name="next">Character after the space: no lower-case letter.</param>
    /// <param name="beginsLine">Whether the word is the first of its line.</param>
    public static bool GoesOn(ReadOnlySpan<char> word, char next, bool beginsLine)
    {
        if (beginsLine && IsListNumber(word)) return true;
        if (word.Length == 1 && char.IsUpper(word[0])) return word[0] != 'I' || beginsLine;
        if (Before.GetAlternateLookup<ReadOnlySpan<char>>().Contains(word)) return true;
        bool isNumber = char.IsDigit(next) || next is '#' or '$' or '£' or '€' or '~';
        if (isNumber && BeforeNumber.GetAlternateLookup<ReadOnlySpan<char>>().Contains(word)) return true;
        return AreInitials(word);
    }

    /// <summary>The number of an item in a list: `1`, `12`, `a`.</summary>
    private static bool IsListNumber(ReadOnlySpan<char> word) =>
        word.Length is 1 or 2 && (!word.ContainsAnyExceptInRange('0', '9') || word.Length == 1 && char.IsAsciiLetter(word[0]));

    /// <summary>`J.R.R`, `U.S`: capitals with full stops between them. (a.m. and p.m. may end a sentence.)</summary>
    private static bool AreInitials(ReadOnlySpan<char> word)
    {
        if (word.Length < 3 || word.Length % 2 == 0) return false;
        for (int i = 0; i < word.Length; i++)
        {
            if (i % 2 == 0 ? !char.IsUpper(word[i]) : word[i] != '.') return false;
        }
        return word is not ("A.M" or "P.M");
    }
}
