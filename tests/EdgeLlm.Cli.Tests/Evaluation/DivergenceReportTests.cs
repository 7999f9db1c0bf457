using EdgeLlm.Cli.Evaluation;

namespace EdgeLlm.Cli.Tests.Evaluation;

public sealed class DivergenceReportTests
{
    [Fact]
    public void Quantiles_lie_on_straight_lines_between_ranks()
    {
        // 0, 1, ... 10 in any order: rank 9.9 is between 9 and 10.
        int[] values = [3, 0, 10, 7, 1, 9, 2, 8, 4, 6, 5];
        DivergenceReport report =
            DivergenceReport.Of([.. values.Select(value => new PredictionScore(0, Math.Log(2 + value), value, value != 3))]);
        Assert.Equal(Math.Pow(479001600, 1 / 11.0), report.ReferencePerplexity, 1e-9); // 2 * 3 * ... * 12
        Assert.Equal(5, report.Mean, 1e-12);
        Assert.Equal(5, report.Median, 1e-12);
        Assert.Equal(9.9, report.Percentile99, 1e-12);
        Assert.Equal(10 / 11.0, report.SameTop, 1e-12);
    }

    [Fact]
    public void One_prediction_is_its_own_median_and_percentile()
    {
        DivergenceReport report = DivergenceReport.Of([new PredictionScore(1, 0, 0.25, true)]);
        Assert.Equal(new DivergenceReport(1, 0.25, 0.25, 0.25, 1), report);
    }
}
