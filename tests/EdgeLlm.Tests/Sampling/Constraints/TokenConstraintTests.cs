using System.Text;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Sampling.Constraints;

public class TokenConstraintTests
{
    /// <summary>What a mask allows is what the matcher reads, token by token, at every step: kept masks and those of plain text included.</summary>
    [Theory]
    [InlineData("""{"type":"object","properties":{"name":{"type":"string","maxLength":20},"n":{"type":"array","items":{"type":"integer"},"maxItems":3}},"required":["name"]}""")]
    [InlineData("""{"type":"array","items":{"type":"string","minLength":3,"maxLength":18}}""")]
    [InlineData("{}")]
    public void A_mask_is_what_the_matcher_reads(string schema)
    {
        var constraint = OutputConstraint.JsonSchema(schema);
        var random = new Random(2);
        for (int run = 0; run < 6; run++)
        {
            TokenConstraint session = constraint.Begin(SmallVocabulary.Tree);
            var text = new List<byte>();
            for (int step = 0; step < 60 && !session.IsComplete; step++)
            {
                var logits = new float[SmallVocabulary.Tree.Count];
                session.Apply(logits, 100_000);
                var allowed = new List<int>();
                for (int token = 0; token < logits.Length; token++)
                {
                    bool reads = token == SmallVocabulary.End ? constraint.Accepts([.. text]) : constraint.CanBegin([.. text, .. SmallVocabulary.Tokens[token]]);
                    // A token with the ends of two keys that are not named is left out, as only keys that were read are compared.
                    if (reads && Encoding.UTF8.GetString(SmallVocabulary.Tokens[token]).Contains(",\"", StringComparison.Ordinal)) reads = logits[token] == 0;
                    Assert.True(reads == (logits[token] == 0), $"{Encoding.UTF8.GetString([.. text])} + {Encoding.UTF8.GetString(SmallVocabulary.Tokens[token])}: {reads}");
                    if (logits[token] == 0 && token != SmallVocabulary.End) allowed.Add(token);
                }
                int chosen = allowed[random.Next(allowed.Count)];
                session.Accept(chosen);
                text.AddRange(SmallVocabulary.Tokens[chosen]);
            }
        }
    }

    [Fact]
    public void Nothing_is_allocated_per_token_after_warm_up()
    {
        TokenConstraint session = OutputConstraint.JsonSchema("""{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}}""").Begin(SmallVocabulary.Tree);
        int[] tokens = [.. Encoding.UTF8.GetBytes("{\"name\": \"some words\"},").Select(value => value + 1)];
        var logits = new float[SmallVocabulary.Tree.Count];
        session.Accept('[' + 1);
        Run(40);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(20);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Run(int times)
        {
            for (int i = 0; i < times; i++)
            {
                foreach (int token in tokens)
                {
                    Array.Clear(logits);
                    session.Apply(logits, 1_000_000);
                    session.Accept(token);
                }
            }
        }
    }

    [Fact]
    public void The_only_text_that_can_follow_is_known()
    {
        TokenConstraint session = OutputConstraint.Regex("value: (12|34)").Begin(SmallVocabulary.Tree);
        var tokens = new int[20];
        int count = session.TryGetForced(tokens);
        Assert.Equal("value: ", string.Concat(tokens.Take(count).Select(token => Encoding.UTF8.GetString(SmallVocabulary.Tokens[token]))));
        Assert.True(count < 7); // `value` is one token
        foreach (int token in tokens.Take(count)) session.Accept(token);
        Assert.Equal(0, session.TryGetForced(tokens));
    }

    [Fact]
    public void A_healed_prompt_is_completed_by_a_longer_token()
    {
        TokenConstraint session = OutputConstraint.Regex("me|xt").Begin(SmallVocabulary.Tree, "na"u8);
        var logits = new float[SmallVocabulary.Tree.Count];
        session.Apply(logits, 100);
        string[] allowed = [.. Enumerable.Range(0, logits.Length).Where(token => logits[token] == 0).Select(token => Encoding.UTF8.GetString(SmallVocabulary.Tokens[token])).Order(StringComparer.Ordinal)];
        Assert.Equal(["n", "na", "name"], allowed);
    }

    [Fact]
    public void A_token_that_the_mask_forbids_is_not_accepted() =>
        Assert.Throws<ArgumentException>(() => OutputConstraint.Regex("abc").Begin(SmallVocabulary.Tree).Accept('x' + 1));
}
