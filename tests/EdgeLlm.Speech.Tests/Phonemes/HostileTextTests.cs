using System.Text;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Phonemes;

/// <summary>Texts that nobody should write.</summary>
public sealed class HostileTextTests(VoiceFolder voice) : IClassFixture<VoiceFolder>
{
    private const int Mutants = 1000; // tools/test-phonemes runs 10,000

    private static readonly string[] Seeds =
    [
        "Dr. Smith paid $5.50 at 9:30am on 10/12/2019 for 3 snorfled zyxts.", "[word](/wɜːd/) [a](b)",
        "<speak>Hi<break time=\"1s\"/><prosody rate=\"80%\">you</prosody></speak>",
        "192.168.0.1 https://a.b/c?d=e f@g.org ~/.ssh", "J.R.R. \"quoted\" (brackets) 'n' -- … 1/2 2½ 5'10\" C#",
        "日本語 Москва 😀👍🏽 \u200d\ufe0f <|im_end|>", "**bold** `code` ```\n|a|b|\n# h\n- x",
        "1,234,567.89 -5°C 10km/h £3bn 007 1st 2nd X11R7.7 IV XIV",
    ];

    private static readonly string[] Inserts =
    [
        "\0", "\u0007", "\ud800", "\udfff", "\ufffe", "(", ")", "[", "]", "](", "{", "<", ">", "&", "&amp;", "<!DOCTYPE a>", "<speak>",
        "</speak>", "'", "\"", "’", ".", "...", ",", "-", "--", "_", "/",
        "$", "%", "0", "9999999999999999999999", ":", "\u0301", "\u202e", "ﷺ", "ß", "İ", "ﬁ", "½", "²", "①", "\r\n", "\t", "\u2028",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "I", "'s", "n't",
    ];

    [Fact]
    public void Mutants_of_texts_are_read_within_bounds()
    {
        int count = Environment.GetEnvironmentVariable("EDGELLM_MUTANTS") is { Length: > 0 } all
            ? int.Parse(all, System.Globalization.CultureInfo.InvariantCulture) : Mutants;
        var random = new Random(22);
        var marked = Phonemizer.Open(SharedFolder.Require("models", "voice-heart"), new PhonemizerOptions { Marks = true });
        using (marked)
        {
            for (int mutant = 0; mutant < count; mutant++)
            {
                var text = new StringBuilder(Seeds[random.Next(Seeds.Length)]);
                for (int change = random.Next(1, 12); change > 0; change--)
                {
                    int place = random.Next(text.Length + 1);
                    switch (random.Next(4))
                    {
                        case 0: text.Insert(place, Inserts[random.Next(Inserts.Length)]); break;
                        case 1: text.Insert(place, Seeds[random.Next(Seeds.Length)]); break;
                        case 2: text.Insert(place, (char)random.Next(0x10000)); break;
                        default: text.Remove(place, Math.Min(random.Next(1, 5), text.Length - place)); break;
                    }
                    if (text.Length == 0) text.Append('x');
                }
                try
                {
                    Check(random.Next(3) switch
                    {
                        0 => marked.ReadMarkup(text.ToString()),
                        1 => voice.Phonemizer.Read(text.ToString(), markdown: true),
                        _ => voice.Phonemizer.ReadMarkup(text.ToString()),
                    });
                }
                catch (PhonemeException exception)
                {
                    Assert.DoesNotContain(exception.Message, static c => char.IsControl(c));
                }
            }
        }
    }

    [Theory]
    [InlineData("x")]
    [InlineData("9")]
    [InlineData("(")]
    [InlineData(".")]
    [InlineData("[")]
    [InlineData("a'")]
    [InlineData("A.")]
    [InlineData("-")]
    [InlineData("1,")]
    [InlineData("1.")]
    [InlineData("$1/2-")]
    [InlineData("日")]
    [InlineData("aB1")]
    [InlineData("<a>")]
    [InlineData("@a.")]
    public void Long_texts_of_one_kind_take_work_that_grows_as_they_do(string unit)
    {
        long small = Work(string.Concat(Enumerable.Repeat(unit, 4_000 / unit.Length))),
            large = Work(string.Concat(Enumerable.Repeat(unit, 40_000 / unit.Length)));
        Assert.InRange(large, 0, 11 * Math.Max(small, 20_000));
    }

    [Fact]
    public void Work_and_time_of_ordinary_text_grow_as_it_does()
    {
        string text = string.Join(' ', Seeds[0], Seeds[4], "The kitchen lights are on, and the heating is set to 21 degrees.");
        string small = string.Concat(Enumerable.Repeat(text + " ", 20_000 / text.Length)),
            large = string.Concat(Enumerable.Repeat(text + " ", 200_000 / text.Length));
        Assert.InRange(Work(large), 0, 11 * Work(small));
    }

    [Fact]
    public void A_long_text_is_read_as_it_is_asked_for()
    {
        string text = new('x', 1 << 20);
        long before = voice.Phonemizer.LookUps;
        Assert.Equal(3, voice.Phonemizer.Read(text).Take(3).Count());
        Assert.InRange(voice.Phonemizer.LookUps - before, 0, 200_000);
    }

    private static void Check(IEnumerable<SpokenSentence> sentences)
    {
        foreach (SpokenSentence sentence in sentences)
        {
            Assert.All(sentence.Pieces, static piece => Assert.InRange(piece.Phonemes.Length, 1, PhonemePieces.Most));
            Assert.All(sentence.Pieces, static piece => Assert.InRange(piece.Ids.Count, 3, PhonemePieces.Most + 2));
            Assert.InRange(sentence.Rate, SpeechMarkup.LeastRate, SpeechMarkup.MostRate);
            Assert.InRange(sentence.Break ?? 0, 0, SpeechMarkup.MostBreak);
        }
    }

    /// <summary>Look-ups, phonemes and thousands of multiply-adds.</summary>
    private long Work(string text)
    {
        Phonemizer phonemizer = voice.Phonemizer;
        long lookUps = phonemizer.LookUps, products = phonemizer.MultiplyAdds, phonemes = 0;
        foreach (SpokenSentence sentence in phonemizer.Read(text)) phonemes += sentence.Phonemes.Length;
        return phonemizer.LookUps - lookUps + phonemes + (phonemizer.MultiplyAdds - products) / 1000;
    }
}
