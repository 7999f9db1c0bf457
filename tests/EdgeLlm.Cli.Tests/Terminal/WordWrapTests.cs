using EdgeLlm.Cli.Terminal;

namespace EdgeLlm.Cli.Tests.Terminal;

public sealed class WordWrapTests
{
    [Theory]
    [InlineData("The sky is blue because of Rayleigh scattering.", 20, "The sky is blue\nbecause of Rayleigh\nscattering.")]
    [InlineData("exactly ten and more", 7, "exactly\nten and\nmore")]
    [InlineData("    indented code stays\n", 40, "    indented code stays\n")]
    [InlineData("a word of thirtythreecharactersaltogether ends", 10, "a word of\nthirtythreecharactersaltogether ends")]
    [InlineData("trailing spaces   \nnext", 40, "trailing spaces\nnext")]
    [InlineData("two  spaces stay", 40, "two  spaces stay")]
    [InlineData("a\tb", 40, "a\tb")]
    [InlineData("日本語のテキスト", 6, "日本語\nのテキ\nスト")]
    [InlineData("", 10, "")]
    public void Lines_break_between_words(string text, int width, string expected)
    {
        Assert.Equal(expected, Wrapped([text], width));
        Assert.Equal(expected, Wrapped([.. text.Select(c => c.ToString())], width)); // however it comes
    }

    [Fact]
    public void No_line_is_longer_than_the_screen_and_no_word_is_lost()
    {
        var dice = new Random(1);
        for (int round = 0; round < 200; round++)
        {
            int width = dice.Next(5, 40);
            string text = string.Join(' ', Enumerable.Range(0, 60).Select(_ => new string((char)('a' + dice.Next(26)), dice.Next(1, 5))));
            string wrapped = Wrapped([text[..20], text[20..31], text[31..]], width);
            Assert.All(wrapped.Split('\n'), line => Assert.InRange(line.Length, 1, width));
            Assert.Equal(text, wrapped.Replace('\n', ' '));
        }
    }

    private static string Wrapped(string[] pieces, int width)
    {
        var output = new StringWriter();
        var wrap = new WordWrap(output, () => width);
        foreach (string piece in pieces) wrap.Write(piece);
        wrap.End();
        return output.ToString();
    }
}
