using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

public class RepetitionPenaltiesTests
{
    [Fact]
    public void Repeat_divides_positive_logits_and_multiplies_others()
    {
        Assert.Equal([2, -8, 0, 5], Penalise(new RepetitionPenalties(2, 0, 0, 8), [0, 1, 2], [4, -4, 0, 5]));
    }

    [Fact]
    public void Presence_counts_once_and_frequency_each_time()
    {
        Assert.Equal([0.5f, 0, 1], Penalise(new RepetitionPenalties(1, 0.25f, 0.25f, 8), [0, 1, 1, 1], [1, 1, 1]));
    }

    [Fact]
    public void Repeat_comes_before_presence_and_frequency()
    {
        Assert.Equal([4f / 2 - 3 * 0.5f - 1], Penalise(new RepetitionPenalties(2, 1, 0.5f, 8), [0, 0, 0], [4]));
    }

    [Fact]
    public void Negative_penalties_reward()
    {
        Assert.Equal([3.5f, 0], Penalise(new RepetitionPenalties(1, -1.5f, -1, 8), [0, 0], [0, 0]));
    }

    [Fact]
    public void A_banned_token_stays_banned()
    {
        Assert.Equal([float.NegativeInfinity], Penalise(new RepetitionPenalties(0.01f, -100, -100, 8), [0], [float.NegativeInfinity]));
    }

    [Fact]
    public void Only_the_window_counts_as_it_moves()
    {
        int[] text = [.. Enumerable.Range(0, 500).Select(i => i * i % 7)];
        var penalties = new RepetitionPenalties(1, 0, 1, 5);
        for (int length = 1; length <= text.Length; length++)
        {
            penalties.Accept(text[length - 1]);
            float[] logits = new float[7];
            penalties.Apply(logits);

            int[] window = text[Math.Max(0, length - 5)..length];
            Assert.Equal(Enumerable.Range(0, 7).Select(token => 0f - window.Count(seen => seen == token)), logits);
        }
    }

    [Fact]
    public void Reset_forgets()
    {
        var penalties = new RepetitionPenalties(1, 1, 1, 3);
        Assert.Equal([-3], Penalise(penalties, [0, 0], [0]));
        penalties.Reset();
        Assert.Equal([0], Penalise(penalties, [], [0]));
        Assert.Equal([-2], Penalise(penalties, [0], [0]));
    }

    private static float[] Penalise(RepetitionPenalties penalties, int[] text, float[] logits)
    {
        foreach (int token in text) penalties.Accept(token);
        penalties.Apply(logits);
        return logits;
    }
}
