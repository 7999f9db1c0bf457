using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

public class DryPenaltyTests
{
    private static readonly SamplingOptions Options = new() { DryMultiplier = 1, DryBase = 2, DryAllowedLength = 2 };

    [Fact]
    public void What_would_continue_a_repetition_is_penalised_by_its_length()
    {
        // llama.cpp's example: a b c c b c y a b c. c would continue "a b c" (3 long), y "b c" (2); b only "c" (1, allowed).
        Assert.Equal([0, 0, -2, -1], Penalise(Options, 0, 1, 2, 2, 1, 2, 3, 0, 1, 2));
    }

    [Fact]
    public void The_penalty_is_multiplier_times_base_to_the_length_beyond_the_allowed()
    {
        SamplingOptions options = Options with { DryMultiplier = 0.8f, DryBase = 1.75f };
        float[] logits = Penalise(options, 0, 1, 2, 0, 3, 0, 1, 2, 0); // "0 1 2 0" was followed by 3
        Assert.Equal(-0.8f * 1.75f * 1.75f, logits[3], 1e-6f);
        Assert.Equal(0, logits[1]); // "0" alone is not long enough
    }

    [Fact]
    public void A_text_without_repetition_is_left_alone()
    {
        Assert.Equal(new float[6], Penalise(Options, 0, 1, 2, 3, 4, 5));
        Assert.Equal(new float[1], Penalise(Options));
    }

    [Fact]
    public void The_longest_match_counts()
    {
        // "1 2" was followed by 3 twice: once after 0 (3 long now), once after 4 (2 long).
        Assert.Equal(-2, Penalise(Options, 0, 1, 2, 3, 4, 1, 2, 3, 0, 1, 2)[3]);
    }

    [Fact]
    public void A_match_does_not_reach_across_a_breaker()
    {
        int[] text = [0, 1, 2, 3, 4, 0, 1, 2];
        Assert.Equal(-2, Penalise(Options, text)[3]);
        Assert.Equal(-1, Penalise(Options with { DrySequenceBreakers = [[0]] }, text)[3]); // "1 2" is left
        Assert.Equal(0, Penalise(Options with { DrySequenceBreakers = [[1]] }, text)[3]);  // "2" is left
        Assert.Equal(0, Penalise(Options with { DrySequenceBreakers = [[2]] }, text)[3]);
    }

    [Fact]
    public void A_breaker_of_several_tokens_breaks_only_as_a_whole()
    {
        int[] text = [5, 0, 1, 2, 3, 4, 5, 0, 1, 2];
        Assert.Equal(-4, Penalise(Options with { DrySequenceBreakers = [[1, 0], [9, 0], [9]] }, text)[3]);
        Assert.Equal(-1, Penalise(Options with { DrySequenceBreakers = [[9, 0], [5, 0]] }, text)[3]);
    }

    [Fact]
    public void A_breaker_of_one_token_is_never_penalised()
    {
        int[] text = [0, 1, 2, 3, 0, 1, 2];
        Assert.Equal(-2, Penalise(Options, text)[3]);
        Assert.Equal(0, Penalise(Options with { DrySequenceBreakers = [[3]] }, text)[3]);
        Assert.Equal(-2, Penalise(Options with { DrySequenceBreakers = [[3, 3]] }, text)[3]);
    }

    [Fact]
    public void Only_the_window_is_searched()
    {
        int[] text = [0, 1, 2, 3, 4, 0, 1, 2];
        Assert.Equal(-2, Penalise(Options with { DryPenaltyLastN = 8 }, text)[3]);
        Assert.Equal(-1, Penalise(Options with { DryPenaltyLastN = 7 }, text)[3]); // the first 0 has left
        Assert.Equal(0, Penalise(Options with { DryPenaltyLastN = 5 }, text)[3]);
    }

    [Theory]
    [InlineData(2, 1, 1000)]
    [InlineData(2, 3, 1000)]
    [InlineData(3, 2, 1000)]
    [InlineData(3, 2, 17)]
    [InlineData(6, 1, 40)]
    public void Every_text_is_penalised_as_by_the_published_algorithm(int alphabet, int allowedLength, int window)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            // The base of 1 + 1/64 keeps penalties of long matches apart in a float.
            SamplingOptions options = Options with
            {
                DryAllowedLength = allowedLength,
                DryBase = 1.015625f,
                DryPenaltyLastN = window,
                DrySequenceBreakers = seed % 2 == 0 ? [] : [[alphabet]],
            };
            var random = new Xoshiro256((ulong)seed);
            var dry = new DryPenalty(options, window);
            var text = new List<int>();
            for (int i = 0; i < 120; i++)
            {
                // Now and then the breaker, which is the alphabet's last letter; now and then a piece of the text again.
                int token = i % 40 > 25 ? text[i - 23] : (int)(random.Next() % (ulong)(alphabet + (i % 5 == 0 ? 1 : 0)));
                text.Add(token);
                dry.Accept(token);
                float[] logits = new float[alphabet + 1];
                dry.Apply(logits);
                float[] expected = Reference.Dry([.. text.TakeLast(window)], new float[alphabet + 1], options);
                Assert.Equal(expected, logits, (x, y) => Math.Abs(x - y) <= 1e-6f * Math.Abs(x));
            }
        }
    }

    [Fact]
    public void A_very_long_repetition_is_searched_in_linear_time_and_penalised_without_overflow()
    {
        var dry = new DryPenalty(Options, 300_000); // squared, this would take minutes
        for (int i = 0; i < 300_000; i++) dry.Accept(0);
        float[] logits = [1, 1];
        dry.Apply(logits);
        Assert.Equal([-1e30f, 1], logits);
    }

    [Fact]
    public void Reset_forgets()
    {
        var dry = new DryPenalty(Options, 100);
        foreach (int token in (int[])[0, 1, 2, 0, 1]) dry.Accept(token);
        dry.Reset();
        foreach (int token in (int[])[0, 1]) dry.Accept(token);
        float[] logits = new float[3];
        dry.Apply(logits);
        Assert.Equal(new float[3], logits);
    }

    private static float[] Penalise(SamplingOptions options, params int[] text)
    {
        var dry = new DryPenalty(options, options.DryPenaltyLastN < 0 ? 1000 : options.DryPenaltyLastN);
        foreach (int token in text) dry.Accept(token);
        float[] logits = new float[text.Append(0).Max() + 1];
        dry.Apply(logits);
        return logits;
    }
}
