using System.Diagnostics;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Speculation;

/// <summary>
/// Computes the next tokens of up to eight sequences of a model in one pass, and with them drafts of those that follow, as far as that is
/// faster. Not for several threads at once; nothing is allocated for a pass.
/// </summary>
internal sealed class DecodePass(LanguageModel model)
{
    private readonly DraftPasses _passes = DraftPasses.Of(model);
    private readonly DraftOffer[] _offers = new DraftOffer[DraftPasses.MostTokens];
    private readonly int[] _drafted = new int[DraftPasses.MostTokens];
    private readonly int[] _counts = new int[DraftPasses.MostTokens];
    private readonly int[] _tokens = new int[DraftPasses.MostTokens];
    private readonly KvCache[] _caches = new KvCache[DraftPasses.MostTokens];
    private float[]? _logits;
    private int _sequences;

    /// <summary>Most tokens of a pass.</summary>
    public int MostTokens { get; } = Math.Min(DraftPasses.MostTokens, model.Options.PrefillChunk);

    /// <summary>
    /// Computes the pending tokens of each sequence, at most <see cref="MostTokens"/> in all, and drafts. Then each is to be handed its
    /// logits with
    /// <see cref="Sequence.Accept(Span{float}, int)"/>, and <see cref="End"/> is to be called, whatever happens.
    /// </summary>
    /// <returns>False where the room for logits is in use by another thread: nothing was computed.</returns>
    public bool TryCompute(ReadOnlySpan<Sequence> sequences, CancellationToken cancellation)
    {
        _logits = _passes.TryTake();
        if (_logits is null) return false;
        int pending = 0;
        _sequences = sequences.Length;
        foreach (Sequence sequence in sequences) pending += sequence.Pending.Length;
        Draft(sequences, pending);
        int total = 0;
        for (int i = 0; i < sequences.Length; i++)
        {
            ReadOnlySpan<int> tokens = sequences[i].WithDraft(_drafted[i]);
            tokens.CopyTo(_tokens.AsSpan(total));
            _counts[i] = tokens.Length;
            _caches[i] = sequences[i].Memory;
            total += tokens.Length;
        }
        long start = Stopwatch.GetTimestamp();
        model.ForwardBatch(_tokens.AsSpan(0, total), _counts.AsSpan(0, sequences.Length),
            _caches.AsSpan(0, sequences.Length), _logits, cancellation);
        _passes.Times.Measured(total, Stopwatch.GetElapsedTime(start));
        return true;
    }

    /// <summary>The logits [1 + drafted, vocabulary] of a sequence's last pending token and of its draft.</summary>
    public Span<float> LogitsOf(int sequence, out int drafted)
    {
        drafted = _drafted[sequence];
        int end = 0;
        for (int i = 0; i <= sequence; i++) end += _counts[i];
        int vocabulary = model.Info.VocabularySize;
        return _logits.AsSpan((end - drafted - 1) * vocabulary, (drafted + 1) * vocabulary);
    }

    /// <summary>Gives the room for logits back.</summary>
    public void End()
    {
        if (_logits is { } taken) _passes.Return(taken);
        _logits = null;
        _caches.AsSpan(0, _sequences).Clear();
    }

    private void Draft(ReadOnlySpan<Sequence> sequences, int pending)
    {
        int room = MostTokens - pending, fixedTokens = 0;
        for (int i = 0; i < sequences.Length; i++)
        {
            _offers[i] = sequences[i].OfferDraft(room, _passes.Times);
            fixedTokens += sequences[i].FixedDraft ?? 0;
        }
        Span<int> drafted = _drafted.AsSpan(0, sequences.Length);
        if (fixedTokens == 0) DraftOffer.Share(_offers.AsSpan(0, sequences.Length), pending, _passes.Times, drafted);
        for (int i = 0; i < sequences.Length; i++)
        {
            if (fixedTokens > 0) drafted[i] = Math.Min(Math.Min(sequences[i].FixedDraft ?? 0, _offers[i].Most), room);
            if (drafted[i] > 0) drafted[i] = sequences[i].Draft(drafted[i], _passes.Times);
            room -= drafted[i];
        }
    }
}
