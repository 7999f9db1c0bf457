using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

public class CandidatesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(40)]
    [InlineData(499)]
    [InlineData(500)]
    [InlineData(9999)]
    public void Load_takes_the_best_k_best_first(int k)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            float[] logits = Reference.RandomLogits(seed, 500, 3);
            Candidates candidates = Load(logits, k);
            candidates.Sort();
            Assert.Equal(Reference.TopK(logits, k), Tokens(candidates));
        }
    }

    [Fact]
    public void Rising_and_falling_logits_give_the_same_best()
    {
        float[] rising = [.. Enumerable.Range(0, 1000).Select(token => token - 500f)];
        Assert.Equal([999, 998, 997], Tokens(Load(rising, 3)));
        Assert.Equal([0, 1, 2], Tokens(Load([.. rising.Reverse()], 3)));
    }

    [Fact]
    public void Without_k_all_are_taken_by_id()
    {
        Assert.Equal([0, 1, 2, 3], Tokens(Load([1, 3, -2, 0], 0)));
    }

    [Fact]
    public void Of_equal_logits_the_lower_id_is_better()
    {
        Assert.Equal([1, 3, 4], Tokens(Load([0, 5, 1, 5, 5, 5], 3)));
        Assert.Equal([0, 1], Tokens(Load([-0f, 0f, -0f, 0f], 2)));
        Assert.Equal([0, 1], Tokens(Load([0f, -0f, 0f, -0f], 2)));
    }

    [Fact]
    public void A_logit_of_minus_infinity_is_no_candidate()
    {
        Assert.Equal([1, 3], Tokens(Load([float.NegativeInfinity, 2, float.NegativeInfinity, -1], 3)));
        Assert.Equal([1, 3], Tokens(Load([float.NegativeInfinity, 2, float.NegativeInfinity, -1], 0)));
    }

    [Fact]
    public void A_logit_comes_back_as_it_went_in()
    {
        float[] logits = [float.MaxValue, 1.5f, float.Epsilon, 0, -float.Epsilon, -1.5f, float.MinValue];
        Candidates candidates = Load(logits, 0);
        candidates.Sort();
        Assert.Equal(logits, Enumerable.Range(0, logits.Length).Select(candidates.Logit));
    }

    [Fact]
    public void A_logit_that_is_no_number_is_an_error_wherever_it_stands()
    {
        foreach (float broken in (float[])[float.NaN, -float.NaN, float.PositiveInfinity])
        {
            for (int at = 0; at < 9; at++)
            {
                float[] logits = [9, 8, 7, 6, 5, 4, 3, 2, 1];
                logits[at] = broken;
                var error = Assert.Throws<SamplingException>(() => Load(logits, 2));
                Assert.Contains($"token {at} is ", error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Nothing_but_minus_infinity_is_an_error()
    {
        float[] logits = [.. Enumerable.Repeat(float.NegativeInfinity, 7)];
        Assert.Contains("banned", Assert.Throws<SamplingException>(() => Load(logits, 2)).Message, StringComparison.Ordinal);
        Assert.Contains("banned", Assert.Throws<SamplingException>(() => Load(logits, 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_weight_is_relative_to_the_best()
    {
        Candidates candidates = Load([1, 3, 2], 0);
        Assert.Equal(1 + Math.Exp(-0.5) + Math.Exp(-1), candidates.Weigh(temperature: 2), 1e-15);
        Assert.Equal([Math.Exp(-1), 1, Math.Exp(-0.5)], candidates.Weights.ToArray(), (x, y) => Math.Abs(x - y) < 1e-15);
    }

    [Fact]
    public void Candidates_serve_again_and_again()
    {
        var candidates = new Candidates(4, 2);
        candidates.Load([4, 3, 2, 1]);
        candidates.Keep(1, 1);
        Assert.Equal([1], Tokens(candidates));
        candidates.Load([1, 2, 3, 4]);
        Assert.Equal([3, 2], Tokens(candidates));
    }

    private static Candidates Load(float[] logits, int k)
    {
        var candidates = new Candidates(logits.Length, k);
        candidates.Load(logits);
        return candidates;
    }

    private static IEnumerable<int> Tokens(Candidates candidates) => Enumerable.Range(0, candidates.Count).Select(candidates.Token);
}
