using System.Runtime.InteropServices;

namespace EdgeLlm.Sampling;

/// <summary>
/// DRY ("don't repeat yourself", p-e-w, https://github.com/oobabooga/text-generation-webui/pull/5677): where the text's end occurred
/// before in the window, n tokens long, the token that followed there would continue the repetition, and loses multiplier * base^(n -
/// allowed length) if n is at least the allowed length. The longest such n counts. A match does not reach back across a sequence
/// breaker, and a breaker of one token is never penalised.
/// </summary>
internal sealed class DryPenalty : ILogitAdjustment
{
    // Enough to outweigh any logit, and far from overflow: a penalty is not a ban.
    private const double MaximumPenalty = 1e30;

    private readonly double _multiplier;
    private readonly double _base;
    private readonly int _allowedLength;
    private readonly TokenWindow _window;
    private readonly int[] _matchLengths;                    // [window] by distance from the end
    private readonly Dictionary<int, int> _longestMatches;   // by the token that would continue the match
    private readonly Dictionary<int, int[][]> _breakers;     // by their last token
    private int _sinceBreaker;

    public DryPenalty(SamplingOptions options, int window)
    {
        _multiplier = options.DryMultiplier;
        _base = options.DryBase;
        _allowedLength = options.DryAllowedLength;
        _window = new TokenWindow(window);
        _matchLengths = new int[window];
        _longestMatches = new Dictionary<int, int>(window);
        _breakers = options.DrySequenceBreakers.GroupBy(breaker => breaker[^1])
            .ToDictionary(group => group.Key, group => group.Select(breaker => breaker.ToArray()).ToArray());
    }

    public void Accept(int token)
    {
        _window.Add(token);
        _sinceBreaker = EndsWithBreaker(token) ? 0 : Math.Min(_sinceBreaker + 1, _matchLengths.Length);
    }

    public void Apply(Span<float> logits)
    {
        if (_sinceBreaker < _allowedLength) return;
        FindMatches();

        // What follows a match that ends `distance` tokens before the end stands one token nearer to the end.
        ReadOnlySpan<int> tokens = _window.Tokens;
        _longestMatches.Clear();
        for (int distance = 1; distance < tokens.Length; distance++)
        {
            int length = Math.Min(_matchLengths[distance], _sinceBreaker);
            if (length < _allowedLength) continue;
            ref int longest = ref CollectionsMarshal.GetValueRefOrAddDefault(_longestMatches, tokens[^distance], out _);
            longest = Math.Max(longest, length);
        }

        foreach ((int token, int length) in _longestMatches)
        {
            if (IsBreaker(token)) continue;
            double penalty = _multiplier * DeterministicMath.Power(_base, length - _allowedLength);
            logits[token] -= (float)Math.Min(penalty, MaximumPenalty);
        }
    }

    public void Reset()
    {
        _window.Clear();
        _sinceBreaker = 0;
    }

    /// <summary>
    /// For each distance from the end: how many tokens back from there equal those back from the end. This is the Z-algorithm on the
    /// reversed window (Gusfield 1997, 1.4), linear in its length: [left, right) is the match found that reaches furthest back.
    /// </summary>
    private void FindMatches()
    {
        ReadOnlySpan<int> tokens = _window.Tokens;
        int left = 0, right = 0;
        for (int distance = 1; distance < tokens.Length; distance++)
        {
            int length = distance < right ? Math.Min(_matchLengths[distance - left], right - distance) : 0;
            while (distance + length < tokens.Length && tokens[^(1 + length)] == tokens[^(1 + distance + length)]) length++;
            _matchLengths[distance] = length;
            if (distance + length > right) (left, right) = (distance, distance + length);
        }
    }

    private bool EndsWithBreaker(int token)
    {
        if (!_breakers.TryGetValue(token, out int[][]? endings)) return false;
        foreach (int[] breaker in endings)
        {
            if (_window.Tokens.EndsWith(breaker)) return true;
        }
        return false;
    }

    private bool IsBreaker(int token)
    {
        if (!_breakers.TryGetValue(token, out int[][]? endings)) return false;
        foreach (int[] breaker in endings)
        {
            if (breaker.Length == 1) return true;
        }
        return false;
    }
}
