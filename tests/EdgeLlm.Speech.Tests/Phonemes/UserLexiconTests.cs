using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Speech.Tests.Phonemes;

public sealed class UserLexiconTests(VoiceFolder voice) : IClassFixture<VoiceFolder>
{
    [Theory]
    [InlineData("zyxt zɪkst", "line 1: has no tab between the word and its phonemes")]
    [InlineData("# c\n\tzɪkst", "line 2: has no word before the tab")]
    [InlineData("a b\tæ", "line 1: 'a b' is more than one word")]
    [InlineData("ok\toʊkeɪ\nzyxt\t ", "line 2: 'zyxt' has no phonemes")]
    [InlineData("ok\toʊkeɪ\nok\toʊ", "line 2: 'ok' is there already, in line 1")]
    public void A_line_that_is_wrong_is_named(string text, string problem) =>
        Assert.Equal($"mine.tsv, {problem}", Assert.Throws<PhonemeException>(() => UserLexicon.Parse(text, "mine.tsv")).Message);

    [Fact]
    public void A_sign_that_the_voice_lacks_is_refused_with_its_line()
    {
        UserLexicon lexicon = UserLexicon.Parse("ok\toʊkeɪ\nclick\tkʘ", "mine.tsv");
        PhonemeException error = Assert.Throws<PhonemeException>(() => lexicon.For(voice.Phonemizer.Signs));
        Assert.Equal("mine.tsv, line 2: 'click': the voice has no sign 'ʘ' (U+0298)", error.Message);
    }

    [Fact]
    public void Every_pair_of_the_table_is_in_the_voice_s_signs()
    {
        foreach ((string ipa, string sign) in IpaSigns.Table.Where(static pair => pair.Sign.Trim('ˈ').Length > 0))
        {
            string read = IpaSigns.Read(ipa, voice.Phonemizer.Signs);
            Assert.Equal(sign, read);
            Assert.All(read, letter => Assert.True(voice.Phonemizer.Signs.Has(letter), $"{ipa} {letter}"));
        }
    }

    [Theory]
    [InlineData("həˈloʊ", "həlˈO")]
    [InlineData("ˌʌndəˈstænd", "ˌʌndəstˈænd")]
    [InlineData("/tʃɜːrtʃ/", "ʧɜɹʧ")]
    [InlineData("hibˈɑɹi", "hibˈɑɹi")]
    public void A_stress_moves_to_its_vowel(string ipa, string expected) =>
        Assert.Equal(expected, IpaSigns.Read(ipa, voice.Phonemizer.Signs));
}
