using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>
/// Computes many answers at once, of one model or several, on a thread of its own: up to eight of a model decode together in one pass,
/// which reads the weights once for all of them; prompts are computed in pieces between these passes, so that a long one does not hold up
/// the answers that run. Each answer has the bits that it has alone. Requests wait in a bounded queue in which clients take turns, until
/// there is memory for them: a model has as many contexts as its plan reckons with (<see cref="ModelOptions.Contexts"/>), which short
/// answers divide among more. Calls may come from any thread.
/// </summary>
/// <example>
/// <code>
/// using var model = LanguageModel.Load(path, new ModelOptions { Contexts = 8 });
/// using var scheduler = new Scheduler();
/// Answer[] answers = [.. prompts.Select(prompt => scheduler.Submit(model, new AnswerRequest(model.Tokenizer.Encode(prompt))))];
/// foreach (Answer answer in answers) Console.WriteLine(await answer.ReadToEndAsync());
/// </code>
/// </example>
public sealed class Scheduler : IDisposable
{
    private readonly SchedulerOptions _options;
    private readonly FairQueue<Answer> _queue;
    private readonly Lock _gate = new();
    private readonly Dictionary<LanguageModel, ModelRun> _models = [];
    private readonly Queue<Task> _work = []; // beside answers
    private readonly AutoResetEvent _wake = new(false);
    private readonly CancellationTokenSource _abort = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Func<Answer, bool> _admits;
    private readonly Action<RunningAnswer> _stop;
    private readonly Action<RunningAnswer> _gone;

    // Of the scheduler's thread.
    private readonly List<ModelRun> _running = []; // models with answers that run
    private readonly HashSet<ModelRun> _full = [];
    private ContextPool.Context? _admitted;
    private volatile int _answers;
    private volatile bool _mayAdmit;
    private volatile bool _stopping;
    private int _isDisposed;
    private long _passes;
    private volatile LanguageModel? _computing;
    private double _usualSeconds = 5; // of an answer: a running mean

    /// <summary>A scheduler without requests.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number of the options is out of range.</exception>
    public Scheduler(SchedulerOptions? options = null)
    {
        _options = options ?? new SchedulerOptions();
        _options.Validate();
        _queue = new FairQueue<Answer>(_options.Queue);
        _queue.AddPlaces(_options.Parallel);
        (_admits, _stop, _gone) = (Admits, Stop, Gone);
        new Thread(Run) { Name = "scheduler", IsBackground = true }.Start();
    }

    /// <summary>Number of answers that are being computed.</summary>
    public int Running => _answers;

    /// <summary>Number of requests that wait.</summary>
    public int Waiting => _queue.Count;

    /// <summary>A number that changes while answers are computed: what a watchdog looks at.</summary>
    public long Progress => Volatile.Read(ref _passes) + (_computing?.Progress ?? 0);

    /// <summary>
    /// Sees each pass, on the scheduler's thread, where set: how many answers got a token, how many tokens of a prompt were computed.
    /// </summary>
    internal Action<int, int>? Observer { get; set; }

    /// <summary>Takes a request into the queue.</summary>
    /// <param name="model">Who answers; to be disposed of when its answers have ended (<see cref="Forget"/>).</param>
    /// <param name="cancellationToken">Ends the answer at once.</param>
    /// <exception cref="ArgumentException">The prompt has no tokens, or an option is out of its range.</exception>
    /// <exception cref="ContextFullException">The prompt is longer than the context.</exception>
    /// <exception cref="SchedulerBusyException">The queue is full, or the scheduler was stopped.</exception>
    public Answer Submit(LanguageModel model, AnswerRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(request);
        request.Options.Validate();
        if (request.Prompt.Count == 0) throw new ArgumentException("the prompt has no tokens", nameof(request));
        if (request.Prompt.Count > model.ContextLength) throw new ContextFullException(request.Prompt.Count, model.ContextLength);
        cancellationToken.ThrowIfCancellationRequested();
        if (_stopping) throw IsStopped();
        var answer = new Answer(model, request, _options.TimeLimit, _abort.Token, cancellationToken);
        if (!_queue.TryAdd(request.Client, request.Priority, answer))
        {
            answer.LetGo(hold: false);
            throw _stopping ? IsStopped() : QueueIsFull();
        }
        answer.Stop.UnsafeRegister(static state =>
        {
            (Scheduler scheduler, Answer answer) = ((Scheduler, Answer))state!;
            scheduler.GiveUp(answer);
        }, (this, answer));
        _mayAdmit = true;
        _wake.Set();
        return answer;
    }

    /// <summary>Refuses a request that would find the queue full, before work is done for it.</summary>
    /// <exception cref="SchedulerBusyException">As of <see cref="Submit"/>.</exception>
    public void RequireRoom()
    {
        if (_stopping) throw IsStopped();
        if (_queue.IsFull) throw QueueIsFull();
    }

    /// <summary>Computes something else (a text's vector) between the passes of answers, one piece of work at a time.</summary>
    /// <param name="work">A pass of some model, not longer than a piece of a prompt.</param>
    /// <exception cref="SchedulerBusyException">The scheduler was stopped.</exception>
    public Task<T> ComputeAsync<T>(Func<T> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        var task = new Task<T>(work, TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_stopping) throw IsStopped();
            _work.Enqueue(task);
        }
        _wake.Set();
        return task;
    }

    /// <summary>
    /// Borrows an empty context of a model, one of those that its plan has: for what is computed by <see cref="ComputeAsync"/>.
    /// </summary>
    /// <param name="positions">How many of it are used.</param>
    /// <returns>The context, for <see cref="GiveBackAsync"/>; null where running answers leave none now.</returns>
    internal Task<ContextPool.Context?> TryBorrowAsync(LanguageModel model, int positions) => ComputeAsync(() =>
    {
        ContextPool.Context? context = RunOf(model).Contexts.Take([], positions, PrefixScope.Service);
        context?.Cache.Memory.Truncate(0); // the memory of another one may have been taken
        return context;
    });

    /// <summary>Gives a borrowed context's memory back.</summary>
    internal async Task GiveBackAsync(LanguageModel model, ContextPool.Context context)
    {
        try
        {
            await ComputeAsync(() =>
            {
                RunOf(model).Contexts.Drop(context);
                return _mayAdmit = true;
            }).ConfigureAwait(false);
        }
        catch (SchedulerBusyException)
        {
            context.Cache.Dispose(); // it was stopped: nobody reckons with it any more
        }
    }

    /// <summary>How many answers end before this one begins, if no other request comes; 0 from its turn on.</summary>
    public int CountBefore(Answer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return _queue.CountBefore(answer.Request.Client, answer.Request.Priority, answer) is { } waiting
            ? waiting + (_answers > 0 ? 1 : 0) : 0;
    }

    /// <summary>How many answers of a model are being computed.</summary>
    public int AnswersOf(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        lock (_gate) return _models.TryGetValue(model, out ModelRun? run) ? run.Answers.Count : 0;
    }

    /// <summary>Bytes of a model's plan for contexts that none of them has taken yet.</summary>
    internal long BytesLeft(LanguageModel model)
    {
        lock (_gate) return _models.TryGetValue(model, out ModelRun? run) ? run.Contexts.BytesLeft : model.Plan.Cache;
    }

    /// <summary>Gives back the memory of a model's contexts. None of its answers may run or wait.</summary>
    public void Forget(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        lock (_gate)
        {
            if (_computing == model) _computing = null;
            if (_models.Remove(model, out ModelRun? run)) run.Dispose();
        }
    }

    /// <summary>
    /// Takes nothing new and sends away those that wait; answers that run may end within the limit, then they are cut off.
    /// </summary>
    /// <returns>How many were cut off.</returns>
    public async Task<int> StopAsync(TimeSpan limit)
    {
        if (_ended.Task.IsCompleted) return 0;
        _stopping = true;
        foreach (Answer answer in _queue.Close())
        {
            answer.Fail(IsStopped());
            answer.LetGo();
        }
        _wake.Set();
        int cut = 0;
        if (await Task.WhenAny(_ended.Task, Task.Delay(limit)).ConfigureAwait(false) != _ended.Task)
        {
            cut = _answers;
            await _abort.CancelAsync().ConfigureAwait(false);
        }
        await _ended.Task.ConfigureAwait(false);
        return cut;
    }

    /// <summary>
    /// Cuts off all answers, waits for the pass at hand, and gives back the memory of all contexts; models are not disposed of.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return;
        StopAsync(TimeSpan.Zero).GetAwaiter().GetResult();
        lock (_gate)
        {
            foreach (ModelRun run in _models.Values) run.Dispose();
            _models.Clear();
        }
        _abort.Dispose();
        _wake.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            Sweep();
            Admit();
            bool worked = Work();
            if (_answers > 0) Step();
            else if (worked) continue;
            else if (_stopping) break;
            else _wake.WaitOne();
        }
        _ended.SetResult();
    }

    /// <summary>A piece of other work.</summary>
    private bool Work()
    {
        Task? work;
        lock (_gate) _work.TryDequeue(out work);
        work?.RunSynchronously();
        return work is not null;
    }

    /// <summary>The next token of all that decode, then a piece of a prompt.</summary>
    private void Step()
    {
        bool othersWait = false, someoneListens = false;
        foreach (ModelRun run in _running)
        {
            _computing = run.Model;
            Volatile.Write(ref _passes, _passes + 1);
            othersWait |= run.Decode(_abort.Token);
            foreach (RunningAnswer running in run.Answers)
                someoneListens |= running.Answer.Request.Priority == AnswerPriority.Voice && running.Decodes && !running.Answer.HasEnded;
        }
        ModelRun? of = null;
        RunningAnswer? next = null;
        foreach (ModelRun run in _running)
        {
            if (run.NextPrompt() is { } candidate && (next is null || candidate.Answer.Request.Priority < next.Answer.Request.Priority))
                (of, next) = (run, candidate);
        }
        if (next is null || (someoneListens && next.Answer.Request.Priority != AnswerPriority.Voice)) return;
        _computing = of!.Model;
        of.ComputePrompt(next, othersWait);
    }

    private void Sweep()
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            _running[i].Sweep(_stop, _gone);
            if (_running[i].Answers.Count == 0) _running.RemoveAt(i);
        }
    }

    private void Gone(RunningAnswer running)
    {
        Answer answer = running.Answer;
        answer.Took(running.Sequence.Statistics);
        Volatile.Write(ref _usualSeconds, _usualSeconds + ((answer.Elapsed - answer.Waited).TotalSeconds - _usualSeconds) / 8);
        answer.LetGo();
        _answers--;
        _queue.AddPlaces(1);
        _mayAdmit = true;
    }

    /// <summary>Ends an answer before its end, and says why.</summary>
    private void Stop(RunningAnswer running)
    {
        if (running.Answer.IsCancelled) running.Answer.Fail(new OperationCanceledException("the caller asked for the end"));
        else if (_abort.IsCancellationRequested)
            running.Answer.Fail(new SchedulerBusyException("the service was stopped before the answer ended", queueIsFull: false,
                TimeSpan.FromSeconds(10)));
        else if (running.Sequence.Tokens.Count > 0) running.End(FinishReason.TimeLimit);
        else running.Answer.Fail(IsTooLate());
    }

    /// <summary>Begins answers of those that wait, as many as there is room for.</summary>
    private void Admit()
    {
        if (!_mayAdmit) return; // nothing has come or gone since the last look
        _mayAdmit = false;
        _full.Clear();
        while (_queue.TryTake(_admits, out Answer? answer)) Begin(answer, _admitted);
    }

    private bool Admits(Answer answer)
    {
        _admitted = null;
        // Who is listened to need not wait for those who read.
        if (_answers >= _options.Parallel + (answer.Request.Priority == AnswerPriority.Voice ? 1 : 0)) return false;
        ModelRun run = RunOf(answer.Model);
        if (_full.Contains(run)) return false;
        int most = answer.Request.Options.MaxTokens, room = answer.Model.ContextLength - answer.Request.Prompt.Count;
        int positions = answer.Request.Prompt.Count + (most > 0 ? Math.Min(most, room) : room);
        try
        {
            _admitted = run.Contexts.Take(answer.Request.Prompt, positions, answer.Request.Options.AdaptedScope);
        }
        catch (Exception exception)
        {
            // The model was disposed of, or the system has no memory: the answer's to tell.
            answer.Fail(exception);
            return true;
        }
        if (_admitted is null) _full.Add(run); // smaller ones that come later would keep it waiting
        return _admitted is not null;
    }

    /// <param name="context">null: the answer has failed already.</param>
    private void Begin(Answer answer, ContextPool.Context? context)
    {
        ModelRun run = RunOf(answer.Model);
        answer.Begin();
        RunningAnswer running;
        try
        {
            if (context is null || answer.HasEnded) throw new OperationCanceledException();
            running = new RunningAnswer(answer, context);
            running.Sequence.Begin(answer.Request.Prompt);
        }
        catch (Exception exception)
        {
            answer.Fail(exception);
            if (exception is not OperationCanceledException) _options.Failed?.Invoke(exception);
            if (context is not null) run.Contexts.Return(context);
            _mayAdmit = true;
            answer.LetGo();
            _queue.AddPlaces(1);
            return;
        }
        run.Observer = Observer;
        run.Add(running);
        if (!_running.Contains(run)) _running.Add(run);
        _answers++;
    }

    private ModelRun RunOf(LanguageModel model)
    {
        lock (_gate)
        {
            if (!_models.TryGetValue(model, out ModelRun? run))
                _models.Add(model, run = new ModelRun(model, exception => _options.Failed?.Invoke(exception)));
            return run;
        }
    }

    /// <summary>
    /// Its caller has gone, or its time is over: one that waits is let go; one that runs stops computing at the next step.
    /// </summary>
    private void GiveUp(Answer answer)
    {
        bool waited = _queue.Remove(answer.Request.Client, answer.Request.Priority, answer);
        if (answer.IsCancelled) answer.Fail(new OperationCanceledException("the caller asked for the end"));
        else if (waited) answer.Fail(IsTooLate());
        if (!waited) return;
        answer.LetGo();
        _mayAdmit = true; // those whom it held up
        _wake.Set();
    }

    private TimeSpan RetryAfter => TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(Volatile.Read(ref _usualSeconds)), 1, 60));

    private SchedulerBusyException QueueIsFull() =>
        new(_queue.Count == 1 ? "1 request is waiting already" : $"{_queue.Count} requests are waiting already",
            queueIsFull: true, RetryAfter);

    private SchedulerBusyException IsTooLate() =>
        new($"no token came within the {_options.TimeLimit.TotalSeconds:F0} s that a request may take", queueIsFull: true, RetryAfter);

    private static SchedulerBusyException IsStopped() => new("the service is being stopped", queueIsFull: false, TimeSpan.FromSeconds(10));
}
