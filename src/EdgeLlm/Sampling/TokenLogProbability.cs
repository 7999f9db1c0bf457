using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Sampling;

/// <summary>
/// A chosen token and the natural logarithms of probabilities: its own and the likeliest tokens', by the model's logits as they are, before
/// bias, penalties, temperature and constraints change them.
/// </summary>
/// <param name="Token">The token's id.</param>
/// <param name="LogProbability">Its logarithm, 0 at most.</param>
/// <param name="Likeliest">The likeliest tokens, best first, of equal ones the lower id; as many as were asked for.</param>
public sealed record TokenLogProbability(int Token, float LogProbability, IReadOnlyList<(int Token, float LogProbability)> Likeliest);

/// <summary>Computes <see cref="TokenLogProbability"/>s of one answer, with the same bits on every machine.</summary>
/// <param name="vocabulary">Number of logits.</param>
/// <param name="likeliest">How many of the likeliest tokens to name.</param>
internal sealed class LogProbabilityMeter(int vocabulary, int likeliest)
{
    private readonly float[] _logits = new float[vocabulary];
    private readonly Candidates _best = new(vocabulary, Math.Clamp(likeliest, 1, vocabulary));
    private double _logSum;

    /// <summary>Takes the logits [vocabulary] of the next token, before anything changes them.</summary>
    /// <exception cref="SamplingException">A logit is NaN or +infinity.</exception>
    public void Observe(ReadOnlySpan<float> logits)
    {
        logits.CopyTo(_logits);
        _best.Load(logits);
        double best = _best.BestLogit(), sum = 0;
        foreach (float logit in logits) sum += Polynomials.Exp(logit - best);
        _logSum = best - DeterministicMath.Log(1 / sum);
    }

    /// <summary>The logarithms for the token that was chosen.</summary>
    public TokenLogProbability Of(int token)
    {
        var named = new (int, float)[likeliest == 0 ? 0 : _best.Count];
        for (int i = 0; i < named.Length; i++) named[i] = (_best.Token(i), (float)(_best.Logit(i) - _logSum));
        return new TokenLogProbability(token, (float)(_logits[token] - _logSum), named);
    }
}
