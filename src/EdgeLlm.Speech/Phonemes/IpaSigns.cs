using System.Globalization;
using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Phonemes, SSML or a lexicon that can't be read: the message says why in one line.</summary>
public sealed class PhonemeException(string message) : FormatException(message);

/// <summary>
/// Writes the International Phonetic Alphabet in the signs of the voice, which has single signs for diphthongs and affricates
/// (docs/phonemes.md).
/// </summary>
internal static class IpaSigns
{
    // Longer ones first. What stands for nothing is not heard: length, syllable borders, ties.
    private static readonly (string Ipa, string Sign)[] Pairs =
    [
        ("t͡ʃ", "ʧ"), ("d͡ʒ", "ʤ"), ("t͜ʃ", "ʧ"), ("d͜ʒ", "ʤ"), ("ɪ̈", "ᵻ"), ("l̩", "ᵊl"), ("n̩", "ᵊn"), ("m̩", "ᵊm"), ("ɹ̩", "əɹ"),
        ("r̩", "əɹ"), ("aɪ", "I"), ("aɪ̯", "I"), ("eɪ", "A"),
        ("oʊ", "O"), ("əʊ", "O"), ("aʊ", "W"), ("ɔɪ", "Y"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("ɜːɹ", "ɜɹ"), ("g", "ɡ"), ("r", "ɹ"),
        ("ɝ", "ɜɹ"), ("ɚ", "əɹ"), ("˞", "ɹ"),
        ("e", "ɛ"), ("o", "O"), ("a", "ɑ"), ("ɒ", "ɑ"), ("Q", "O"), ("ɨ", "ᵻ"), ("ɫ", "l"), ("ʍ", "w"), ("x", "k"), ("ɾ", "T"), ("ʔ", "t"),
        ("'", "ˈ"), ("ː", ""), ("ˑ", ""), (".", ""),
        ("‿", ""), ("͡", ""), ("͜", ""), ("̯", ""), ("ʰ", ""),
    ];

    // What the voice has learned; its list of signs has more, of other languages.
    private const string Spoken = "AIOWYTbdfhijklmnpstuvwzæðŋɐɑɔəɛɜɡɪɹʃʊʌʒʤʧθᵊᵻˈˌ ,;:!?—…";

    /// <summary>The table as documents show it.</summary>
    public static IReadOnlyList<(string Ipa, string Sign)> Table => Pairs;

    /// <summary>Phonemes in the voice's signs, a stress just before its vowel.</summary>
    /// <exception cref="PhonemeException">It has a sign that the voice lacks, or none.</exception>
    public static string Read(string ipa, VoiceSigns voice)
    {
        string text = ipa.Trim().Trim('/');
        var signs = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length;)
        {
            (string Ipa, string Sign) found = Longest(text, i);
            if (found.Ipa is not null)
            {
                signs.Append(found.Sign);
                i += found.Ipa.Length;
                continue;
            }
            if (!Rune.TryGetRuneAt(text, i, out Rune rune) || rune.Value > 0xFFFF || !Spoken.Contains((char)rune.Value)
                || !voice.Has((char)rune.Value))
                throw new PhonemeException($"the voice has no sign {Shown(text, i)}");
            signs.Append((char)rune.Value);
            i++;
        }
        string phonemes = MoveStress(signs.ToString()).Trim();
        return phonemes.Length > 0 ? phonemes : throw new PhonemeException("there are no phonemes");
    }

    private static (string Ipa, string Sign) Longest(string text, int position)
    {
        (string Ipa, string Sign) best = default;
        foreach ((string ipa, string sign) in Pairs)
        {
            if ((best.Ipa is null || ipa.Length > best.Ipa.Length) && string.CompareOrdinal(text, position, ipa, 0, ipa.Length) == 0)
                best = (ipa, sign);
        }
        return best;
    }

    /// <summary>The alphabet marks a stressed syllable, the voice its vowel: `həˈlO` becomes `həlˈO`.</summary>
    private static string MoveStress(string signs)
    {
        var moved = new StringBuilder(signs.Length);
        char mark = '\0';
        foreach (char sign in signs)
        {
            bool isVowel = Signs.IsVowel(sign) || sign is 'ɐ' or 'ᵊ';
            if (mark != '\0' && (isVowel || sign == ' ' || sign is Signs.Primary or Signs.Secondary))
            {
                if (isVowel) moved.Append(mark);
                mark = '\0';
            }
            if (sign is Signs.Primary or Signs.Secondary) mark = sign;
            else moved.Append(sign);
        }
        return moved.ToString();
    }

    private static string Shown(string text, int position)
    {
        if (!Rune.TryGetRuneAt(text, position, out Rune rune)) return "half a character";
        bool isMark = Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark;
        return $"'{Printable.Line($"{(isMark ? " " : "")}{rune}")}' (U+{rune.Value:X4})";
    }
}
