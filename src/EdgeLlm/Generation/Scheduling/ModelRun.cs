using System.Diagnostics;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>A model's share of a <see cref="Scheduler"/>: its contexts, and its answers that run. Used by the scheduler's thread alone, but to make and to dispose of it.</summary>
internal sealed class ModelRun(LanguageModel model, Action<Exception> failed) : IDisposable
{
    private readonly ContextPool _contexts = new(model);
    private readonly PromptPace _pace = new();
    private readonly List<RunningAnswer> _answers = [];
    private readonly RunningAnswer[] _group = new RunningAnswer[LanguageModel.MostSequences];
    private readonly int[] _tokens = new int[LanguageModel.MostSequences];
    private readonly KvCache[] _caches = new KvCache[LanguageModel.MostSequences];
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

    /// <summary>Computes the next token of each answer that has begun, up to eight in a pass.</summary>
    /// <returns>Whether there were any.</returns>
    public bool Decode(CancellationToken abort)
    {
        bool any = false;
        for (int i = 0, count = 0; i < _answers.Count; i++)
        {
            if (_answers[i].Decodes && _answers[i].Prepare() && _answers[i].Decodes) _group[count++] = _answers[i];
            if (count == 0 || (count < _group.Length && i + 1 < _answers.Count)) continue;
            Decode(_group.AsSpan(0, count), abort);
            any = true;
            count = 0;
        }
        return any;
    }

    /// <summary>The prompt to compute a piece of next: the highest priority's first; of those, what ends with one piece before what does not, and the earlier before the later.</summary>
    public RunningAnswer? NextPrompt()
    {
        RunningAnswer? next = null;
        foreach (RunningAnswer running in _answers)
        {
            if (!running.Decodes && !running.Answer.HasEnded && (next is null || Rank(running) < Rank(next))) next = running;
        }
        return next;

        int Rank(RunningAnswer running) => 2 * (int)running.Answer.Request.Priority + (running.Sequence.Pending.Length <= _pace.Tokens ? 0 : 1);
    }

    /// <summary>Computes the next piece of a prompt.</summary>
    /// <param name="othersWait">Whether other answers wait for their next token meanwhile.</param>
    public void ComputePrompt(RunningAnswer running, bool othersWait)
    {
        if (!running.Prepare()) return;
        Sequence sequence = running.Sequence;
        int most = othersWait ? Math.Min(_pace.Tokens, model.Options.PrefillChunk) : model.Options.PrefillChunk, count = Math.Min(most, sequence.Pending.Length);
        long start = Stopwatch.GetTimestamp();
        try
        {
            if (count < sequence.Pending.Length)
            {
                model.ForwardWithoutLogits(sequence.Pending[..count], sequence.Memory, running.Answer.Stop);
                sequence.Advance(count);
            }
            else
            {
                Note(running.Accept(model.Forward(sequence.Pending, sequence.Memory, running.Answer.Stop)));
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

    /// <summary>Alone, an answer may compute several tokens in a pass.</summary>
    private void Decode(RunningAnswer running, CancellationToken abort)
    {
        try
        {
            running.Compute();
            Observer?.Invoke(1, 0);
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested || running.Answer.Stop.IsCancellationRequested)
        {
            // Noticed by the next sweep.
        }
        catch (Exception exception)
        {
            running.Answer.Fail(exception);
            failed(exception);
        }
    }

    private void Decode(Span<RunningAnswer> group, CancellationToken abort)
    {
        if (group.Length == 1)
        {
            Decode(group[0], abort);
            return;
        }
        for (int i = 0; i < group.Length; i++)
        {
            _tokens[i] = group[i].Sequence.Pending[0];
            _caches[i] = group[i].Sequence.Memory;
            _lengths[i] = _caches[i].Length;
        }
        try
        {
            model.ForwardBatch(_tokens.AsSpan(0, group.Length), _caches.AsSpan(0, group.Length), abort);
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
            return; // noticed by the next sweep
        }
        catch (Exception exception)
        {
            Blame(group, exception);
            return;
        }
        foreach (RunningAnswer running in group) Note(running.Accept(model.LogitsOf(running.Sequence.Memory)));
        Observer?.Invoke(group.Length, 0);
    }

    /// <summary>After a pass that failed for one of its answers: each is computed alone, so that only the one fails.</summary>
    private void Blame(Span<RunningAnswer> group, Exception exception)
    {
        for (int i = 0; i < group.Length; i++)
        {
            try
            {
                _caches[i].Truncate(_lengths[i]);
                Note(group[i].Accept(model.Forward(_tokens.AsSpan(i, 1), _caches[i])));
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
