using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

/// <summary>Any text, and data that no converter would write.</summary>
public sealed class TokenizerRobustnessTests
{
    private static readonly TokenizerData BytePair = TokenizerTests.BytePairData(["[x]"], ["Ġ a", "a b", "ab ab"]);

    public static TheoryData<string> Kinds => ["gpt2", "llama", "t5", "bert"];

    [Fact]
    public void An_unknown_pre_tokenizer_is_an_error_that_names_it() =>
        Assert.Contains("tokenizer.ggml.pre is 'gpt-9000'", Refusal(BytePair with { Pre = "gpt-9000" }), StringComparison.Ordinal);

    [Fact]
    public void A_file_without_a_pre_tokenizer_s_name_gets_the_default()
    {
        int[] expected = Tokenizer.Create(BytePair with { Pre = "default" }).Encode("ab 1234");
        Assert.Equal(expected, Tokenizer.Create(BytePair with { Pre = null }).Encode("ab 1234"));
    }

    [Fact]
    public void What_contradicts_itself_is_an_error_that_names_the_field()
    {
        float[] notANumber = [float.NaN, .. new float[BytePair.Tokens.Count]];
        Check("tokenizer.ggml.model is 'rwkv'", BytePair with { Model = "rwkv" });
        Check("tokenizer.ggml.tokens is empty", BytePair with { Tokens = new Utf8Strings() });
        Check("tokenizer.ggml.scores has 1 values for", BytePair with { Scores = [1] });
        Check("tokenizer.ggml.scores[0] is NaN", BytePair with { Scores = notANumber });
        Check("tokenizer.ggml.token_type has 0 values for", BytePair with { TokenTypes = [] });
        Check("tokenizer.ggml.merges is missing", BytePair with { Merges = null });
        Check("tokenizer.ggml.merges[1] is 'ab'", BytePair with { Merges = Utf8Strings.From("a b", "ab") });
        Check("tokenizer.ggml.add_bos_token is true", BytePair with { AddBos = true });
        Check("tokenizer.ggml.scores is missing", BytePair with { Model = "llama" });
        Check("tokenizer.ggml.precompiled_charsmap", DataOf("t5") with { PrecompiledCharsmap = [1, 2, 3] });

        static void Check(string message, TokenizerData data) => Assert.StartsWith(message, Refusal(data), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    [InlineData("t5")]
    [InlineData("bert")]
    public void Entries_that_are_there_twice_are_noted_and_text_becomes_the_last_of_them(string kind)
    {
        TokenizerData data = DataOf(kind);
        Utf8Strings tokens = data.Tokens;
        int before = tokens.Count;
        string text = Tokenizer.Create(data).Decode([5]), entry = tokens.GetText(5);
        var twice = Utf8Strings.From([.. Enumerable.Range(0, before).Select(tokens.GetText), entry, entry]);
        TokenizerData repeated = data with
        {
            Tokens = twice,
            Scores = data.Scores is { } scores ? [.. scores, scores[5], scores[5]] : null,
            TokenTypes = data.TokenTypes is { } types ? [.. types, types[5], types[5]] : null,
        };
        var tokenizer = Tokenizer.Create(repeated);
        Assert.Contains($"2 entries of the vocabulary are there twice (the first are 5 and {before})", Assert.Single(tokenizer.Notes));
        Assert.Empty(Tokenizer.Create(data).Notes);
        Assert.Equal(before + 1, tokenizer.FindToken(entry));
        Assert.DoesNotContain(5, tokenizer.Encode($"{text} {text}{text}", parseSpecial: true));
        Assert.DoesNotContain(before, tokenizer.Encode($"{text} {text}{text}", parseSpecial: true));
    }

    [Fact]
    public void Ids_out_of_range_count_as_absent_and_merges_to_unknown_tokens_fall_back_to_letters()
    {
        Tokenizer tokenizer = Tokenizer.Create(BytePair with { BosId = -1, EosId = 1_000_000, Merges = Utf8Strings.From("x y", "q q q") });
        Assert.Null(tokenizer.BosId);
        Assert.Null(tokenizer.EosId);
        Assert.Equal("xyqq", tokenizer.Decode(tokenizer.Encode("xyqq")));
        Assert.Equal(4, tokenizer.Encode("xyqq").Length);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Any_text_can_be_encoded(string kind)
    {
        Tokenizer tokenizer = Tokenizer.Create(DataOf(kind));
        Random random = new(7);
        for (int i = 0; i < 500; i++)
        {
            string text = RandomText(random);
            int[] ids = tokenizer.Encode(text, parseSpecial: i % 2 == 0, addSpecial: i % 3 == 0);
            Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
            if (kind is "gpt2" or "llama" && i % 2 == 1 && i % 3 > 0)
            {
                Assert.Equal(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), tokenizer.Decode(ids));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Damaged_data_gives_a_tokenizer_or_its_exception(string kind)
    {
        Random random = new(11);
        TokenizerData sound = DataOf(kind);
        ArrayBufferWriter<byte> bytes = new();
        int working = 0;
        for (int i = 0; i < 300; i++)
        {
            TokenizerData damaged = Damaged(sound, random);
            try
            {
                Tokenizer tokenizer = Tokenizer.Create(damaged);
                working++;
                int[] ids = tokenizer.Encode(RandomText(random), parseSpecial: true, addSpecial: true);
                foreach (int id in ids) tokenizer.Decode(id, bytes, true);
            }
            catch (TokenizerException exception)
            {
                Assert.StartsWith("tokenizer.ggml.", exception.Message, StringComparison.Ordinal);
            }
        }
        Assert.InRange(working, 10, 299); // or the damage is too much, or too little, to show anything
    }

    [Fact]
    public void A_model_s_map_of_characters_is_applied()
    {
        Tokenizer tokenizer = Tokenizer.Create(DataOf("t5"));
        Assert.Equal(tokenizer.Encode("a"), tokenizer.Encode("A"));
        Assert.NotEqual(tokenizer.Encode("b"), tokenizer.Encode("B"));
    }

    [Fact]
    public void A_replacement_s_length_is_bounded()
    {
        byte[] charsmap = new byte[8 + 5000];
        BinaryPrimitives.WriteInt32LittleEndian(charsmap, 4);
        charsmap.AsSpan(8, 4999).Fill((byte)'a');
        Assert.Contains("too long", Refusal(DataOf("t5") with { PrecompiledCharsmap = charsmap }), StringComparison.Ordinal);
    }

    [Fact]
    public void Threads_can_share_a_tokenizer()
    {
        Tokenizer tokenizer = Tokenizer.Create(BytePair);
        string[] texts = [.. Enumerable.Range(0, 64).Select(i => RandomText(new Random(i)) + new string('a', i))];
        int[][] expected = [.. texts.Select(text => Tokenizer.Create(BytePair).Encode(text))];
        ParallelOptions four = new() { MaxDegreeOfParallelism = 4 };
        Parallel.For(0, 2000, four, i => Assert.Equal(expected[i % 64], tokenizer.Encode(texts[i % 64])));
    }

    private static string Refusal(TokenizerData data) => Assert.Throws<TokenizerException>(() => Tokenizer.Create(data)).Message;

    private static TokenizerData DataOf(string kind)
    {
        if (kind == "gpt2") return BytePair;
        string[] bytes = [.. Enumerable.Range(0, kind == "llama" ? 256 : 0).Select(value => $"<0x{value:X2}>")];
        string[] texts = ["▁", "▁a", "a", "b", "ab", "▁ab", "é", "😀", "lo", "wor", "▁wor", "ld", "x"];
        return new TokenizerData
        {
            Model = kind,
            Tokens = Utf8Strings.From(["<unk>", "<s>", "</s>", "[u]", .. texts, .. bytes]),
            Scores = [0, 0, 0, 0, .. texts.Select(text => -10f / text.Length), .. new float[bytes.Length]],
            TokenTypes = [2, 3, 3, 4, .. texts.Select(_ => 1), .. bytes.Select(_ => 6)],
            UnknownId = 0,
            BosId = 1,
            EosId = 2,
            SeparatorId = 2,
            PrecompiledCharsmap = kind == "t5" ? Charsmap() : null,
        };
    }

    /// <summary>A map that replaces A by "a": a double array of root, child 'A' and its leaf.</summary>
    private static byte[] Charsmap()
    {
        uint[] units = new uint[256];
        units[0] = 1 << 10;                      // root: base 1
        units[1 ^ 'A'] = 2 << 10 | 0x100 | 'A';  // child 'A' at 1 ^ 'A': base 2, has a leaf
        units[1 ^ 'A' ^ 2] = 0x80000000;         // leaf: replacement 0
        byte[] charsmap = new byte[4 + 1024 + 2];
        BinaryPrimitives.WriteInt32LittleEndian(charsmap, 1024);
        for (int i = 0; i < units.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(charsmap.AsSpan(4 + 4 * i), units[i]);
        charsmap[^2] = (byte)'a';
        return charsmap;
    }

    private static TokenizerData Damaged(TokenizerData data, Random random)
    {
        float[]? scores = (float[]?)data.Scores?.Clone();
        int[] types = (int[])data.TokenTypes!.Clone();
        byte[]? charsmap = (byte[]?)data.PrecompiledCharsmap?.Clone();
        if (scores is not null) scores[random.Next(scores.Length)] = (float)(random.NextDouble() * 1e38);
        types[random.Next(types.Length)] = random.Next(-2, 9);
        if (charsmap is not null)
        {
            charsmap[random.Next(4) == 0 ? random.Next(8) : random.Next(charsmap.Length)] ^= (byte)(1 << random.Next(8));
        }
        return data with
        {
            Tokens = Damaged(data.Tokens, random),
            Merges = data.Merges is null ? null : Damaged(data.Merges, random),
            Scores = random.Next(10) == 0 ? null : scores,
            TokenTypes = random.Next(10) == 0 ? null : types,
            PrecompiledCharsmap = charsmap,
            BosId = random.Next(-3, 300),
            EosId = random.Next(-3, 300),
            UnknownId = random.Next(3) == 0 ? random.Next(-3, 300) : data.UnknownId,
            AddBos = random.Next(2) == 0,
        };
    }

    private static Utf8Strings Damaged(Utf8Strings strings, Random random)
    {
        Utf8Strings damaged = new();
        int victim = random.Next(strings.Count);
        for (int i = 0; i < strings.Count; i++)
        {
            byte[] bytes = strings[i].ToArray();
            if (i == victim && bytes.Length > 0)
            {
                if (random.Next(2) == 0) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                else bytes = bytes[..random.Next(bytes.Length)];
            }
            damaged.Add(bytes);
        }
        return damaged;
    }

    private static string RandomText(Random random) => string.Create(random.Next(60), random, (text, random) =>
    {
        const string Often = "ab AB éü  \n'1[x][u]<unk></s><end>中\u0301";
        for (int i = 0; i < text.Length; i++) text[i] = random.Next(4) == 0 ? (char)random.Next(0x10000) : Often[random.Next(Often.Length)];
    });
}
