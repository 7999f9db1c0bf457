using System.Collections.Frozen;
using System.Text;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's full case mappings, where .NET has only those that keep the length (Unicode's SpecialCasing.txt).</summary>
internal static class SpecialCasing
{
    // Each entry: a character and what it becomes in upper case.
    private const string UpperMappings =
        "ßSS \u0131I \u017fS ŉʼN ǰJ\u030c ΐΙ\u0308\u0301 ΰΥ\u0308\u0301 ևԵՒ ẖH\u0331 ẗT\u0308 ẘW\u030a ẙY\u030a ẚAʾ ὐΥ\u0313 " +
        "ὒΥ\u0313\u0300 ὔΥ\u0313\u0301 ὖΥ\u0313\u0342 ᾀἈΙ ᾁἉΙ ᾂἊΙ ᾃἋΙ ᾄἌΙ ᾅἍΙ ᾆἎΙ ᾇἏΙ ᾈἈΙ ᾉἉΙ ᾊἊΙ ᾋἋΙ ᾌἌΙ ᾍἍΙ ᾎἎΙ ᾏἏΙ " +
        "ᾐἨΙ ᾑἩΙ ᾒἪΙ ᾓἫΙ ᾔἬΙ ᾕἭΙ ᾖἮΙ ᾗἯΙ ᾘἨΙ ᾙἩΙ ᾚἪΙ ᾛἫΙ ᾜἬΙ ᾝἭΙ ᾞἮΙ ᾟἯΙ ᾠὨΙ ᾡὩΙ ᾢὪΙ ᾣὫΙ ᾤὬΙ ᾥὭΙ ᾦὮΙ ᾧὯΙ ᾨὨΙ ᾩὩΙ ᾪὪΙ ᾫὫΙ " +
        "ᾬὬΙ ᾭὭΙ ᾮὮΙ ᾯὯΙ ᾲᾺΙ ᾳΑΙ ᾴΆΙ ᾶΑ\u0342 ᾷΑ\u0342Ι ᾼΑΙ ῂῊΙ ῃΗΙ ῄΉΙ ῆΗ\u0342 ῇΗ\u0342Ι ῌΗΙ ῒΙ\u0308\u0300 " +
        "\u1fd3Ι\u0308\u0301 ῖΙ\u0342 ῗΙ\u0308\u0342 ῢΥ\u0308\u0300 \u1fe3Υ\u0308\u0301 ῤΡ\u0313 ῦΥ\u0342 ῧΥ\u0308\u0342 " +
        "ῲῺΙ ῳΩΙ ῴΏΙ ῶΩ\u0342 ῷΩ\u0342Ι ῼΩΙ ﬀFF ﬁFI ﬂFL ﬃFFI ﬄFFL ﬅST ﬆST ﬓՄՆ ﬔՄԵ ﬕՄԻ ﬖՎՆ ﬗՄԽ";

    private static readonly FrozenDictionary<char, string> Upper =
        UpperMappings.Split(' ').ToFrozenDictionary(entry => entry[0], entry => entry[1..]);

    public static string ToUpper(string text)
    {
        string simple = text.ToUpperInvariant();
        if (!simple.AsSpan().ContainsAnyExceptInRange('\0', '\x7f')) return simple;
        StringBuilder full = new(simple.Length);
        foreach (char character in simple)
        {
            if (Upper.TryGetValue(character, out string? mapped)) full.Append(mapped);
            else full.Append(character);
        }
        return full.ToString();
    }

    public static string ToLower(string text)
    {
        string lower = text.ToLowerInvariant();
        if (text.Contains('\u03a3')) lower = WithFinalSigmas(text, lower);
        return lower.Replace("\u0130", "i\u0307").Replace('\u212a', 'k');
    }

    /// <summary>The form of a first letter: upper case, of which only the first letter stays so where it becomes several.</summary>
    public static string ToTitle(string letter)
    {
        string upper = ToUpper(letter);
        return upper.Length > letter.Length ? upper[..1] + ToLower(upper[1..]) : upper;
    }

    private static string WithFinalSigmas(string text, string lower)
    {
        char[] characters = lower.ToCharArray();
        for (int i = 1; i < text.Length; i++)
        {
            bool endsWord = char.IsLetter(text[i - 1]) && (i + 1 == text.Length || !char.IsLetter(text[i + 1]));
            if (text[i] == '\u03a3' && endsWord) characters[i] = '\u03c2';
        }
        return new string(characters);
    }
}
