using EdgeLlm.Models.Inspection;

namespace EdgeLlm.Tests.Models.Inspection;

/// <summary>Directions of <see cref="Steering"/> in made-up residuals.</summary>
public sealed class SteeringTests
{
    private const int Width = 48;

    [Theory]
    [InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5)]
    public void A_planted_direction_is_found_with_the_sign_of_the_positive_texts(int seed)
    {
        var random = new Random(seed);
        double[] planted = Unit(random);
        float[][] differences = [.. Enumerable.Range(0, 40)
            .Select(_ => Difference(planted, 0.5 + 2 * random.NextDouble(), random, noise: 0.05))];
        double[] mean = MeanOf(differences), found = Steering.FirstComponent(differences, mean);
        Assert.InRange(Cosine(found, planted), 0.99, 1.0000001); // + is what the positive texts have more of
        Assert.Equal(Length(mean), Length(found), 1e-9);
        float[][] swapped = [.. differences.Select(difference => difference.Select(number => -number).ToArray())];
        Assert.InRange(Cosine(Steering.FirstComponent(swapped, MeanOf(swapped)), planted), -1.0000001, -0.99);
    }

    [Fact]
    public void The_widest_spread_is_found_though_the_mean_is_orthogonal_to_it()
    {
        float[][] differences = new float[8][]; // 1 along the first axis, 3 and -3 in turns along the second: the mean has none of that
        for (int pair = 0; pair < differences.Length; pair++)
        {
            differences[pair] = new float[Width];
            (differences[pair][0], differences[pair][1]) = (1, pair % 2 == 0 ? 3 : -3);
        }
        double[] found = Steering.FirstComponent(differences, MeanOf(differences));
        Assert.Equal(1, Math.Abs(found[1]), 1e-6);
        Assert.Equal(0, found[0], 1e-5);
    }

    [Theory]
    [InlineData(0.8), InlineData(0.95), InlineData(1.1)]
    public void Spreads_that_are_nearly_as_wide_are_told_apart(double ratio)
    {
        float[][] differences = [.. Enumerable.Range(0, 16).Select(pair => // the longest are along the second axis, more along the first
        {
            float[] difference = new float[Width];
            if (pair % 4 == 0) (difference[0], difference[1]) = (0.05f, (float)Math.Sqrt(3 * ratio));
            else difference[0] = 1;
            return difference;
        })];
        double[] found = Steering.FirstComponent(differences, MeanOf(differences));
        double a = Sum(0, 0), b = Sum(1, 1), angle = Math.Atan2(2 * Sum(0, 1), a - b) / 2; // of a symmetric matrix of two rows
        Assert.Equal(Math.Cos(angle), found[0] / Length(found), 1e-5);
        Assert.Equal(Math.Sin(angle), found[1] / Length(found), 1e-5);

        double Sum(int i, int j) => differences.Sum(difference => (double)difference[i] * difference[j]);
    }

    [Fact]
    public void Pairs_without_a_difference_have_no_direction()
    {
        float[][] differences = [new float[Width], new float[Width]];
        Assert.All(Steering.FirstComponent(differences, MeanOf(differences)), number => Assert.Equal(0, number));
    }

    private static float[] Difference(double[] direction, double length, Random random, double noise) =>
        [.. direction.Select(number => (float)(number * length + noise * (random.NextDouble() * 2 - 1)))];

    private static double[] Unit(Random random)
    {
        double[] numbers = [.. Enumerable.Range(0, Width).Select(_ => random.NextDouble() - 0.5)];
        double length = Length(numbers);
        return [.. numbers.Select(number => number / length)];
    }

    private static double[] MeanOf(float[][] differences) =>
        [.. Enumerable.Range(0, Width).Select(i => differences.Average(difference => (double)difference[i]))];

    private static double Length(double[] numbers) => Math.Sqrt(numbers.Sum(number => number * number));

    private static double Cosine(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum() / Length(a) / Length(b);
}
