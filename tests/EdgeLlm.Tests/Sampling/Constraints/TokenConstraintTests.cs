using System.Text;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Sampling.Constraints;

public class TokenConstraintTests
{
    /// <summary>
    /// What a mask allows is what the matcher reads, token by token, at every step: kept masks, those of plain text and those of little
    /// room included.
    /// </summary>
    [Theory]
    [InlineData(
        """{"type":"object","properties":{"name":{"type":"string","maxLength":20},"n":{"type":"array","items":{"type":"integer"},"maxItems":3}},"required":["name"]}""")]
    [InlineData("""{"type":"array","items":{"type":"string","minLength":3,"maxLength":18}}""")]
    [InlineData("{}")]
    [InlineData(
        """{"anyOf":[{"type":"string","maxLength":6},{"type":"string","pattern":"^[a-z]+ (the|name)$"},{"type":"string","format":"date"},{"type":"array","items":{"type":"string"}}]}""")]
    [InlineData(
        """{"oneOf":[{"type":"object","properties":{"type":{"const":"a"},"name":{"type":"string"}},"required":["type"]},{"type":"object","properties":{"type":{"const":"b"},"name":{"type":"number"}},"required":["type"]}]}""")]
    [InlineData(
        """{"type":"object","propertyNames":{"pattern":"^[a-z_]+$"},"additionalProperties":{"type":"integer","minimum":-12,"maximum":345}}""")]
    [InlineData(
        """{"type":"object","patternProperties":{"^x-[a-z]+$":{"type":"string","maxLength":5}},"properties":{"x-y":{"type":"null"},"name":{"type":"boolean"}},"additionalProperties":false,"minProperties":1}""")]
    [InlineData(
        """{"type":"object","properties":{"name":{"type":"string","minLength":12},"names":{"type":"string"}},"required":["name"],"maxProperties":3}""")]
    [InlineData("""{"type":"array","items":{"enum":["mon","tue",1,2]},"uniqueItems":true,"minItems":2}""")]
    [InlineData(
        """{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"node":{"$ref":"#/$defs/n"},"id":{"type":"number"}},"required":["id"],"additionalProperties":false}}}""")]
    public void A_mask_is_what_the_matcher_reads(string schema) => CheckMasks(OutputConstraint.JsonSchema(schema));

    [Theory]
    [InlineData("[a-z]* (na|name|the)+\\d{2,12}")]
    [InlineData("(a|ab|abc)*x?(foo|bar)*")]
    [InlineData("(.{2}|é+)*")]
    public void A_mask_of_a_pattern_is_what_the_matcher_reads(string pattern) => CheckMasks(OutputConstraint.Regex(pattern));

    [Theory]
    [InlineData("""root ::= item ("," item)* "\n"\nitem ::= [a-z]+ | "(" root ")" | item2 "x"\nitem2 ::= [a-m]+ [0-9]* """)]
    [InlineData("""root ::= e\ne ::= t | t "+" e | t ".5" e\nt ::= [0-9]+ | "{" e "}" | "a"+ """)]
    public void A_mask_of_a_grammar_is_what_the_matcher_reads(string grammar) =>
        CheckMasks(OutputConstraint.Gbnf(grammar.Replace("\\n", "\n", StringComparison.Ordinal)));

    private static void CheckMasks(OutputConstraint constraint)
    {
        var random = new Random(2);
        for (int run = 0; run < 4; run++)
        {
            TokenConstraint session = constraint.Begin(SmallVocabulary.Tree);
            var text = new List<byte>();
            int room = run < 2 ? 100_000 : constraint.ShortestBytes + 4 + 8 * run;
            for (int step = 0; step < Math.Min(room, 25) && !session.IsComplete; step++)
            {
                var logits = new float[SmallVocabulary.Tree.Count];
                Assert.True(session.Apply(logits, room - step));
                var allowed = new List<int>();
                for (int token = 0; token < logits.Length; token++)
                {
                    int distance = token == SmallVocabulary.End ? constraint.Accepts([.. text]) ? 0 : -1
                        : constraint.DistanceAfter([.. text, .. SmallVocabulary.Tokens[token]]);
                    bool reads = distance >= 0 && distance < room - step;
                    // A token with the ends of two keys that are not named is left out, as only keys that were read are compared.
                    if (reads && Encoding.UTF8.GetString(SmallVocabulary.Tokens[token]).Contains(",\"", StringComparison.Ordinal))
                        reads = logits[token] == 0;
                    // Keys that are not named may need some bytes more than is true, to tell them from all others.
                    if (reads && distance >= room - step - 8) reads = logits[token] == 0;
                    Assert.True(reads == (logits[token] == 0),
                        $"{Encoding.UTF8.GetString([.. text])} + {Encoding.UTF8.GetString(SmallVocabulary.Tokens[token])}: {reads}, room "
                            + $"{room - step}, distance {distance}");
                    if (logits[token] == 0 && token != SmallVocabulary.End) allowed.Add(token);
                }
                if (allowed.Count == 0) break; // only the end is left
                int chosen = allowed[random.Next(allowed.Count)];
                session.Accept(chosen);
                text.AddRange(SmallVocabulary.Tokens[chosen]);
            }
        }
    }

    /// <summary>
    /// A text that can be read in more ways than are followed: the ones that are dropped are not needed for what a mask allowed.
    /// </summary>
    [Fact]
    public void A_token_that_a_mask_allowed_can_come_however_ambiguous_the_grammar_is()
    {
        string rules = string.Concat(Enumerable.Range(0, 300).Select(i => $"a{i} ::= \"na\" a{i}? \"{i}\"\n"));
        var constraint = OutputConstraint.Gbnf("root ::= (" + string.Join(" | ", Enumerable.Range(0, 300).Select(i => $"a{i}"))
            + ") | [a-z]+ root\n" + rules);
        var random = new Random(3);
        for (int run = 0; run < 10; run++) SmallVocabulary.Answer(constraint, random, 60);
    }

    [Fact]
    public void Nothing_is_allocated_per_token_after_warm_up()
    {
        TokenConstraint session =
            OutputConstraint.JsonSchema(
                """{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}}""")
                .Begin(SmallVocabulary.Tree);
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
        string[] allowed = [.. Enumerable.Range(0, logits.Length).Where(token => logits[token] == 0)
            .Select(token => Encoding.UTF8.GetString(SmallVocabulary.Tokens[token])).Order(StringComparer.Ordinal)];
        Assert.Equal(["n", "na", "name"], allowed);
    }

    [Fact]
    public void A_token_that_the_mask_forbids_is_not_accepted() =>
        Assert.Throws<ArgumentException>(() => OutputConstraint.Regex("abc").Begin(SmallVocabulary.Tree).Accept('x' + 1));
}
