using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

/// <summary>Each filter, on some of the best and on all of a vocabulary, against the brute-force reference.</summary>
public class CandidateFilterTests
{
    /// <summary>Top-k, p, and the width of the logits.</summary>
    public static MatrixTheoryData<int, float, double> Cases { get; } =
        new([0, 1, 2, 40, 300], [0f, 0.01f, 0.05f, 0.3f, 0.5f, 0.9f, 0.95f, 0.999f], [0.01, 1, 3, 20]);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Top_p_keeps_what_the_reference_keeps(int k, float p, double width) =>
        Compare(k, width, new TopP(p), (logits, tokens) => Reference.TopP(logits, tokens, p));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Min_p_keeps_what_the_reference_keeps(int k, float p, double width) =>
        Compare(k, width, new MinP(p), (logits, tokens) => Reference.MinP(logits, tokens, p));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Typical_p_keeps_what_the_reference_keeps(int k, float p, double width) =>
        Compare(k, width, new TypicalP(p), (logits, tokens) => Reference.TypicalP(logits, tokens, p));

    [Fact]
    public void Top_p_stops_exactly_where_it_reaches_p()
    {
        float[] quarters = [0, 0, 0, 0];
        Assert.Equal([0, 1], Kept(quarters, 0, new TopP(0.5f)));
        Assert.Equal([0, 1, 2], Kept(quarters, 0, new TopP(0.51f)));
    }

    [Fact]
    public void Typical_p_may_drop_the_best()
    {
        // One token of 2/5 (0.9 nats) and 64 of 0.6/64 (4.7 nats): the entropy, 3.2 nats, is nearer to the many.
        float[] logits = [MathF.Log(0.4f), .. Enumerable.Repeat(MathF.Log(0.6f / 64), 64)];
        List<int> kept = Kept(logits, 0, new TypicalP(0.5f));
        Assert.DoesNotContain(0, kept);
        Assert.Equal(54, kept.Count); // 54 * 0.6 / 64 is the first above a half
    }

    [Fact]
    public void Equal_logits_all_pass_min_p_of_1()
    {
        Assert.Equal([0, 2], Kept([1, 0, 1], 0, new MinP(1)));
    }

    private static void Compare(int k, double width, ICandidateFilter filter, Func<float[], List<int>, List<int>> reference)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            float[] logits = Reference.RandomLogits(seed, 300, width);
            Assert.Equal(reference(logits, Reference.TopK(logits, k)), Kept(logits, k, filter));
        }
    }

    private static List<int> Kept(float[] logits, int k, ICandidateFilter filter)
    {
        var candidates = new Candidates(logits.Length, k);
        candidates.Load(logits);
        filter.Apply(candidates);
        candidates.Sort();
        return [.. Enumerable.Range(0, candidates.Count).Select(candidates.Token)];
    }
}
