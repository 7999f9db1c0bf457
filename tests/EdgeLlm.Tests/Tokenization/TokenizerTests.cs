using System.Buffers;
using System.Text;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

public sealed class TokenizerTests
{
    [Fact]
    public void Two_merges_of_equal_score_are_made_from_the_left() =>
        Assert.Equal(["▁", "aa", "a"], Texts(SentencePiece(("aa", -1), ("a", -9)), "aaa"));

    [Fact]
    public void The_merge_of_the_highest_score_is_made_first() =>
        Assert.Equal(["▁", "a", "bc"], Texts(SentencePiece(("ab", -2), ("bc", -1), ("a", -9), ("b", -9), ("c", -9)), "abc"));

    [Fact]
    public void What_is_no_token_becomes_its_bytes()
    {
        Tokenizer tokenizer = SentencePiece();
        Assert.Equal(["▁", "<0xC3>", "<0xA9>"], Texts(tokenizer, "é"));
        Assert.Equal("é", tokenizer.Decode(tokenizer.Encode("é")));
    }

    [Fact]
    public void A_byte_without_a_token_becomes_the_unknown_token()
    {
        TokenizerData data = new() { Model = "llama", Tokens = Utf8Strings.From("<unk>", "▁"), Scores = [0, 0], TokenTypes = [2, 1] };
        Assert.Equal([1, 0, 0], Tokenizer.Create(data).Encode("é"));
    }

    [Fact]
    public void A_space_is_put_before_a_text_and_after_a_special_token()
    {
        Tokenizer tokenizer = SentencePiece(("▁a", -1), ("a", -9));
        Assert.Equal(["▁a"], Texts(tokenizer, "a"));
        Assert.Equal(["▁a", "<end>", "▁a"], Texts(tokenizer, "a<end>a", parseSpecial: true));
        Assert.Equal("a", tokenizer.Decode(tokenizer.Encode("a")));
    }

    [Fact]
    public void No_space_is_put_where_the_model_asks_for_none()
    {
        Tokenizer tokenizer = Tokenizer.Create(SentencePieceData(("▁a", -1), ("a", -9)) with { AddSpacePrefix = false });
        Assert.Equal(["a"], Texts(tokenizer, "a"));
        Assert.Equal(" a", tokenizer.Decode(tokenizer.Encode(" a")));
    }

    [Fact]
    public void A_vocabulary_whose_tokens_span_words_merges_over_their_border() =>
        Assert.Equal(["▁", "a▁b"], Texts(SentencePiece(("a▁", -2), ("a▁b", -1), ("▁b", -3), ("a", -9), ("b", -9)), "a b"));

    [Fact]
    public void Typed_text_does_not_become_a_control_token_not_even_by_merging()
    {
        Tokenizer tokenizer = SentencePiece(("<e", -1), ("nd>", -1), ("nd", -1), ("<0", -1), ("x4", -1), ("1>", -1), ("<0x4", -1));
        Assert.DoesNotContain(tokenizer.FindToken("<end>")!.Value, tokenizer.Encode("<end>"));
        Assert.DoesNotContain(tokenizer.FindToken("<0x41>")!.Value, tokenizer.Encode("<0x41>"));
        Assert.Equal("<end>", tokenizer.Decode(tokenizer.Encode("<end>")));
        Assert.Equal(["<end>"], Texts(tokenizer, "<end>", parseSpecial: true));
    }

    [Fact]
    public void Control_tokens_are_parsed_except_where_they_touch_what_a_user_typed()
    {
        Tokenizer tokenizer = BytePair();
        string text = "<end>x<end>y<end>";
        List<int> output = [];
        tokenizer.Encode(text, [5..12], output);
        Assert.Equal("<end>", TextOf(tokenizer, output[0]));
        Assert.Equal("<end>", TextOf(tokenizer, output[^1]));
        Assert.Equal(2, output.Count(id => id == tokenizer.FindToken("<end>")));
        Assert.Equal(text, tokenizer.Decode(output.ToArray(), renderSpecial: true));

        output.Clear();
        tokenizer.Encode("é<end>x", [4..5], output); // one character in the middle of it is enough
        Assert.DoesNotContain(tokenizer.FindToken("<end>")!.Value, output);
    }

    [Fact]
    public void User_defined_tokens_are_taken_in_raw_text_and_never_where_a_user_typed_them_unless_they_are_white_space()
    {
        Tokenizer bytePair = BytePair("<|im_start|>", "\n\n");
        Tokenizer sentencePiece =
            Tokenizer.Create(
                SentencePieceData(("<|im_", -1), ("start|>", -1), ("<|", -2), ("im_", -2), ("<|im_start|>", 0), ("\n\n", 0)) is var data
            ? data with { TokenTypes = [.. data.TokenTypes![..^2], 4, 4] } : null!);
        foreach (Tokenizer tokenizer in new[] { bytePair, sentencePiece })
        {
            int start = tokenizer.FindToken("<|im_start|>")!.Value, lines = tokenizer.FindToken("\n\n")!.Value;
            Assert.Single(tokenizer.Encode("a<|im_start|>b"), start);
            List<int> output = [];
            string text = "<|im_start|>a<|im_start|>\n\n<|im_start|>";
            tokenizer.Encode(text, [13..27], output); // `<|im_start|>\n\n` is typed
            Assert.Equal(2, output.Count(id => id == start));
            Assert.Single(output, lines);
            Assert.Equal(text, tokenizer.Decode(output.ToArray(), renderSpecial: true).TrimStart(' ').Replace("<|im_start|> ",
                "<|im_start|>", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_space_is_put_before_the_text_alone_where_the_model_says_so()
    {
        TokenizerData data = SentencePieceData(("▁a", -1), ("a", -9)) with { SpacePrefixOnlyFirst = true };
        Tokenizer tokenizer = Tokenizer.Create(data);
        Assert.Equal(["▁a", "<end>", "a"], Texts(tokenizer, "a<end>a", parseSpecial: true));
        Assert.Equal(["<end>", "a"], Texts(tokenizer, "<end>a", parseSpecial: true));
        Assert.Equal(["<s>", "▁a"], Texts(tokenizer, "a", addSpecial: true));
        tokenizer = Tokenizer.Create(data with { Model = "t5", AddEos = false });
        Assert.Equal(["▁a", "<end>", "a"], Texts(tokenizer, "a<end>a", parseSpecial: true));
    }

    [Fact]
    public void User_defined_tokens_are_taken_out_always_and_the_longest_first()
    {
        Tokenizer tokenizer = BytePair("[x]", "[x][y]", "x[x");
        Assert.Equal(["[x][y]"], Texts(tokenizer, "[x][y]"));
        Assert.Equal(["x", "[x][y]"], Texts(tokenizer, "x[x][y]"));
        Assert.Equal(["[x]", "[x]"], Texts(tokenizer, "[x][x]"));
        Assert.Equal("[x]", tokenizer.Decode(tokenizer.Encode("[x]")));
    }

    [Fact]
    public void Merges_are_made_in_the_order_of_the_list()
    {
        Assert.Equal(["a", "bc"], Texts(BytePair(merges: ["b c", "a b", "ab c"]), "abc"));
        Assert.Equal(["abc"], Texts(BytePair(merges: ["a b", "b c", "ab c"]), "abc"));
        Assert.Equal(["aa", "a"], Texts(BytePair(merges: ["a a"]), "aaa"));
        Assert.Equal(["a", "b"], Texts(BytePair(merges: ["a  b", " a b", "a b c", "x b"]), "ab"));
    }

    [Fact]
    public void A_piece_that_is_a_token_is_taken_whole_where_merges_are_ignored()
    {
        TokenizerData data = BytePairData([], ["a b"]) with { Pre = "llama-bpe" };
        data.Tokens.Add("abc"u8);
        Assert.Equal(["abc"], Texts(Tokenizer.Create(data with { TokenTypes = null }), "abc"));
        Assert.Equal(["ab", "c"], Texts(Tokenizer.Create(data with { TokenTypes = null, Pre = "dbrx" }), "abc"));
    }

    [Theory]
    [InlineData("sarvam-moe")]
    [InlineData("gemma4")]
    public void Some_models_merge_utf8_with_marked_spaces_and_fall_back_to_bytes(string pre)
    {
        Utf8Strings tokens = Utf8Strings.From("<pad>", "▁", "é", "▁é", "\n\n");
        for (int value = 0; value < 256; value++) tokens.Add(Encoding.ASCII.GetBytes($"<0x{value:X2}>"));
        int[] types = [3, 1, 1, 1, 1, .. Enumerable.Repeat(6, 256)];
        TokenizerData data = new() { Model = "gpt2", Pre = pre, Tokens = tokens, TokenTypes = types, Merges = Utf8Strings.From("▁ é") };
        Tokenizer tokenizer = Tokenizer.Create(data);
        Assert.Equal(["▁é", "<0xC3>", "<0xA8>", "\n\n"], Texts(tokenizer, " éè\n\n"));
        Assert.Equal(" éè\n\n", tokenizer.Decode(tokenizer.Encode(" éè\n\n")));
    }

    [Fact]
    public void Special_tokens_are_added_as_the_model_asks()
    {
        TokenizerData data = BytePairData([], []) with { BosId = 0, EosId = 1 };
        Assert.Equal(["a"], Texts(Tokenizer.Create(data), "a", addSpecial: true));
        Assert.Equal(["<begin>", "a", "<end>"], Texts(Tokenizer.Create(data with { AddBos = true, AddEos = true }), "a", addSpecial: true));
        Assert.Equal(["<begin>"], Texts(Tokenizer.Create(data with { AddBos = true }), "", addSpecial: true));
        Assert.Equal(["<begin>", "a"], Texts(Tokenizer.Create(data with { Pre = "llama-bpe" }), "a", addSpecial: true));
        Assert.Empty(Tokenizer.Create(data).Encode(""));
    }

    [Fact]
    public void Control_tokens_are_rendered_only_where_asked()
    {
        Tokenizer tokenizer = BytePair();
        int[] ids = tokenizer.Encode("a<end>", parseSpecial: true);
        Assert.Equal("a", tokenizer.Decode(ids));
        Assert.Equal("a<end>", tokenizer.Decode(ids, renderSpecial: true));
        Assert.True(tokenizer.IsControl(ids[^1]));
        Assert.False(tokenizer.IsControl(ids[0]));
        Assert.False(tokenizer.IsControl(-1) || tokenizer.IsControl(int.MaxValue));
    }

    [Fact]
    public void Generation_ends_at_the_tokens_that_the_file_names_and_at_those_known_by_their_text()
    {
        Tokenizer tokenizer = Tokenizer.Create(BytePairData(["<|im_end|>", "<|eot_id|>"], []) with { EosId = 0, EotId = 1 });
        int[] ends = [0, 1, tokenizer.FindToken("<|im_end|>")!.Value, tokenizer.FindToken("<|eot_id|>")!.Value];
        Assert.Equal(ends, Enumerable.Range(0, tokenizer.VocabularySize).Where(tokenizer.IsEndOfGeneration));
        Assert.DoesNotContain(tokenizer.Encode("<|im_end|>"), tokenizer.IsEndOfGeneration); // user defined in the file, but it is not text
    }

    [Fact]
    public void A_lone_surrogate_is_a_replacement_character()
    {
        Tokenizer tokenizer = BytePair();
        Assert.Equal("a\uFFFDb\uFFFD", tokenizer.Decode(tokenizer.Encode("a\uD83Db\uDE00")));
    }

    [Fact]
    public void An_id_that_is_no_token_decodes_to_nothing()
    {
        ArrayBufferWriter<byte> output = new();
        BytePair().Decode(-1, output);
        BytePair().Decode(int.MaxValue, output);
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void A_text_of_every_length_around_the_limits_merges_to_the_same_as_one_by_one()
    {
        // 64 bytes is where the queue takes over from looking through all pairs; the ids must not show it.
        Tokenizer tokenizer = BytePair(merges: ["a a", "aa aa", "a b", "b a", "ab ab", "aaaa aa"]);
        Random random = new(3);
        for (int length = 55; length < 75; length++)
        {
            string text = string.Concat(Enumerable.Range(0, length).Select(_ => random.Next(3) == 0 ? 'b' : 'a'));
            Assert.Equal(MergeSlowly(text, ["a a", "aa aa", "a b", "b a", "ab ab", "aaaa aa"]), Texts(tokenizer, text));
        }
    }

    internal static TokenizerData BytePairData(string[] userDefined, string[] merges)
    {
        string[] letters = [.. Enumerable.Range(0, 256).Select(value =>
        {
            byte[] letter = new byte[ByteLetters.MaximumLength];
            return Encoding.UTF8.GetString(letter.AsSpan(0, ByteLetters.Write([(byte)value], letter)));
        })];
        string[] merged = [.. merges.Select(merge => merge.Replace(" ", "", StringComparison.Ordinal)).Distinct().Except(letters)];
        return new TokenizerData
        {
            Model = "gpt2",
            Pre = "gpt-2",
            Tokens = Utf8Strings.From(["<begin>", "<end>", .. letters, .. merged, .. userDefined]),
            TokenTypes = [3, 3, .. Enumerable.Repeat(1, letters.Length + merged.Length), .. Enumerable.Repeat(4, userDefined.Length)],
            Merges = Utf8Strings.From(merges),
        };
    }

    private static Tokenizer BytePair(params string[] userDefined) => Tokenizer.Create(BytePairData(userDefined, []));

    private static Tokenizer BytePair(IEnumerable<string> merges) => Tokenizer.Create(BytePairData([], [.. merges]));

    private static Tokenizer SentencePiece(params (string Text, float Score)[] tokens) => Tokenizer.Create(SentencePieceData(tokens));

    private static TokenizerData SentencePieceData(params (string Text, float Score)[] tokens)
    {
        string[] bytes = [.. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>")];
        return new TokenizerData
        {
            Model = "llama",
            Tokens = Utf8Strings.From(["<unk>", "<s>", "</s>", "<end>", .. bytes, "▁", .. tokens.Select(token => token.Text)]),
            Scores = [0, 0, 0, 0, .. new float[256], -9, .. tokens.Select(token => token.Score)],
            TokenTypes = [2, 3, 3, 3, .. Enumerable.Repeat(6, 256), 1, .. tokens.Select(_ => 1)],
        };
    }

    private static List<string> MergeSlowly(string text, string[] merges)
    {
        List<string> parts = [.. text.Select(letter => letter.ToString())];
        while (true)
        {
            int best = Enumerable.Range(0, parts.Count - 1).Where(i => Rank(i) >= 0).OrderBy(Rank).FirstOrDefault(-1);
            if (best < 0) return parts;
            parts[best] += parts[best + 1];
            parts.RemoveAt(best + 1);
        }

        int Rank(int i) => Array.IndexOf(merges, $"{parts[i]} {parts[i + 1]}");
    }

    private static List<string> Texts(Tokenizer tokenizer, string text, bool parseSpecial = false, bool addSpecial = false) =>
        [.. tokenizer.Encode(text, parseSpecial, addSpecial).Select(id => TextOf(tokenizer, id))];

    /// <summary>The token's entry in the vocabulary.</summary>
    private static string TextOf(Tokenizer tokenizer, int id) => Encoding.UTF8.GetString(tokenizer.Vocabulary[id]);
}
