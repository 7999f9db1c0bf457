using System.Buffers;
using System.Diagnostics;
using EdgeLlm.Generation.Speculation;

namespace EdgeLlm.Generation;

/// <summary>
/// Several tokens in one pass: likely next ones are computed with the one that is due, and kept as far as sampling chooses the same. Each token is sampled once, in order, from the logits that
/// it has without, so the answer is the same at any temperature.
/// </summary>
internal sealed partial class Sequence
{
    private readonly int[] _speculative = new int[DraftLength.MostTokens];
    private readonly DraftLength _draftLength;
    private readonly ArrayBufferWriter<char> _several = new(64);
    private readonly NgramLookup? _lookup;
    private readonly DraftLogits? _draftLogits;
    private int _drafted;
    private int _accepted;

    /// <summary>Puts the pending tokens and a draft of those after them into <see cref="_speculative"/>.</summary>
    /// <returns>Tokens of the draft; 0: there is none, or it would not pay.</returns>
    private int Draft()
    {
        int pending = Pending.Length;
        if (_lookup is null || _tokens.Count == 0 || pending >= _speculative.Length) return 0;
        int room = Math.Min(_cache.Memory.Capacity - _cache.Memory.Length - pending, _options.MaxTokens > 0 ? _options.MaxTokens - _tokens.Count - 1 : int.MaxValue);
        int most = Math.Min(_speculative.Length - pending, room);
        if (most <= 0 || _lookup.Propose(_speculative.AsSpan(pending, most)) == 0) return 0;
        Pending.CopyTo(_speculative);
        return Math.Min(most, _draftLength.Next(pending));
    }

    /// <summary>
    /// Computes the pending tokens, and with them a draft of those that follow where that pays, and accepts what sampling chooses. Gives the text that is completed by it, valid until the
    /// next call.
    /// </summary>
    public ReadOnlySpan<char> Compute(CancellationToken cancellation)
    {
        int pending = Pending.Length, drafted = Draft(), vocabulary = _model.Info.VocabularySize, right = 0;
        float[]? logits = drafted > 0 ? _draftLogits!.TryTake() : null;
        long start = Stopwatch.GetTimestamp();
        if (logits is null)
        {
            Span<float> last = _model.Forward(Pending, _cache.Memory, cancellation);
            _draftLength.Measured(pending, Stopwatch.GetElapsedTime(start), 0, 0);
            return Accept(last);
        }
        try
        {
            _model.ForwardLast(_speculative.AsSpan(0, pending + drafted), _cache.Memory, logits, drafted + 1, cancellation);
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            _drafted += drafted;
            _several.ResetWrittenCount();
            while (true)
            {
                _several.Write(Accept(logits.AsSpan(right * vocabulary, vocabulary)));
                if (_reason != FinishReason.None || right == drafted || _tokens[^1] != _speculative[pending + right]) break;
                right++;
                _accepted++;
            }
            _draftLength.Measured(pending + drafted, time, drafted, right);
        }
        finally
        {
            _draftLogits!.Return(logits);
        }
        // What was wrong goes. A recurrent layer goes back to before the pass: what was right is computed once more, with the next pass.
        ReadOnlySpan<int> again = _cache.Settle();
        if (!again.IsEmpty) (_pending, _computed) = ([.. again, .. _last], 0);
        Report();
        return _several.WrittenSpan;
    }
}
