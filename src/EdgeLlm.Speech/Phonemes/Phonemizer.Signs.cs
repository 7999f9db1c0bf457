namespace EdgeLlm.Speech.Phonemes;

public sealed partial class Phonemizer
{
    /// <summary>Phonemes as `edgellm phonemes` prints them, or in the International Phonetic Alphabet, as one sentence.</summary>
    /// <exception cref="PhonemeException">They have a sign that the voice lacks.</exception>
    internal SpokenSentence ReadSigns(string phonemes)
    {
        // A stop at the end is the voice's; in the alphabet it parts syllables.
        if (!phonemes.All(_signs.Has)) return ReadPhonemes(phonemes);
        return new SpokenSentence { Text = phonemes, Normalized = phonemes, Tokens = [], Phonemes = phonemes, Pieces = Pieces(phonemes) };
    }
}
