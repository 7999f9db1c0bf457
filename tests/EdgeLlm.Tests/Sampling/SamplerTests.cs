using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

public class SamplerTests
{
    private static readonly SamplingOptions Unfiltered = new() { Temperature = 1, TopK = 0, TopP = 1, MinP = 0, Seed = 1 };

    /// <summary>The expected tokens are those of a Python script that shares nothing with this code but the formulas.</summary>
    [Fact]
    public void A_seed_gives_the_same_tokens_on_every_machine()
    {
        Assert.Equal([30, 16, 62, 26, 91, 1, 99, 44, 82, 19, 5, 84, 18, 37, 12, 88, 6, 11, 19, 46, 65, 21, 7, 94],
            Tokens(new SamplingOptions { Seed = 42 }, 24));
        SamplingOptions typical = new() { Seed = 7, TopK = 0, TopP = 0.9f, MinP = 0, Temperature = 1.5f, TypicalP = 0.8f };
        Assert.Equal([38, 16, 51, 67, 94, 61, 91, 17, 33, 0, 46, 32, 78, 75, 23, 80, 17, 3, 41, 68, 95, 70, 97, 4],
            Tokens(typical, 24));
    }

    [Fact]
    public void Reset_starts_the_same_sequence_again()
    {
        var sampler = new Sampler(Unfiltered with { PresencePenalty = 1 }, 101);
        List<int> first = Tokens(sampler, 50);
        Assert.NotEqual(first, Tokens(sampler, 50));
        sampler.Reset();
        Assert.Equal(first, Tokens(sampler, 50));
    }

    [Fact]
    public void Without_a_seed_one_is_picked_and_told()
    {
        var sampler = new Sampler(Unfiltered with { Seed = null }, 101);
        Assert.NotEqual(sampler.Seed, new Sampler(Unfiltered with { Seed = null }, 101).Seed);
        Assert.Equal(Tokens(sampler, 50), Tokens(Unfiltered with { Seed = sampler.Seed }, 50));
    }

    [Fact]
    public void Greedy_takes_the_best_and_of_equals_the_lowest_id()
    {
        Assert.Equal(2, new Sampler(SamplingOptions.Greedy, 5).Sample([-1, 3, 7, 7, 2]));
        Assert.Equal(0, new Sampler(SamplingOptions.Greedy with { TopK = 0 }, 5).Sample([-9, -9, -9, -9, -9]));
        Assert.Equal(4, new Sampler(SamplingOptions.Greedy with { TypicalP = 0.1f, TopP = 0, MinP = 1 }, 5).Sample([1, 2, 3, 4, 5]));
    }

    [Fact]
    public void Greedy_sees_bias_and_penalties()
    {
        var bias = new Dictionary<int, float> { [0] = float.NegativeInfinity, [1] = 1.5f };
        SamplingOptions options = SamplingOptions.Greedy with { PresencePenalty = 2, LogitBias = bias };
        var sampler = new Sampler(options, 3);
        Assert.Equal(1, sampler.Sample([100, 1, 2]));
        sampler.Accept(1);
        Assert.Equal(2, sampler.Sample([100, 1, 2]));
        sampler.Accept(2);
        Assert.Equal(1, sampler.Sample([100, 1, 2]));
    }

    [Fact]
    public void Dry_breaks_a_loop()
    {
        var sampler = new Sampler(SamplingOptions.Greedy with { DryMultiplier = 0.8f }, 4);
        int[] loop = [0, 1, 2, 0, 1, 2, 0, 1];
        foreach (int token in loop) sampler.Accept(token);
        Assert.Equal(3, sampler.Sample([0, 0, 5, 1])); // 2 would be the 6th token of the repetition: 0.8 * 1.75^3 = 4.3 less
    }

    [Fact]
    public void Draws_follow_the_probabilities()
    {
        float[] logits = [0, 1, 2, 3, 2.5f, -1, 1.5f, 0.5f];
        foreach (double temperature in (double[])[0.7, 1, 1.6])
        {
            double[] probabilities = Reference.Probabilities(logits, [0, 1, 2, 3, 4, 5, 6, 7], (float)temperature);
            double chiSquare = ChiSquare(Unfiltered with { Temperature = (float)temperature }, logits, probabilities);
            Assert.InRange(chiSquare, 0, 24.3); // 99.9 % at 7 degrees of freedom
        }
    }

    [Fact]
    public void The_whole_chain_leaves_the_references_distribution()
    {
        float[] logits = Reference.RandomLogits(5, 60, 1.2);
        SamplingOptions options = new() { TopK = 30, TypicalP = 0.95f, TopP = 0.8f, MinP = 0.12f, Temperature = 1.3f, Seed = 9 };
        List<int> kept = Reference.TopK(logits, 30);
        kept = Reference.TypicalP(logits, kept, 0.95f);
        kept = Reference.TopP(logits, kept, 0.8f);
        kept = Reference.MinP(logits, kept, 0.12f);
        double[] probabilities = new double[60];
        double[] ofKept = Reference.Probabilities(logits, kept, 1.3f);
        for (int i = 0; i < kept.Count; i++) probabilities[kept[i]] = ofKept[i];

        Assert.InRange(kept.Count, 5, 25);
        Assert.InRange(ChiSquare(options, logits, probabilities), 0, 51.2); // 99.9 % at 24 degrees of freedom
    }

    [Theory]
    [InlineData(1e-38f, 2)]
    [InlineData(float.Epsilon, 2)]
    public void A_tiny_temperature_is_greedy(float temperature, int expected)
    {
        var sampler = new Sampler(Unfiltered with { Temperature = temperature }, 4);
        for (int i = 0; i < 20; i++) Assert.Equal(expected, sampler.Sample([1, 2, 2.001f, -3]));
    }

    [Fact]
    public void A_huge_temperature_is_uniform()
    {
        Assert.InRange(ChiSquare(Unfiltered with { Temperature = float.MaxValue }, [-50, 0, 50, 1], [0.25, 0.25, 0.25, 0.25]), 0, 16.3);
    }

    [Fact]
    public void A_vocabulary_of_one_token_gives_that_token()
    {
        Assert.Equal(0, new Sampler(SamplingOptions.Greedy, 1).Sample([-5]));
        Assert.Equal(0, new Sampler(new SamplingOptions(), 1).Sample([-5]));
        Assert.Equal(0, new Sampler(Unfiltered, 1).Sample([float.MinValue]));
    }

    [Fact]
    public void The_hardest_penalties_ban_nothing()
    {
        SamplingOptions options = Unfiltered with
        {
            RepeatPenalty = 100,
            PresencePenalty = 100,
            FrequencyPenalty = 100,
            DryMultiplier = float.MaxValue,
            DryBase = float.MaxValue,
            DryAllowedLength = 1,
        };
        var sampler = new Sampler(options, 1);
        for (int i = 0; i < 200; i++)
        {
            Assert.Equal(0, sampler.Sample([-50]));
            sampler.Accept(0);
        }
    }

    [Fact]
    public void Bias_that_bans_everything_is_an_error()
    {
        Dictionary<int, float> bans = Enumerable.Range(0, 3).ToDictionary(token => token, _ => float.NegativeInfinity);
        var sampler = new Sampler(new SamplingOptions { LogitBias = bans }, 3);
        var error = Assert.Throws<SamplingException>(() => sampler.Sample(new float[3]));
        Assert.Contains("banned", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_logit_that_is_not_a_number_is_an_error()
    {
        foreach (SamplingOptions options in (SamplingOptions[])[SamplingOptions.Greedy, new(), Unfiltered])
        {
            var sampler = new Sampler(options, 3);
            var error = Assert.Throws<SamplingException>(() => sampler.Sample([0, float.NaN, 9]));
            Assert.Contains("token 1 is NaN", error.Message, StringComparison.Ordinal);
            Assert.Equal(2, sampler.Sample([0, 0, 99])); // and the sampler is none the worse
        }
    }

    [Fact]
    public void What_does_not_fit_the_vocabulary_is_an_error()
    {
        var sampler = new Sampler(new SamplingOptions(), 3);
        Assert.Throws<ArgumentException>(() => sampler.Sample(new float[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Accept(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Accept(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(new SamplingOptions(), 0));
        Assert.ThrowsAny<ArgumentException>(() => new Sampler(new SamplingOptions { TopK = -1 }, 3));
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions { LogitBias = new Dictionary<int, float> { [3] = 1 } }, 3));
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions { DrySequenceBreakers = [[0], [1, -1]] }, 3));
    }

    [Fact]
    public void The_context_bounds_every_window()
    {
        SamplingOptions options = SamplingOptions.Greedy with
        {
            PresencePenalty = 5,
            RepeatLastN = int.MaxValue,
            DryMultiplier = 1,
            DryPenaltyLastN = int.MaxValue,
        };
        var sampler = new Sampler(options, 3, contextLength: 2);
        foreach (int token in (int[])[0, 1, 2]) sampler.Accept(token);
        Assert.Equal(0, sampler.Sample([1, 2, 3])); // 0 is out of the window
    }

    [Fact]
    public void Sampling_and_accepting_allocate_nothing()
    {
        SamplingOptions all = new()
        {
            TypicalP = 0.9f,
            RepeatPenalty = 1.1f,
            PresencePenalty = 0.1f,
            FrequencyPenalty = 0.1f,
            DryMultiplier = 0.8f,
            DryAllowedLength = 1,
            DrySequenceBreakers = [[3], [4, 5]],
            LogitBias = new Dictionary<int, float> { [1] = 1, [2] = float.NegativeInfinity },
        };
        foreach (SamplingOptions options in (SamplingOptions[])[SamplingOptions.Greedy, new(), Unfiltered, all, all with { TopK = 0 }])
        {
            var sampler = new Sampler(options, 2000, contextLength: 300);
            float[] logits = Reference.RandomLogits(3, 2000, 2);
            float[] scratch = new float[2000];
            Run(sampler, logits, scratch, 1);

            long before = GC.GetAllocatedBytesForCurrentThread();
            Run(sampler, logits, scratch, 1000);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    private static void Run(Sampler sampler, float[] logits, float[] scratch, int tokens)
    {
        for (int i = 0; i < tokens; i++)
        {
            logits.CopyTo(scratch, 0);
            sampler.Accept(sampler.Sample(scratch));
        }
    }

    private static double ChiSquare(SamplingOptions options, float[] logits, double[] probabilities)
    {
        const int Draws = 50_000;
        var sampler = new Sampler(options, logits.Length);
        int[] counts = new int[logits.Length];
        for (int i = 0; i < Draws; i++) counts[sampler.Sample(logits)]++;

        double sum = 0;
        for (int token = 0; token < counts.Length; token++)
        {
            double expected = Draws * probabilities[token];
            if (expected == 0) Assert.Equal(0, counts[token]);
            else sum += (counts[token] - expected) * (counts[token] - expected) / expected;
        }
        return sum;
    }

    private static List<int> Tokens(SamplingOptions options, int count) => Tokens(new Sampler(options, 101), count);

    private static List<int> Tokens(Sampler sampler, int count)
    {
        var tokens = new List<int>();
        for (int step = 0; step < count; step++)
        {
            float[] logits = [.. Enumerable.Range(0, 101).Select(token => (token * 37 + step * 11) % 101 / 8f)];
            tokens.Add(sampler.Sample(logits));
            sampler.Accept(tokens[^1]);
        }
        return tokens;
    }
}
