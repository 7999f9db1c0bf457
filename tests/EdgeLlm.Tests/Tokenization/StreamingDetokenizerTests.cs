using System.Text;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

public sealed class StreamingDetokenizerTests
{
    private readonly Tokenizer _tokenizer = Tokenizer.Create(TokenizerTests.BytePairData([], ["Ġ a"]));

    [Fact]
    public void A_character_comes_whole_with_its_last_byte()
    {
        StreamingDetokenizer detokenizer = new(_tokenizer);
        int[] ids = _tokenizer.Encode("a😀é");
        Assert.Equal(["a", "", "", "", "😀", "", "é"], ids.Select(id => detokenizer.Add(id).ToString()));
        Assert.Equal("", detokenizer.Flush().ToString());
    }

    [Fact]
    public void A_character_that_is_not_completed_is_a_replacement_character()
    {
        StreamingDetokenizer detokenizer = new(_tokenizer);
        int[] ids = _tokenizer.Encode("😀");
        Assert.Equal("", detokenizer.Add(ids[0]).ToString());
        Assert.Equal("", detokenizer.Add(ids[1]).ToString());
        Assert.Equal("\uFFFDa", detokenizer.Add(_tokenizer.FindToken("a")!.Value).ToString());

        detokenizer.Add(ids[0]);
        Assert.Equal("\uFFFD", detokenizer.Flush().ToString());
        Assert.Equal("a", detokenizer.Add(_tokenizer.FindToken("a")!.Value).ToString());
    }

    [Fact]
    public void A_byte_that_cannot_be_there_is_a_replacement_character_at_once() =>
        Assert.Equal("\uFFFD", new StreamingDetokenizer(_tokenizer).Add(_tokenizer.Encode("é")[1]).ToString());

    [Fact]
    public void A_leading_space_stays_as_the_text_goes_on() =>
        Assert.Equal(" a", new StreamingDetokenizer(_tokenizer).Add(_tokenizer.FindToken("Ġa")!.Value).ToString());

    [Fact]
    public void Control_tokens_come_only_where_asked()
    {
        Assert.Equal("", new StreamingDetokenizer(_tokenizer).Add(1).ToString());
        Assert.Equal("<end>", new StreamingDetokenizer(_tokenizer, renderSpecial: true).Add(1).ToString());
    }

    [Fact]
    public void Pieces_put_together_are_the_text_of_all_ids_even_of_random_ones()
    {
        Random random = new(5);
        for (int i = 0; i < 200; i++)
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(30)).Select(_ => random.Next(_tokenizer.VocabularySize))];
            StreamingDetokenizer detokenizer = new(_tokenizer);
            StringBuilder text = new();
            foreach (int id in ids)
            {
                ReadOnlySpan<char> piece = detokenizer.Add(id);
                Assert.False(piece.Length > 0 && char.IsHighSurrogate(piece[^1]));
                text.Append(piece);
            }
            Assert.Equal(_tokenizer.Decode(ids), text.Append(detokenizer.Flush()).ToString());
        }
    }

    [Fact]
    public void Nothing_is_allocated_for_a_token()
    {
        StreamingDetokenizer detokenizer = new(_tokenizer);
        int[] ids = _tokenizer.Encode("a 😀 a");
        foreach (int id in ids) detokenizer.Add(id);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (int id in ids) detokenizer.Add(id);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
