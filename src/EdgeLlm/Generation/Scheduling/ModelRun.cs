using System.Diagnostics;
using EdgeLlm.Generation.Speculation;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>
/// A model's share of a <see cref="Scheduler"/>: its contexts, and its answers that run. Used by the scheduler's thread alone, but to make
/// and to dispose of it.
/// </summary>
internal sealed class ModelRun(LanguageModel model, Action<Exception> failed) : IDisposable
{
    private readonly ContextPool _contexts = new(model);
    private readonly PromptPace _pace = new();
    private readonly List<RunningAnswer> _answers = [];
    private readonly RunningAnswer[] _group = new RunningAnswer[LanguageModel.MostSequences];
    private readonly Sequence[] _sequences = new Sequence[LanguageModel.MostSequences];
    private readonly DecodePass _pass = new(model);
    private readonly int[] _lengths = new int[LanguageModel.MostSequences];

    public LanguageModel Model => model;

    public ContextPool Contexts => _contexts;

    /// <summary>The answers that run.</summary>
    public List<RunningAnswer> Answers => _answers; // not an interface, whose enumerator is an object

    /// <summary>Sees each pass (answers that got a token, prompt tokens that were computed), where set.</summary>
    public Action<int, int>? Observer { get; set; }

    public void Add(RunningAnswer answer) => _answers.Add(answer);

    /// <summary>Takes out answers that have ended, after <paramref name="stop"/> has ended those whose caller went away.</summary>
    /// <param name="gone">Called for each that is out.</param>
    public void Sweep(Action<RunningAnswer> stop, Action<RunningAnswer> gone)
    {
        for (int i = _answers.Count - 1; i >= 0; i--)
        {
            RunningAnswer running = _answers[i];
            if (running.Answer.Stop.IsCancellationRequested && !running.Answer.HasEnded) stop(running);
            if (!running.Answer.HasEnded) continue;
            _answers.RemoveAt(i);
            _contexts.Return(running.Context);
            gone(running);
        }
    }

    /// <summary>
    /// Computes the next token of each answer that has begun, and drafts of those after it, up to eight tokens in a pass.
    /// </summary>
    /// <returns>Whether there were any.</returns>
    public bool Decode(CancellationToken abort)
    {
        bool any = false;
        int count = 0, pending = 0;
        foreach (RunningAnswer running in _answers)
        {
            if (!running.Decodes || !running.Prepare() || !running.Decodes) continue;
            int more = running.Sequence.Pending.Length;
            if (pending + more > _pass.MostTokens && count > 0)
            {
                Decode(_group.AsSpan(0, count), abort);
                (count, pending) = (0, 0);
            }
            _group[count++] = running;
            pending += more;
            any = true;
        }
        if (count > 0) Decode(_group.AsSpan(0, count), abort);
        return any;
    }

    /// <summary>
    /// The prompt to compute a piece of next: the highest priority's first; of those, what ends with one piece before what does not, and
    /// the earlier before the later.
    /// </summary>
    public RunningAnswer? NextPrompt()
    {
        RunningAnswer? next = null;
        foreach (RunningAnswer running in _answers)
        {
            if (!running.Decodes && !running.Answer.HasEnded && (next is null || Rank(running) < Rank(next))) next = running;
        }
        return next;

        int Rank(RunningAnswer running) =>
            2 * (int)running.Answer.Request.Priority + (running.Sequence.Pending.Length <= _pace.Tokens ? 0 : 1);
    }

    /// <summary>Computes the next piece of a prompt.</summary>
    /// <param name="othersWait">Whether other answers wait for their next token meanwhile.</param>
    public void ComputePrompt(RunningAnswer running, bool othersWait)
    {
        if (!running.Prepare()) return;
        Sequence sequence = running.Sequence;
        int most = othersWait ? Math.Min(_pace.Tokens, model.Options.PrefillChunk) : model.Options.PrefillChunk,
            count = Math.Min(most, sequence.Pending.Length);
        long start = Stopwatch.GetTimestamp();
        try
        {
            if (count < sequence.Pending.Length)
            {
                model.ForwardWithoutLogits(sequence.Pending[..count], sequence.Memory, running.Answer.Stop);
                sequence.Advance(count);
                running.Answer.Computed(sequence.Reused, sequence.Memory.Length);
            }
            else
            {
                Span<float> logits = model.Forward(sequence.Pending, sequence.Memory, running.Answer.Stop);
                running.Answer.Computed(sequence.Reused, sequence.Memory.Length);
                Note(running.Accept(logits));
            }
            _pace.Measured(count, Stopwatch.GetElapsedTime(start));
            Observer?.Invoke(0, count);
        }
        catch (OperationCanceledException) when (running.Answer.Stop.IsCancellationRequested)
        {
            // Noticed by the next sweep.
        }
        catch (Exception exception)
        {
            running.Answer.Fail(exception);
            failed(exception);
        }
    }

    public void Dispose() => _contexts.Dispose();

    private void Decode(Span<RunningAnswer> group, CancellationToken abort)
    {
        for (int i = 0; i < group.Length; i++)
        {
            _sequences[i] = group[i].Sequence;
            _lengths[i] = group[i].Sequence.Memory.Length;
        }
        // One alone is cancelled within a pass, not after it.
        CancellationToken stop = group.Length == 1 ? group[0].Answer.Stop : abort;
        try
        {
            if (!_pass.TryCompute(_sequences.AsSpan(0, group.Length), stop))
            {
                foreach (RunningAnswer running in group)
                    Note(running.Accept(model.Forward(running.Sequence.Pending, running.Sequence.Memory, stop)));
            }
            else
            {
                for (int i = 0; i < group.Length; i++)
                {
                    Span<float> logits = _pass.LogitsOf(i, out int drafted);
                    Note(group[i].Accept(logits, drafted));
                }
            }
            Observer?.Invoke(group.Length, 0);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Noticed by the next sweep.
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            Blame(group);
        }
        finally
        {
            _pass.End();
        }
    }

    /// <summary>After a pass that failed for one of its answers: each is computed alone, so that only the one fails.</summary>
    private void Blame(Span<RunningAnswer> group)
    {
        for (int i = 0; i < group.Length; i++)
        {
            try
            {
                KvCache cache = group[i].Sequence.Memory;
                cache.Truncate(_lengths[i]);
                Note(group[i].Accept(model.Forward(group[i].Sequence.Pending, cache)));
            }
            catch (Exception own)
            {
                group[i].Answer.Fail(own);
                failed(own);
            }
        }
    }

    private void Note(Exception? exception)
    {
        if (exception is not null) failed(exception);
    }
}
