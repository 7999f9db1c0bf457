using EdgeLlm.Models;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>
/// How many tokens of a prompt to compute at once while other answers wait for their next token: as many as take nearly a fifth of a second
/// by the speed that was measured last, so that a long prompt does not hold them up. One model's.
/// </summary>
internal sealed class PromptPace
{
    /// <summary>Longest time that a piece of a prompt may hold other answers up.</summary>
    public const double Seconds = 0.2;

    /// <summary>Time that a piece is meant to take: speed varies by some tenth from one to the next.</summary>
    private const double Aim = 0.875 * Seconds;

    /// <summary>The least: a pass of that number of tokens reads the weights as often as one of one token.</summary>
    public const int Least = LanguageModel.MostSequences;

    private double _rate; // tokens a second; 0: not measured yet

    /// <summary>Tokens of the next piece while others wait: whole tiles of a kernel where there are several.</summary>
    public int Tokens => (_rate * Aim) switch
    {
        < 2 * Least => Least,
        < 64 and var tokens => (int)tokens / Least * Least,
        > 4096 => 4096,
        var tokens => (int)tokens / 32 * 32,
    };

    /// <summary>Takes a measurement into account; one of fewer than <see cref="Least"/> tokens says nothing.</summary>
    public void Measured(int tokens, TimeSpan time)
    {
        if (tokens < Least) return;
        double rate = tokens / Math.Max(time.TotalSeconds, 1e-6);
        // A slower one counts at once (the context has grown, the processor is hot), a faster one by and by.
        _rate = _rate == 0 || rate < _rate ? rate : _rate + (rate - _rate) / 4;
    }
}
