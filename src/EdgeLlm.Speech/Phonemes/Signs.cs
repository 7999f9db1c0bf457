using System.Buffers;
using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Kinds of the phonemes' signs, and how a stress is put on a word. Stress marks are just before the vowel: `həlˈO`.</summary>
internal static class Signs
{
    public const char Primary = 'ˈ', Secondary = 'ˌ';

    /// <summary>Punctuation that the voice has.</summary>
    public const string Kept = ";:,.!?—…\"“”";

    private const string Stops = ";:,.!?—…", TwoWide = "AIOQWYʤʧ";

    private static readonly SearchValues<char> Vowels = SearchValues.Create("AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻ");
    private static readonly SearchValues<char> Consonants = SearchValues.Create("bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθ");
    private static readonly SearchValues<char> TapVowels = SearchValues.Create("AIOWYiuæɑəɛɪɹʊʌ");

    public static bool IsVowel(char sign) => Vowels.Contains(sign);

    public static bool IsConsonant(char sign) => Consonants.Contains(sign);

    public static bool IsStop(char sign) => Stops.Contains(sign);

    /// <summary>Whether a `t` after it is flapped.</summary>
    public static bool IsTapVowel(char sign) => TapVowels.Contains(sign);

    /// <summary>Length of a word's phonemes: diphthongs and affricates count twice.</summary>
    public static int Weight(string phonemes)
    {
        int weight = phonemes.Length;
        foreach (char sign in phonemes)
        {
            if (TwoWide.Contains(sign)) weight++;
        }
        return weight;
    }

    /// <summary>Phonemes with another stress: -2 without marks, -1 to 0.5 weaker, 1 and 2 stronger; null leaves them.</summary>
    public static string ApplyStress(string phonemes, double? stress)
    {
        if (stress is not { } s) return phonemes;
        bool primary = phonemes.Contains(Primary), secondary = phonemes.Contains(Secondary);
        if (s < -1) return phonemes.Replace("ˈ", "", StringComparison.Ordinal).Replace("ˌ", "", StringComparison.Ordinal);
        if (s == -1 || s is 0 or -0.5 && primary) return phonemes.Replace("ˌ", "", StringComparison.Ordinal).Replace(Primary, Secondary);
        if (s is 0 or 0.5 or 1 && !primary && !secondary) return BeforeVowel(phonemes, Secondary);
        if (s >= 1 && !primary && secondary) return phonemes.Replace(Secondary, Primary);
        return s > 1 && !primary && !secondary ? BeforeVowel(phonemes, Primary) : phonemes;
    }

    private static string BeforeVowel(string phonemes, char mark)
    {
        int vowel = phonemes.AsSpan().IndexOfAny(Vowels);
        return vowel < 0 ? phonemes : new StringBuilder(phonemes).Insert(vowel, mark).ToString();
    }
}
