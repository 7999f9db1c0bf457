using System.Text;
using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

public sealed partial class Phonemizer
{
    /// <summary>
    /// Phonemes as `edgellm phonemes` prints them, or in the International Phonetic Alphabet, as one sentence. A full stop at a word's end,
    /// quotes and brackets are the voice's, as in a text; a full stop within a word is the alphabet's, and parts syllables.
    /// </summary>
    /// <exception cref="PhonemeException">They have a sign that the voice lacks, or are none.</exception>
    internal SpokenSentence ReadSigns(string phonemes)
    {
        var signs = new StringBuilder();
        int copied = 0;
        foreach (Match pause in PauseSigns().Matches(phonemes))
        {
            if (copied < pause.Index) signs.Append(IpaSigns.Read(phonemes[copied..pause.Index], _signs));
            signs.Append(pause.Value);
            copied = pause.Index + pause.Length;
        }
        if (copied < phonemes.Length || copied == 0) signs.Append(IpaSigns.Read(phonemes[copied..], _signs));
        string read = signs.ToString();
        return new SpokenSentence { Text = phonemes, Normalized = phonemes, Tokens = [], Phonemes = read, Pieces = Pieces(read) };
    }

    // With the spaces around them, which are kept.
    [GeneratedRegex(@"\s*(?:\.(?=[\s.“”""()]|$)|[“”""()])[\s.“”""()]*")]
    private static partial Regex PauseSigns();
}
