using System.Text;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

/// <summary>Unicode's form C. The cases are Unicode's own (UAX 15 and NormalizationTest.txt).</summary>
public sealed class CanonicalCompositionTests
{
    [Theory]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("a\u0323\u0306 a\u0306\u0323", "\u1EB7 \u1EB7")] // marks in either order
    [InlineData("\u1E0A\u0323", "\u1E0C\u0307")] // the nearer mark first
    [InlineData("s\u0307\u0323", "\u1E69")]
    [InlineData("a\u0301\u0301", "\u00E1\u0301")] // a second mark of the same class stays
    [InlineData("\u212B \u2126", "\u00C5 \u03A9")] // singletons
    [InlineData("\u0958", "\u0915\u093C")] // excluded from composition
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\u1100\u1161\u11A8 \u1100\u1161 \uAC00\u11A8", "\uAC01 \uAC00 \uAC01")] // Hangul
    [InlineData("\uAC01", "\uAC01")]
    [InlineData("\u0B47\u0300\u0B3E", "\u0B47\u0300\u0B3E")] // a mark between blocks (Corrigendum 5)
    [InlineData("\uF900", "\u8C48")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("\U00011099\U000110BA", "\U0001109A")]
    [InlineData("\u0301e", "\u0301e")]
    [InlineData("fi \uFB01 \u00BD", "fi \uFB01 \u00BD")] // compatibility is not canonical
    public void Texts_become_their_form_C(string text, string composed)
    {
        byte[] result = CanonicalComposition.Compose(Encoding.UTF8.GetBytes(text));
        Assert.Equal(composed, Encoding.UTF8.GetString(result));
        Assert.Equal(result, CanonicalComposition.Compose(result));
        Assert.True(text == composed || !CanonicalComposition.IsComposed(Encoding.UTF8.GetBytes(text)));
    }

    [Fact]
    public void Text_below_the_first_mark_is_known_to_be_composed() =>
        Assert.True(CanonicalComposition.IsComposed("Größe naïve café ÿ ĀŽɏʯ˿"u8));

    [Fact]
    public void A_long_run_of_marks_takes_no_more_than_near_linear_time()
    {
        string run = "a" + string.Concat(Enumerable.Repeat("\u0301\u0323\u0327", 200_000));
        byte[] result = CanonicalComposition.Compose(Encoding.UTF8.GetBytes(run));
        // classes 202, 220, 230: the cedilla first, which a has no letter for
        Assert.StartsWith("\u1EA1\u0327", Encoding.UTF8.GetString(result));
    }
}
