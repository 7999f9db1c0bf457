using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.HuggingFace;
using EdgeLlm.Tokenization;
using EdgeLlm.Tokenization.Patterns;
using EdgeLlm.Tokenization.Pipeline;

namespace EdgeLlm.Tests.Tokenization;

/// <summary>The steps of a tokenizer.json one by one, by what Hugging Face's tokenizers document of them.</summary>
public sealed class PipelineTests
{
    [Theory]
    [InlineData("""{"type":"NFC"}""", "e\u0301 ﬁ", "é ﬁ")]
    [InlineData("""{"type":"NFD"}""", "é", "e\u0301")]
    [InlineData("""{"type":"NFKC"}""", "ﬁ ½ ① Ⅳ ㍿ ｶﾞ e\u0301", "fi 1\u20442 1 IV 株式会社 ガ é")]
    [InlineData("""{"type":"NFKD"}""", "ﬁé", "fie\u0301")]
    [InlineData("""{"type":"Lowercase"}""", "ABÇΣİ", "abçσi\u0307")]
    [InlineData("""{"type":"Strip","strip_left":true,"strip_right":false}""", " \u3000a ", "a ")]
    [InlineData("""{"type":"Strip","strip_left":true,"strip_right":true}""", "  ", "")]
    [InlineData("""{"type":"Prepend","prepend":"▁"}""", "a", "▁a")]
    [InlineData("""{"type":"Prepend","prepend":"▁"}""", "", "")]
    [InlineData("""{"type":"Replace","pattern":{"String":" "},"content":"▁"}""", "a  b", "a▁▁b")]
    [InlineData("""{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}""", "a    b c", "a b c")]
    [InlineData("""{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}""",
        "É\u0000\t中x\u200b", "e  中 x")]
    [InlineData("""{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":null,"lowercase":false}""",
        "É\t中", "É\t中")]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Sequence","normalizers":[]}]}""", "é",
        "e")]
    public void A_normalizer_changes_a_text(string normalizer, string text, string expected)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        foreach (Normalizer step in Read(normalizer, "null").Normalizers)
        {
            ArrayBufferWriter<byte> output = new();
            step.Apply(bytes, output);
            bytes = output.WrittenSpan.ToArray();
        }
        Assert.Equal(expected, Encoding.UTF8.GetString(bytes));
    }

    [Theory]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Removed"}""", "a--b-c", "a|b|c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated"}""", "a--b-c", "a|-|-|b|-|c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous"}""", "a--b-c", "a|--|b|-|c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious"}""", "a--b-c", "a-|-|b-|c")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext"}""", "a--b-c", "a|-|-b|-c")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"[a-z]+"},"behavior":"Removed","invert":true}""", "ab-c", "ab|c")]
    [InlineData("""{"type":"ByteLevel","add_prefix_space":true}""", "Hi you", "ĠHi|Ġyou")]
    [InlineData("""{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}""", "é ", "Ã©Ġ")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}""", "a  b", "▁a|▁|▁b")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","add_prefix_space":false,"split":false}""", "a  b", "a▁▁b")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false}""", " a", "▁a")]
    [InlineData(
        """{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}]}""",
        "a b", "▁a|b")]
    [InlineData(
        """{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}]}""",
        " a b", "a|b")]
    [InlineData("""{"type":"Whitespace"}""", "a_b, c!?", "a_b|,|c|!?")]
    [InlineData("""{"type":"Punctuation","behavior":"Contiguous"}""", "a!?b$ c", "a|!?|b|$| c")]
    [InlineData("""{"type":"Punctuation"}""", "a!?", "a|!|?")]
    [InlineData("""{"type":"Digits","individual_digits":true}""", "a12½", "a|1|2|½")]
    [InlineData("""{"type":"Digits","individual_digits":false}""", "a12 3", "a|12| |3")]
    [InlineData("""{"type":"BertPreTokenizer"}""", "don't  stop.", "don|'|t|stop|.")]
    [InlineData("""{"type":"CharDelimiterSplit","delimiter":"-"}""", "a-b", "a|b")]
    public void A_pre_tokenizer_cuts_a_text(string preTokenizer, string text, string expected)
    {
        Pieces pieces = new(Encoding.UTF8.GetBytes(text), isFirst: true);
        foreach (PieceStep step in Read("null", preTokenizer).Steps) step.Apply(ref pieces);
        var texts = new List<string>();
        foreach (Piece piece in pieces.Items) texts.Add(Encoding.UTF8.GetString(pieces.Text[piece.Start..piece.End]));
        Assert.Equal(expected, string.Join('|', texts));
    }

    [Theory]
    [InlineData("(?i:'s|'t)", "a'S b'T c'ſ", "'S|'T|'ſ")]
    [InlineData("(?i)k+", "kK\u212A", "kK\u212A")]
    [InlineData("[^(\\s|[.,!?…])]+", "ab(c [d.e", "ab|c|[d|e")]
    [InlineData("[\\w&&[^\\d_]]+", "ab1_c", "ab|c")]
    [InlineData("\\P{L}+", "a12b", "12")]
    [InlineData("[\\W]", "a-é", "-")]
    [InlineData("(?<=a)b", "ab b", "b")]
    [InlineData("(?<!a)b", "ab b", "b")]
    [InlineData("a(?=bc)", "abc abd", "a")]
    [InlineData("^a", "a\na ba", "a|a")]
    [InlineData("\\s+$", "a \nb ", " | ")]
    [InlineData("(?:ab)+b", "ababb", "ababb")]
    [InlineData("a++b|a", "aac", "a|a")]
    [InlineData("<.+?>", "<a><b>", "<a>|<b>")]
    [InlineData("(?>a|ab)c", "abc ac", "ac")]
    [InlineData("a{2}+", "aaaaa", "aaaa")]
    [InlineData("\\x{41}\\u0042", "AB", "AB")]
    [InlineData("\\p{Han}+", "々漢ab", "々漢")]
    [InlineData("[^\r\n]+", "a\r\nb", "a|b")]
    public void An_expression_means_what_it_does_to_the_reference_s_engine(string expression, string text, string expected)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        List<(int Start, int End)> matches = [];
        Pattern.Parse(expression, Dialect.Oniguruma).Find(bytes, matches);
        Assert.Equal(expected, string.Join('|', matches.Select(match => Encoding.UTF8.GetString(bytes[match.Start..match.End]))));
    }

    [Theory]
    [InlineData("normalizer", """{"type":"Nmt"}""", "tokenizer.json: normalizer.type is 'Nmt'")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":"?"}""", "precompiled_charsmap is not base64")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":"AAAAAQ=="}""", "precompiled_charsmap")]
    [InlineData("pre_tokenizer", """{"type":"UnicodeScripts"}""", "pre_tokenizer.type is 'UnicodeScripts'")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"\\b"},"behavior":"Isolated"}""",
        "pre_tokenizer.pattern.Regex has something that is not known here")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"String":"a"},"behavior":"Mixed"}""", "pre_tokenizer.behavior is 'Mixed'")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace","replacement":"▁","prepend_scheme":"last"}""",
        "pre_tokenizer.prepend_scheme is 'last'")]
    [InlineData("decoder", """{"type":"Metaspace","replacement":""}""", "decoder.replacement must be one character")]
    [InlineData("decoder", """{"type":"BPEDecoder","suffix":"</w>"}""", "decoder.type is 'BPEDecoder'")]
    [InlineData("decoder", """{"type":"Strip","content":"_","start":1,"stop":0}""", "decoder.type is 'Strip'")]
    [InlineData("model", """{"type":"BPE","end_of_word_suffix":"</w>"}""", "model.end_of_word_suffix is '</w>'")]
    [InlineData("model", """{"type":"BPE","dropout":0.1}""", "model.dropout is not 0")]
    public void What_is_not_known_is_refused_by_name(string field, string json, string message)
    {
        var root = new JsonObject { ["model"] = JsonNode.Parse("""{"type":"BPE"}""") };
        root[field] = JsonNode.Parse(json);
        ModelException exception = Assert.Throws<ModelException>(() => PipelineReader.Read("tokenizer.json", root.ToJsonString(), ""));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(exception.Message, char.IsControl);
    }

    [Fact]
    public void What_a_user_typed_never_becomes_a_token_of_the_normalized_text_that_is_not_white_space()
    {
        var data = new TokenizerData
        {
            Model = "gpt2",
            Tokens = Utf8Strings.From("a", "b", "<x>", "<y>", "é", "<", ">", "x", "y"),
            TokenTypes = [1, 1, (int)TokenType.UserDefined, (int)TokenType.Control, 1, 1, 1, 1, 1],
            Merges = Utf8Strings.From(),
            Pipeline = Read("""{"type":"NFC"}""", "null") with
            {
                AddedTokens =
                [new AddedToken(2, false, false, false, IsNormalized: true), new AddedToken(3, false, false, false, IsNormalized: true)]
            },
        };
        Tokenizer tokenizer = Tokenizer.Create(data);
        Assert.Equal([0, 2, 3], tokenizer.Encode("a<x><y>", parseSpecial: true));
        Assert.Equal([0, 2, 5, 8, 6], tokenizer.Encode("a<x><y>"));
        foreach (string text in new[] { "<x><y>a", "<x><y>e\u0301" })
        {
            List<int> ids = [];
            tokenizer.Encode(text, [0..6], ids);
            Assert.Equal([5, 7, 6, 5, 8, 6, text.Length == 7 ? 0 : 4], ids);
        }
    }

    private static TokenizerPipeline Read(string normalizer, string preTokenizer)
    {
        var root = new JsonObject
        {
            ["model"] = JsonNode.Parse("""{"type":"BPE"}"""),
            ["normalizer"] = JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
        };
        return PipelineReader.Read("tokenizer.json", root.ToJsonString(), "");
    }
}
