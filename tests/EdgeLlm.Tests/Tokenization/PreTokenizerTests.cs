using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using EdgeLlm.Tokenization;
using EdgeLlm.Tokenization.Patterns;

namespace EdgeLlm.Tests.Tokenization;

public sealed class PreTokenizerTests
{
    private static readonly Lazy<JsonDocument> Names =
        new(() => JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "tokenizers", "pre-tokenizers.json"))));

    [Fact]
    public void Every_name_of_the_reference_has_its_expressions_and_flags()
    {
        foreach (JsonProperty name in Names.Value.RootElement.EnumerateObject())
        {
            PreTokenizer pre = PreTokenizer.Named(name.Name);
            Assert.Equal(Flag(name.Value, "ignore_merges"), pre.IgnoresMerges);
            Assert.Equal(Flag(name.Value, "add_bos"), pre.AddsBos);
            Assert.Equal(Flag(name.Value, "add_sep"), pre.AddsSeparator);
            if (name.Name == "kimi-k2") continue; // the reference names code, this table the expression that the code stands for
            Assert.Equal(name.Value.GetProperty("split").EnumerateArray().Select(Written), pre.Expressions);
        }

        // Some of the reference's have carriage returns and newlines as they are.
        static string Written(JsonElement expression) =>
            expression.GetString()!.Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

        static bool Flag(JsonElement entry, string name) => entry.TryGetProperty(name, out JsonElement flag) && flag.GetBoolean();
    }

    [Fact]
    public void Pieces_are_those_of_dotnet_regular_expressions_where_those_can_tell()
    {
        // .NET works on UTF-16: no character beyond U+FFFF here, neither in a text nor in a class. Its \b counts U+200D as a letter: not
        // here either. And two names have classes of their own.
        Regex beyondUtf16 = new("(?:[\uD800-\uDBFF][\uDC00-\uDFFF]-?)+");
        Random random = new(20);
        foreach (JsonProperty name in Names.Value.RootElement.EnumerateObject().Where(name => name.Name is not ("kimi-k2" or "afmoe")))
        {
            PreTokenizer pre = PreTokenizer.Named(name.Name);
            Regex[] expressions = [.. name.Value.GetProperty("split").EnumerateArray()
                .Select(expression => new Regex(beyondUtf16.Replace(expression.GetString()!, ""), RegexOptions.CultureInvariant))];
            for (int i = 0; i < 300; i++)
            {
                string text = RandomText(random);
                Assert.Equal(SplitByDotnet(expressions, text), Split(pre, text));
            }
        }
    }

    [Theory]
    [InlineData("1", "1")]
    [InlineData("1234567", "1|234|567")]
    [InlineData("a123456 12", "a|123|456| |12")]
    [InlineData("1234x", "1234x")]
    public void Digits_are_grouped_from_the_right_up_to_a_word_s_end(string text, string pieces) =>
        Assert.Equal(pieces.Split('|'), Split(DigitGroups.For(@"\d{1,3}(?=(?:\d{3})*\b)")!, text));

    [Theory]
    [InlineData("12", "12")]
    [InlineData("x123456", "x|123|456")]
    [InlineData("x1234y", "x1|234y")]
    public void Cuts_before_groups_of_three_leave_what_is_left_of_them_together(string text, string pieces) =>
        Assert.Equal(pieces.Split('|'), Split(DigitGroups.For(@"(?=(\d{3})+(?!\d))")!, text));

    [Theory]
    [InlineData("llama3", "𐐀𐐁 𝟘𝟙𝟚𝟛", "𐐀𐐁| |𝟘𝟙𝟚|𝟛")] // letters and digits beyond U+FFFF
    [InlineData("gpt-2", "a  b\t c", "a| | b|\t| c")]
    [InlineData("kimi-k2", "HelloWorld中文 don't", "Hello|World|中文| don't")]
    [InlineData("afmoe", "a  12345 6", "a|  |12|345| |6")]
    public void Texts_are_cut_as_the_name_says(string name, string text, string pieces) =>
        Assert.Equal(pieces.Split('|'), Split(PreTokenizer.Named(name), text));

    [Fact]
    public void A_long_run_of_one_character_takes_no_more_than_linear_time()
    {
        // With look-ahead or giving back from every position anew, these 900 texts would take hours.
        foreach (JsonProperty name in Names.Value.RootElement.EnumerateObject())
        {
            PreTokenizer pre = PreTokenizer.Named(name.Name);
            foreach (string run in (string[])[" ", "a", "A", "7", "\n", "!", " a", "é", "aA", "'"])
            {
                byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(run, 100_000)) + "x");
                Assert.Equal(text.Length, pre.Split(text)[^1]);
            }
        }
    }

    [Theory]
    [InlineData("*a")]
    [InlineData("(a")]
    [InlineData("[a")]
    [InlineData("a{x}")]
    [InlineData("\\b")]
    [InlineData("(?<n>a)")]
    [InlineData("(a)\\1")]
    [InlineData("[[:alpha:]]")]
    [InlineData("\\p{Q}")]
    [InlineData("")]
    public void An_expression_beyond_the_dialect_is_refused(string expression) =>
        Assert.Throws<NotSupportedException>(() => Pattern.Parse(expression));

    private static string RandomText(Random random)
    {
        const string Characters = "    \t\n\r\n  aabcsteZABDM''''0123456789.,!?()-_/<>$+^~|`\"\\éÉßẞǅʰªº中文かなカナ한글ᄀกخאАя" +
            "\u0301\u0302\u00A0\u2003\u3000\u0085²½Ⅳ٣€©…“”—。，！～\uFF21\u00AD\uE000\u0378 's 't 're";
        return string.Create(random.Next(1, 40), random, (text, random) =>
        {
            for (int i = 0; i < text.Length; i++)
            {
                text[i] = i > 0 && random.Next(3) == 0 ? text[i - 1] : Characters[random.Next(Characters.Length)];
            }
        });
    }

    private static List<string> SplitByDotnet(Regex[] expressions, string text)
    {
        List<string> pieces = [text];
        foreach (Regex expression in expressions)
        {
            pieces = [.. pieces.SelectMany(piece =>
            {
                List<string> parts = [];
                int start = 0;
                foreach (Match match in expression.Matches(piece))
                {
                    parts.Add(piece[start..match.Index]);
                    parts.Add(match.Value);
                    start = match.Index + match.Length;
                }
                parts.Add(piece[start..]);
                return parts.Where(part => part.Length > 0);
            })];
        }
        return pieces;
    }

    private static List<string> Split(PreTokenizer pre, string text) => Pieces(pre.Split(Encoding.UTF8.GetBytes(text)), text);

    private static List<string> Split(Splitter splitter, string text)
    {
        List<int> ends = [];
        splitter.Split(Encoding.UTF8.GetBytes(text), 0, ends);
        return Pieces(ends, text);
    }

    private static List<string> Pieces(List<int> ends, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return [.. ends.Select((end, i) => Encoding.UTF8.GetString(bytes[(i == 0 ? 0 : ends[i - 1])..end]))];
    }
}
