using System.Buffers;
using EdgeLlm.Generation.Speculation;

namespace EdgeLlm.Generation;

/// <summary>
/// Several tokens in one pass: likely next ones are computed with the one that is due, and kept as far as sampling chooses the same. Each
/// token is sampled once, in order, from the logits that it has without, so the answer is the same at any temperature.
/// </summary>
internal sealed partial class Sequence
{
    private readonly int[] _speculative = new int[DraftPasses.MostTokens]; // pending tokens, then a draft
    private readonly ArrayBufferWriter<char> _several = new(1024);
    private readonly NgramLookup? _lookup;
    private readonly DraftSource _forced = new(0.9), _lookedUp = new(0.6), _guessed = new(0.6);
    private DraftPass? _draftPass;
    private DecodePass? _alone;
    private DraftSource? _source; // of the draft at hand
    private int _offered; // its tokens that are there already
    private int _drafted;
    private int _accepted;

    /// <summary>Tokens to draft each time, whether that pays or not; null: as many as pay.</summary>
    public int? FixedDraft => _options.DraftTokens;

    /// <summary>
    /// Draft that could be computed with the pending tokens: the only text that the answer's form allows, else the text that followed the
    /// same tokens before, else the draft model's.
    /// </summary>
    /// <param name="most">Most tokens that there is room for in the pass.</param>
    public DraftOffer OfferDraft(int most, PassTimes times)
    {
        int pending = Pending.Length, computed = _cache.Memory.Length + pending;
        (_source, _offered) = (null, 0);
        if (_lookup is null || _tokens.Count == 0) return default;
        most = Math.Min(most, _speculative.Length - pending);
        most = Math.Min(most,
            Math.Min(_cache.Memory.Capacity - computed, _options.MaxTokens > 0 ? _options.MaxTokens - _tokens.Count - 1 : int.MaxValue));
        if (most <= 0) return default;
        Span<int> draft = _speculative.AsSpan(pending, most);
        if (_constraint is not null && (_offered = _constraint.TryGetForced(draft)) > 0 && IsTried(_forced))
            return Offer(_forced, _offered, 0);
        _offered = _lookup.Propose(draft);
        if (_offered > 0 && _constraint is not null) _offered = _constraint.CountAllowed(draft[.._offered]);
        if (_offered > 0 && IsTried(_lookedUp)) return Offer(_lookedUp, _offered, 0);
        _offered = 0;
        if (_cache.Draft is not { } cache) return default;
        _draftPass ??= new DraftPass(cache, _sampler);
        return _draftPass.HasRoom(computed + most) && IsTried(_guessed) ? Offer(_guessed, most, times.Guess) : default;
    }

    /// <summary>Completes the draft that was offered.</summary>
    /// <param name="count">How many tokens of it.</param>
    /// <returns>How many it has.</returns>
    public int Draft(int count, PassTimes times)
    {
        if (_offered > 0) return Math.Min(count, _offered);
        return _draftPass!.Guess(_cache.Tokens, Pending, _speculative.AsSpan(Pending.Length, count), _constraint, times);
    }

    /// <summary>The pending tokens, and a given number of the draft's.</summary>
    public ReadOnlySpan<int> WithDraft(int drafted)
    {
        Pending.CopyTo(_speculative);
        return _speculative.AsSpan(0, Pending.Length + drafted);
    }

    /// <summary>
    /// Chooses the next tokens by the logits [1 + drafted, vocabulary] of the last pending token and of the draft, as far as the draft is
    /// what is chosen, and gives the text that they complete, valid until the next call. The logits are overwritten.
    /// </summary>
    public ReadOnlySpan<char> Accept(Span<float> logits, int drafted)
    {
        if (drafted == 0) return Accept(logits);
        int pending = Pending.Length, vocabulary = _model.Info.VocabularySize, right = 0;
        _several.ResetWrittenCount();
        while (true)
        {
            _several.Write(Accept(logits.Slice(right * vocabulary, vocabulary)));
            if (_reason != FinishReason.None || right == drafted || _tokens[^1] != _speculative[pending + right]) break;
            right++;
        }
        _drafted += drafted;
        _accepted += right;
        _source!.Measured(drafted, right);
        // What was wrong goes. A recurrent layer goes back to before the pass: what was right is computed once more, with the next pass.
        ReadOnlySpan<int> again = _cache.Settle();
        if (!again.IsEmpty) Await(again, _last);
        Report();
        return _several.WrittenSpan;
    }

    /// <summary>
    /// Computes the pending tokens, and with them a draft of those that follow where that pays, and accepts what sampling chooses. Gives
    /// the text that is completed by it, valid until the next call.
    /// </summary>
    public ReadOnlySpan<char> Compute(CancellationToken cancellation)
    {
        DecodePass pass = _alone ??= new DecodePass(_model);
        if (_tokens.Count == 0 || Pending.Length > pass.MostTokens) return Accept(_model.Forward(Pending, _cache.Memory, cancellation));
        try
        {
            if (!pass.TryCompute([this], cancellation)) return Accept(_model.Forward(Pending, _cache.Memory, cancellation));
            Span<float> logits = pass.LogitsOf(0, out int drafted);
            return Accept(logits, drafted);
        }
        finally
        {
            pass.End();
        }
    }

    private bool IsTried(DraftSource source) => FixedDraft is not null || !source.Rests();

    private DraftOffer Offer(DraftSource source, int most, double cost)
    {
        _source = source;
        return new DraftOffer(source, most, cost);
    }
}
