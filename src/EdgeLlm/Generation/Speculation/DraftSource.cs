namespace EdgeLlm.Generation.Speculation;

/// <summary>
/// A way to guess an answer's next tokens, and how often it was right, measured as it runs. Where drafts of it do not pay, it rests for a
/// while, longer each time, and is tried again.
/// </summary>
/// <param name="right">Share of guesses that are taken to be right until it is known.</param>
internal sealed class DraftSource(double right)
{
    private const double Weight = 0.2; // of the newest in a running mean
    private const int FirstRest = 32, LongestRest = 1024;

    private int _rest;
    private int _nextRest = FirstRest;

    /// <summary>Share of its guesses that were right, of those after which all before were.</summary>
    public double Right { get; private set; } = right;

    /// <summary>Whether it rests at this token, at which it has a draft.</summary>
    public bool Rests()
    {
        if (_rest == 0) return false;
        if (--_rest > 0) return true;
        Right = Math.Max(Right, 0.4); // one more try
        return false;
    }

    /// <summary>A draft of it would not have paid.</summary>
    public void Rest() => (_rest, _nextRest) = (_nextRest, Math.Min(2 * _nextRest, LongestRest));

    /// <summary>A draft was looked at by the model.</summary>
    /// <param name="drafted">Tokens of the draft.</param>
    /// <param name="right">How many of these were right.</param>
    public void Measured(int drafted, int right)
    {
        // Drafts are right up to the first that is wrong: what comes after it was never asked.
        int asked = Math.Min(right + 1, drafted);
        for (int i = 0; i < asked; i++) Right += Weight * ((i < right ? 1 : 0) - Right);
        if (right == drafted) _nextRest = FirstRest;
    }
}

/// <summary>Draft that a sequence could add to a pass beside its pending tokens.</summary>
/// <param name="Source">Where its draft comes from; null: it has none.</param>
/// <param name="Most">Tokens that the draft may have.</param>
/// <param name="Cost">Seconds for each of them before the pass.</param>
internal readonly record struct DraftOffer(DraftSource? Source, int Most, double Cost)
{
    /// <summary>
    /// Shares the room of a pass among the drafts of its sequences: each further token goes where it is most likely right, and there are as
    /// many of them as give the most tokens a second.
    /// </summary>
    /// <param name="offers">One of each sequence. What pays nowhere rests.</param>
    /// <param name="pending">Tokens of the pass without drafts.</param>
    /// <param name="drafted">Receives the tokens of each one's draft.</param>
    public static void Share(ReadOnlySpan<DraftOffer> offers, int pending, PassTimes times, Span<int> drafted)
    {
        drafted.Clear();
        if (!times.IsKnown(pending)) return; // nothing to compare with
        Span<int> counts = stackalloc int[offers.Length];
        Span<double> chances = stackalloc double[offers.Length];
        counts.Clear();
        for (int i = 0; i < offers.Length; i++) chances[i] = offers[i].Source?.Right ?? 0;
        double tokens = offers.Length, extra = 0, most = tokens / times.Of(pending);
        for (int total = pending + 1; total <= DraftPasses.MostTokens; total++)
        {
            int best = -1;
            for (int i = 0; i < offers.Length; i++)
            {
                if (counts[i] < offers[i].Most && (best < 0 || chances[i] > chances[best])) best = i;
            }
            if (best < 0) break;
            tokens += chances[best];
            extra += offers[best].Cost;
            chances[best] *= offers[best].Source!.Right;
            counts[best]++;
            double rate = tokens / (times.Of(total) + extra);
            if (rate <= most * 1.02) continue;
            most = rate;
            counts.CopyTo(drafted);
        }
        for (int i = 0; i < offers.Length; i++)
        {
            if (offers[i].Most > 0 && drafted[i] == 0) offers[i].Source!.Rest();
        }
    }
}
