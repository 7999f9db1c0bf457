using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Speech.Tests.Phonemes;

public sealed class SentenceSplitterTests
{
    [Theory]
    [InlineData("He said \"Stop.\" Then left.", "He said \"Stop.\"|Then left.")]
    [InlineData("J. K. Rowling. A. B", "J. K. Rowling.|A. B")]
    [InlineData("Hi… there", "Hi… there")]
    [InlineData("(He left.) Then he came.", "(He left.)|Then he came.")]
    [InlineData("No. 5 is new. Jan. 5th, approx. 3, c. 1450, vs. Kim, Rs. 500.",
        "No. 5 is new.|Jan. 5th, approx. 3, c. 1450, vs. Kim, Rs. 500.")]
    [InlineData("The answer is no. Five came.", "The answer is no.|Five came.")]
    [InlineData("J.R.R. Tolkien and the U.S. Army.", "J.R.R. Tolkien and the U.S. Army.")]
    [InlineData("It was 7 a.m. Then he left, e.g. Mon. Tue.", "It was 7 a.m.|Then he left, e.g. Mon. Tue.")]
    [InlineData("So am I. We met Dr. Smith at St. Paul.", "So am I.|We met Dr. Smith at St. Paul.")]
    [InlineData("Really?! Wow!!! Hmm... Yes.", "Really?!|Wow!!!|Hmm...|Yes.")]
    [InlineData("It costs 3.50. Version 2.10.3 came.", "It costs 3.50.|Version 2.10.3 came.")]
    [InlineData("1. Mix.\n2. Bake it.", "1. Mix.|2. Bake it.")]
    [InlineData("Line one\nLine two\n\nNew paragraph", "Line one|Line two|New paragraph")]
    [InlineData("example.com is up. Go!", "example.com is up.|Go!")]
    [InlineData("  \n \n", "")]
    public void Sentences_end_where_a_reader_ends_them(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', SentenceSplitter.Split(text).Select(static sentence => sentence.Text)));

    [Theory]
    [InlineData("**Bold** and *it*, __x__ and snake_case, 5 * 3, 2*3.", "Bold and it, x and snake_case, 5 * 3, 2*3.")]
    [InlineData("# Title\n\nText.", "Title|Text.")]
    [InlineData("- one\n- two\n  * three\n", "one|two|three")]
    [InlineData("1. Mix\n2) Bake", "1, Mix|2, Bake")]
    [InlineData("See [help](/help/) and ![a cat](cat.png).", "See help and a cat.")]
    [InlineData("See [the docs](https://x.org/a_(b)?c=d. E) now.", "See the docs now.")]
    [InlineData("A [note] and [^1] stay.", "A [note] and  stay.")]
    [InlineData("Run:\n```bash\nls -l. Then\nrm *\n```\nDone.", "Run:|Code.|Done.")]
    [InlineData("Use `ls -l` or `a = b{c}`.", "Use ls -l or code.")]
    [InlineData("> Quoted **text**.\n> More.", "Quoted text.|More.")]
    [InlineData("| Name | Age |\n|------|-----|\n| Bob | 5 |\n", "Name, Age|Bob, 5")]
    [InlineData("Above\n\n---\n\nBelow", "Above|Below")]
    [InlineData("Line<br>two <b>bold</b> a < b <https://x.org>.", "Line two bold a < b https://x.org.")]
    [InlineData("- [x] done\n- [ ] open", "done|open")]
    [InlineData("Not closed `code and [link", "Not closed code and [link")]
    [InlineData("It costs \\$5 and 2\\*3.", "It costs $5 and 2*3.")]
    [InlineData("```\nnever closed. Really", "Code.")]
    [InlineData("Price: ~5, ~~old~~ new.", "Price: ~5, old new.")]
    public void Marks_of_Markdown_are_not_read(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', SentenceSplitter.Split(text, markdown: true).Select(static sentence => sentence.Text)));

    [Fact]
    public void A_paragraph_has_a_longer_pause_and_the_end_of_a_text_none()
    {
        TextSentence[] sentences = [.. SentenceSplitter.Split("One. Two\nThree.\n\nFour")];
        Assert.Equal([SpeechPause.Sentence, SpeechPause.Sentence, SpeechPause.Paragraph, SpeechPause.None],
            sentences.Select(static sentence => sentence.Pause));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void However_a_text_comes_in_pieces_its_sentences_are_the_same(bool markdown)
    {
        string[] parts =
        [
            "Dr. ", "No. 5 ", "e.g. ", "Hello ", "world", ". ", "! ", "?", "\n", "\n\n", "**", "*", "`", "```\n", "[a b](c.d e)", "[", "](",
            "| ", "- ", "1. ", "# ", "J.R. ", "\"", ") ", "(", "… ",
            "  ", "😀", "<br>", "<", "a_b", "3.5", "~", "\\", "\t", "wörd", "> ", "---\n", "I. ", new string('x', 700), new string(' ', 50),
            new string('.', 9), "long, clause; ",
        ];
        var random = new Random(5);
        for (int round = 0; round < 400; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 60)).Select(_ => parts[random.Next(parts.Length)]));
            TextSentence[] whole = [.. SentenceSplitter.Split(text, markdown)];
            var splitter = new SentenceSplitter(markdown);
            var pieces = new List<TextSentence>();
            for (int i = 0; i < text.Length;)
            {
                int count = Math.Min(random.Next(1, 9), text.Length - i);
                pieces.AddRange(splitter.Add(text.AsSpan(i, count)));
                i += count;
            }
            pieces.AddRange(splitter.End());
            if (pieces.Count > 0) pieces[^1] = pieces[^1] with { Pause = SpeechPause.None };
            Assert.Equal(whole, pieces);
            Assert.All(whole, static sentence => Assert.InRange(sentence.Text.Length, 1, SentenceSplitter.MostCharacters));
        }
    }

    [Fact]
    public void A_stop_that_nothing_follows_waits_until_it_is_flushed()
    {
        var splitter = new SentenceSplitter();
        Assert.Empty(splitter.Add("It is done."));
        Assert.Equal("It is done.", Assert.Single(splitter.Flush()).Text);
        Assert.Empty(splitter.Add(" I met Dr."));
        Assert.Empty(splitter.Flush()); // a name is going to follow
        Assert.Equal("I met Dr. Smith!", Assert.Single(splitter.Add(" Smith! N")).Text);
        Assert.Equal("N", Assert.Single(splitter.End()).Text);
    }

    [Fact]
    public void A_text_without_an_end_is_cut_after_clauses_or_spaces_or_anywhere()
    {
        string clause = string.Concat(Enumerable.Repeat("some words without a stop, ", 100)),
            words = string.Concat(Enumerable.Repeat("word ", 500)), one = new('x', 5000);
        Assert.All(SentenceSplitter.Split(clause).SkipLast(1),
            static sentence => Assert.EndsWith(",", sentence.Text, StringComparison.Ordinal));
        Assert.All(SentenceSplitter.Split(words), static sentence => Assert.EndsWith("word", sentence.Text, StringComparison.Ordinal));
        Assert.Equal(5, SentenceSplitter.Split(one).Count());
    }
}
