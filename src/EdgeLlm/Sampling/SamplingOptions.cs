using System.Globalization;

namespace EdgeLlm.Sampling;

/// <summary>
/// How a token is chosen from logits. Applied in this order: logit bias, repeat, presence and frequency penalties, DRY, top-k, typical-p,
/// top-p, min-p, temperature, and a draw by the probabilities that are left. The defaults are llama.cpp's.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>
    /// Logits are divided by it: below 1 sharper, above 1 flatter. 0 takes the best token (of equals, the lowest id), without filters.
    /// </summary>
    public float Temperature { get; init; } = 0.8f;

    /// <summary>Only this many of the best tokens stay; 0 is off.</summary>
    public int TopK { get; init; } = 40;

    /// <summary>Only the best tokens stay whose probabilities together reach this, 0 to 1; 1 is off.</summary>
    public float TopP { get; init; } = 0.95f;

    /// <summary>Only tokens stay with at least this share, 0 to 1, of the best token's probability; 0 is off.</summary>
    public float MinP { get; init; } = 0.05f;

    /// <summary>
    /// Locally typical sampling: the tokens nearest to the expected information stay until they reach this probability, 0 to 1; 1 is
    /// off.
    /// </summary>
    public float TypicalP { get; init; } = 1;

    /// <summary>Positive logits of tokens seen are divided by it, others multiplied: 0.01 to 100; 1 is off.</summary>
    public float RepeatPenalty { get; init; } = 1;

    /// <summary>How many of the last tokens the repeat, presence and frequency penalties look at; 0 none, -1 the whole context.</summary>
    public int RepeatLastN { get; init; } = 64;

    /// <summary>Subtracted from the logit of every token seen: -100 to 100; 0 is off.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit for each time that it was seen: -100 to 100; 0 is off.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>
    /// DRY: the penalty of a token that would make a repetition one token longer than <see cref="DryAllowedLength"/>; 0 is off.
    /// </summary>
    public float DryMultiplier { get; init; }

    /// <summary>DRY: what each further token of the repetition multiplies the penalty by, 1 or more.</summary>
    public float DryBase { get; init; } = 1.75f;

    /// <summary>DRY: the longest repetition, in tokens, that costs nothing, 1 or more.</summary>
    public int DryAllowedLength { get; init; } = 2;

    /// <summary>DRY: how many of the last tokens are searched for repetitions; 0 none, -1 the whole context.</summary>
    public int DryPenaltyLastN { get; init; } = -1;

    /// <summary>
    /// DRY: token sequences, each of one token or more, that no repetition reaches across (line ends, quotes, the names of speakers).
    /// </summary>
    public IReadOnlyList<IReadOnlyList<int>> DrySequenceBreakers { get; init; } = [];

    /// <summary>Additions to tokens' logits before all else: a finite number, or -infinity to ban the token.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>
    /// Where the random numbers start: the same seed, options and logits give the same tokens on every machine. Null picks one at
    /// random.
    /// </summary>
    public ulong? Seed { get; init; }

    /// <summary>The best token, always.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Checks every value against its range.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it and the range.</exception>
    public void Validate()
    {
        Require(Temperature is >= 0 and <= float.MaxValue, nameof(Temperature), Temperature, "0 (greedy) or a positive number");
        Require(TopK >= 0, nameof(TopK), TopK, "0 (off) or a positive number");
        Require(TopP is >= 0 and <= 1, nameof(TopP), TopP, "0 to 1 (off)");
        Require(MinP is >= 0 and <= 1, nameof(MinP), MinP, "0 (off) to 1");
        Require(TypicalP is >= 0 and <= 1, nameof(TypicalP), TypicalP, "0 to 1 (off)");
        Require(RepeatPenalty is >= 0.01f and <= 100, nameof(RepeatPenalty), RepeatPenalty, "0.01 to 100, with 1 for off");
        Require(RepeatLastN >= -1, nameof(RepeatLastN), RepeatLastN, "-1 (the whole context), 0 (off) or a positive number");
        Require(PresencePenalty is >= -100 and <= 100, nameof(PresencePenalty), PresencePenalty, "-100 to 100, with 0 for off");
        Require(FrequencyPenalty is >= -100 and <= 100, nameof(FrequencyPenalty), FrequencyPenalty, "-100 to 100, with 0 for off");
        Require(DryMultiplier is >= 0 and <= float.MaxValue, nameof(DryMultiplier), DryMultiplier, "0 (off) or a positive number");
        Require(DryBase is >= 1 and <= float.MaxValue, nameof(DryBase), DryBase, "1 or more");
        Require(DryAllowedLength >= 1, nameof(DryAllowedLength), DryAllowedLength, "1 or more");
        Require(DryPenaltyLastN >= -1, nameof(DryPenaltyLastN), DryPenaltyLastN, "-1 (the whole context), 0 (off) or a positive number");
        foreach (IReadOnlyList<int> breaker in DrySequenceBreakers)
        {
            Require(breaker.Count >= 1, nameof(DrySequenceBreakers), "a list with an empty sequence", "sequences of one token or more");
        }
        if (LogitBias is null) return;
        foreach ((int token, float bias) in LogitBias)
        {
            Require(bias < float.PositiveInfinity, $"{nameof(LogitBias)}[{token}]", bias, "a finite number or -infinity (a ban)");
        }
    }

    private static void Require(bool holds, string option, IConvertible value, string range)
    {
        if (holds) return;
        throw new OptionException($"{option} is {value.ToString(CultureInfo.InvariantCulture)}; it must be {range}", option.Split('[')[0]);
    }
}

/// <summary>
/// An option that is out of its range: <see cref="ArgumentException.ParamName"/> is its name, and the message is not decorated with it.
/// </summary>
internal sealed class OptionException(string message, string option) : ArgumentException(null, option)
{
    /// <inheritdoc/>
    public override string Message => message;
}
