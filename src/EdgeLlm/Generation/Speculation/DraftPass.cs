using System.Diagnostics;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Generation.Speculation;

/// <summary>
/// Guesses a sequence's next tokens with a smaller model of the same vocabulary, in a context of its own that follows the sequence's.
/// </summary>
/// <param name="cache">The draft model's context.</param>
/// <param name="sampler">The sequence's: the same logits would give the same tokens.</param>
internal sealed class DraftPass(SequenceCache cache, Sampler sampler)
{
    /// <summary>
    /// Most tokens by which the draft model lags at a step: a long prompt is read piece by piece, so that it holds no answer up.
    /// </summary>
    private const int MostBehind = 256;

    private readonly int[] _missing = new int[MostBehind];
    private readonly int[] _last = new int[1];
    private int _same; // as many of its tokens are known to be the sequence's
    private bool _hasFailed;

    /// <summary>Whether its context has room for a given number of tokens.</summary>
    public bool HasRoom(int tokens) => !_hasFailed && tokens <= cache.Memory.Capacity;

    /// <summary>Writes the likely tokens after <paramref name="held"/> and <paramref name="pending"/>.</summary>
    /// <param name="constraint">The form that the answer is held to: what it forbids is not guessed. Null: none.</param>
    /// <returns>How many; fewer than there is room for where the form may end.</returns>
    public int Guess(IReadOnlyList<int> held, ReadOnlySpan<int> pending, Span<int> draft, TokenConstraint? constraint, PassTimes times)
    {
        bool isAhead = false;
        try
        {
            int count = Catch(held, pending);
            if (count == 0) return 0;
            LanguageModel model = cache.Model;
            sampler.BeginGuesses();
            isAhead = constraint?.TryBeginAhead() == true;
            long start = Stopwatch.GetTimestamp();
            ReadOnlySpan<int> next = _missing.AsSpan(0, count);
            int guessed = 0;
            while (guessed < draft.Length)
            {
                Span<float> logits = model.Forward(next, cache.Memory);
                cache.Append(next);
                if (guessed == 0 && cache.Memory.HasStates) cache.Memory.Checkpoint(); // where a wrong guess goes back to
                if (isAhead && !constraint!.ForbidAhead(logits)) break;
                draft[guessed++] = _last[0] = sampler.Guess(logits);
                next = _last;
                if (isAhead && !constraint!.TryReadAhead(_last[0])) break; // it ends there
            }
            if (count <= DraftPasses.MostTokens && guessed > 0) times.MeasuredGuess(Stopwatch.GetElapsedTime(start) / guessed);
            return guessed;
        }
        catch (Exception exception) when (exception is ModelException or NotFiniteException or SamplingException or ObjectDisposedException)
        {
            _hasFailed = true; // the answer goes on without
            return 0;
        }
        finally
        {
            if (isAhead) constraint!.EndAhead();
        }
    }

    /// <summary>
    /// Forgets guesses that were wrong, and brings the tokens that are missing before the next guess into <see cref="_missing"/>.
    /// </summary>
    /// <returns>How many; 0: there were more, of which a part has been computed.</returns>
    private int Catch(IReadOnlyList<int> held, ReadOnlySpan<int> pending)
    {
        int known = held.Count + pending.Length, common = Math.Min(_same, cache.Tokens.Count);
        while (common < cache.Tokens.Count && common < known - 1 && cache.Tokens[common] == At(common, held, pending)) common++;
        int kept = cache.CutTo(Math.Min(common, known - 1)), count = Math.Min(known - kept, MostBehind);
        for (int i = 0; i < count; i++) _missing[i] = At(kept + i, held, pending);
        _same = kept + count;
        if (_same == known) return count;
        cache.Model.ForwardWithoutLogits(_missing.AsSpan(0, count), cache.Memory);
        cache.Append(_missing.AsSpan(0, count));
        return 0;
    }

    private static int At(int index, IReadOnlyList<int> held, ReadOnlySpan<int> pending) =>
        index < held.Count ? held[index] : pending[index - held.Count];
}
