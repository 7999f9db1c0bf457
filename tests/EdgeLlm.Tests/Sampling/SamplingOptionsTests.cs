using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

public class SamplingOptionsTests
{
    [Fact]
    public void Defaults_and_extremes_are_valid()
    {
        new SamplingOptions().Validate();
        SamplingOptions.Greedy.Validate();
        new SamplingOptions
        {
            Temperature = float.MaxValue,
            TopK = int.MaxValue,
            TopP = 0,
            MinP = 1,
            TypicalP = 0,
            RepeatPenalty = 100,
            RepeatLastN = -1,
            PresencePenalty = -100,
            FrequencyPenalty = 100,
            DryMultiplier = float.MaxValue,
            DryBase = 1,
            DryAllowedLength = 1,
            DryPenaltyLastN = 0,
            LogitBias = new Dictionary<int, float> { [0] = float.NegativeInfinity, [1] = -3.5f },
        }.Validate();
    }

    [Fact]
    public void What_is_out_of_range_is_named_with_its_range()
    {
        var options = new SamplingOptions();
        foreach (float value in (float[])[-0.1f, float.NaN, float.PositiveInfinity])
        {
            Rejects(options with { Temperature = value }, "Temperature", "positive");
            Rejects(options with { DryMultiplier = value }, "DryMultiplier", "positive");
            Rejects(options with { DryBase = value }, "DryBase", "1 or more");
            Rejects(options with { TopP = value }, "TopP", "0 to 1");
            Rejects(options with { MinP = value }, "MinP", "to 1");
            Rejects(options with { TypicalP = value }, "TypicalP", "0 to 1");
            Rejects(options with { RepeatPenalty = value }, "RepeatPenalty", "0.01 to 100");
            Rejects(options with { PresencePenalty = value * 1001 }, "PresencePenalty", "-100 to 100");
            Rejects(options with { FrequencyPenalty = value * 1001 }, "FrequencyPenalty", "-100 to 100");
        }
        Rejects(options with { TopP = 1.01f }, "TopP is 1.01", "0 to 1");
        Rejects(options with { MinP = 1.01f }, "MinP is 1.01", "to 1");
        Rejects(options with { TypicalP = 1.01f }, "TypicalP is 1.01", "0 to 1");
        Rejects(options with { DryBase = 0.99f }, "DryBase is 0.99", "1 or more");
        Rejects(options with { RepeatPenalty = 0 }, "RepeatPenalty is 0;", "0.01 to 100");
        Rejects(options with { TopK = -1 }, "TopK is -1", "0 (off)");
        Rejects(options with { RepeatLastN = -2 }, "RepeatLastN is -2", "-1");
        Rejects(options with { DryPenaltyLastN = -2 }, "DryPenaltyLastN is -2", "-1");
        Rejects(options with { DryAllowedLength = 0 }, "DryAllowedLength is 0", "1 or more");
        Rejects(options with { DrySequenceBreakers = [[1], []] }, "DrySequenceBreakers", "one token or more");
        Rejects(options with { LogitBias = new Dictionary<int, float> { [7] = float.NaN } }, "LogitBias[7] is NaN", "finite");
        Rejects(options with { LogitBias = new Dictionary<int, float> { [7] = float.PositiveInfinity } }, "LogitBias[7]", "finite");
    }

    private static void Rejects(SamplingOptions options, string name, string range)
    {
        string message = Assert.ThrowsAny<ArgumentException>(options.Validate).Message;
        Assert.StartsWith(name, message, StringComparison.Ordinal);
        Assert.Contains(range, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }
}
