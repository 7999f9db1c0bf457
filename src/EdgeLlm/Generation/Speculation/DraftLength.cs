namespace EdgeLlm.Generation.Speculation;

/// <summary>
/// How many tokens to draft: what gives the most tokens a second, by the share of drafted tokens that were right and by the time that passes of 1 to 8 tokens took, both measured as it runs. None
/// where drafting does not pay; then it is tried again after a while, longer each time. The answer's tokens never depend on it.
/// </summary>
internal sealed class DraftLength
{
    /// <summary>Most tokens of a pass that verifies a draft.</summary>
    public const int MostTokens = 8;

    private const double Weight = 0.2; // of the newest in a running mean
    private const double GuessedCost = 0.15; // of each further token of a pass, in the time of a pass of one, until it is measured
    private const int FirstRest = 32, LongestRest = 1024;

    private readonly double[] _seconds = new double[MostTokens + 1]; // of a pass of so many tokens; 0: not measured yet
    private double _right = 0.6;
    private int _rest;
    private int _nextRest = FirstRest;

    /// <summary>Tokens to draft each time, whether that pays or not; null: what pays.</summary>
    public int? Fixed { get; init; }

    /// <summary>Tokens to draft for the next pass, beside so many that have to be computed anyway.</summary>
    public int Next(int pending)
    {
        if (Fixed is { } given) return Math.Min(given, MostTokens - pending);
        if (_seconds[1] == 0) return 0; // nothing to compare with
        if (_rest > 0)
        {
            if (--_rest > 0) return 0;
            _right = Math.Max(_right, 0.4); // one more try
        }
        int best = 0;
        double most = 1 / Cost(pending), tokens = 1, chance = 1;
        for (int drafted = 1; pending + drafted <= MostTokens; drafted++)
        {
            tokens += chance *= _right;
            double rate = tokens / Cost(pending + drafted);
            if (rate > most * 1.02) (best, most) = (drafted, rate);
        }
        if (best > 0) return best;
        _rest = _nextRest;
        _nextRest = Math.Min(2 * _nextRest, LongestRest);
        return 0;
    }

    /// <summary>A pass has been computed.</summary>
    /// <param name="tokens">Of the pass; more than <see cref="MostTokens"/> tell nothing.</param>
    /// <param name="drafted">How many of them were a draft.</param>
    /// <param name="right">How many of these were right.</param>
    public void Measured(int tokens, TimeSpan time, int drafted, int right)
    {
        if (tokens > MostTokens) return;
        ref double mean = ref _seconds[tokens];
        mean = mean == 0 ? time.TotalSeconds : mean + Weight * (time.TotalSeconds - mean);
        if (drafted == 0) return;
        // Drafts are right up to the first that is wrong: what comes after it was never asked.
        int asked = Math.Min(right + 1, drafted);
        for (int i = 0; i < asked; i++) _right += Weight * ((i < right ? 1 : 0) - _right);
        if (right == drafted) _nextRest = FirstRest;
    }

    /// <summary>Seconds of a pass, measured or by the next shorter one that was.</summary>
    private double Cost(int tokens)
    {
        int known = tokens;
        while (known > 1 && _seconds[known] == 0) known--;
        double seconds = _seconds[known] == 0 ? 1 : _seconds[known];
        return seconds * (1 + GuessedCost * (tokens - 1)) / (1 + GuessedCost * (known - 1));
    }
}
