using EdgeLlm.Sampling;

namespace EdgeLlm.Generation;

/// <summary>
/// Probabilities of the answer's tokens, where they are asked for: each is given with the token's text, and none for text that belongs to a
/// stop string.
/// </summary>
internal sealed partial class Sequence
{
    private readonly LogProbabilityMeter? _meter;
    private readonly Queue<(long End, TokenLogProbability Token)> _measured = [];
    private long _decoded; // characters of the answer, those included that are held back
    private long _released; // of them, given to the caller

    /// <summary>The next token whose text has been given, or null.</summary>
    public TokenLogProbability? TakeMeasured() =>
        _measured.TryPeek(out (long End, TokenLogProbability Token) next) && next.End <= _released ? _measured.Dequeue().Token : null;

    private void Measure(int token, int characters)
    {
        _decoded += characters;
        _measured.Enqueue((_decoded, _meter!.Of(token)));
    }

    /// <summary>Ends the answer at a stop string: the rest of the text is that string's.</summary>
    private void Stop()
    {
        Close(FinishReason.Stop);
        _released += _text.WrittenCount;
    }
}
