using EdgeLlm.Models;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>How a <see cref="ModelPool"/> opens and keeps models.</summary>
public sealed record ModelPoolOptions
{
    /// <summary>How each model is opened. Threads are those of all models together.</summary>
    public ModelOptions Model { get; init; } = new();

    /// <summary>How long a model stays open after its last use; negative: for ever.</summary>
    public TimeSpan Keep { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Longest time to wait for memory that other models' answers use, counted from the request.</summary>
    public TimeSpan MostWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The path of a model's draft model (<see cref="ModelOptions.DraftModel"/>), or null.</summary>
    public Func<string, string?>? DraftOf { get; init; }

    /// <summary>Receives a model before it is disposed of, when nobody uses it any more.</summary>
    internal Action<LanguageModel>? Freeing { get; init; }

    /// <summary>Is told that a model was closed, and why.</summary>
    public Action<string, string>? Closed { get; init; }
}

/// <summary>
/// Several models in one process, on one pool of threads: each is opened when it is first asked for, and closed when nobody used it for a
/// while or another one needs its memory, the one first that was not used for the longest time, and never one that is in use. A file that
/// is replaced (by another one that is renamed to its name) is opened anew for the next use, and uses of the old one end on the old one; of
/// one that is written to, uses end with an error. While somebody waits for memory, those who come after wait in line, too, for the models
/// whose memory is wanted: however busy these are, they come to an end. Calls may come from any thread.
/// </summary>
public sealed class ModelPool : IDisposable
{
    private readonly Scheduler _scheduler;
    private readonly ModelPoolOptions _options;
    private readonly TimeProvider _time;
    private readonly SharedThreads _threads;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LoadedModel> _models = new(StringComparer.Ordinal); // by path; those that are retired are not here
    private readonly HashSet<LoadedModel> _retired = []; // in use still
    private readonly SemaphoreSlim _loading = new(1); // one at a time: each plans with the memory that the others left
    private readonly ITimer _timer;
    private TaskCompletionSource _freed = NewSignal(); // a use has ended
    private bool _hasFreed; // since the last collection of garbage
    private bool _disposed;

    /// <param name="scheduler">Who computes the models' answers; not disposed of with this.</param>
    public ModelPool(Scheduler scheduler, ModelPoolOptions? options = null) : this(scheduler, options, TimeProvider.System)
    {
    }

    internal ModelPool(Scheduler scheduler, ModelPoolOptions? options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(scheduler);
        (_scheduler, _options, _time) = (scheduler, options ?? new ModelPoolOptions(), time);
        _options.Model.Validate();
        _threads = SharedThreads.For(_options.Model);
        _timer = time.CreateTimer(_ => Tidy(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    /// <summary>The models that are open, the last used one first.</summary>
    public IReadOnlyList<OpenModel> Open
    {
        get
        {
            lock (_gate)
                return [.. _models.Values.OrderByDescending(model => model.LastUsed)
                    .Select(model => new OpenModel(model.Path, model.Model, ExpiryOf(model)))];
        }
    }

    /// <summary>A model for use: the one that is open, else one that is opened, after others were closed where there is no room.</summary>
    /// <param name="path">A GGUF file or a Hugging Face folder.</param>
    /// <param name="chatTemplate">Jinja source of a chat template instead of the model's own; null: its own, or that of the options. Holds
    /// for the first use.</param>
    /// <param name="keep">How long it stays open after its last use, where it is opened now; null: as the options say.</param>
    /// <exception cref="ModelException">It is not a model that runs here, or it can't fit into memory even alone.</exception>
    /// <exception cref="SchedulerBusyException">Models that are in use leave it no memory now.</exception>
    /// <exception cref="IOException">The file can't be read, or there is none; other exceptions of <see cref="LanguageModel.Load"/> come
    /// too.</exception>
    public async Task<ModelLease> UseAsync(string path, string? chatTemplate = null, TimeSpan? keep = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        wait.CancelAfter(_options.MostWait);
        if (TryUse(path, inLine: false) is { } lease) return lease;
        await _loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (true)
            {
                Task freed;
                bool alone;
                lock (_gate) (freed, alone) = (_freed.Task, _models.Count + _retired.Count == 0);
                if (TryUse(path, inLine: true) is { } loaded) return loaded;
                try
                {
                    // Reading a header from an SD card takes its time: not on a thread that serves.
                    return await Task.Run(() => Load(path, chatTemplate, keep ?? _options.Keep), cancellationToken).ConfigureAwait(false);
                }
                catch (ModelException exception) when (exception.LacksMemory)
                {
                    // Planned beside others, some of which may be closed by now: then the signal is given already.
                    if (alone) throw;
                    if (CloseLeastUsed()) continue;
                    HoldLeastUsed();
                }
                await WaitAsync(freed, path, wait.Token, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            lock (_gate)
            {
                foreach (LoadedModel model in _models.Values) model.IsHeld = false;
            }
            _loading.Release();
        }
    }

    /// <summary>Closes a model at once, or where it is in use, after that; others who ask for it have it opened anew.</summary>
    /// <returns>Whether it was open.</returns>
    public bool Close(string path)
    {
        lock (_gate)
        {
            if (!_models.TryGetValue(path, out LoadedModel? model)) return false;
            Retire(model, "asked for");
            return true;
        }
    }

    /// <summary>Closes the models that nobody used for as long as they are kept.</summary>
    internal void CloseExpired()
    {
        lock (_gate)
        {
            foreach (LoadedModel model in _models.Values.Where(model => ExpiryOf(model) <= _time.GetUtcNow()).ToArray())
                Retire(model, "nobody used it for a while");
        }
    }

    /// <summary>
    /// Closes what expired. After models were closed, at most once a second, their vocabularies are collected: by itself the collector
    /// leaves the tens of megabytes of several closed models for long, as they are old objects.
    /// </summary>
    internal void Tidy()
    {
        CloseExpired();
        lock (_gate)
        {
            if (!_hasFreed) return;
            _hasFreed = false;
        }
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            _timer.Dispose();
            foreach (LoadedModel model in _models.Values.Concat(_retired)) Free(model);
            _models.Clear();
            _retired.Clear();
        }
        _threads.Dispose();
        // The semaphore stays: who waits for it is told by what it finds after.
    }

    internal void Keep(LoadedModel model, TimeSpan time)
    {
        lock (_gate) model.Keep = time;
    }

    internal ModelLease Again(LoadedModel model)
    {
        lock (_gate)
        {
            model.Uses++;
            return new ModelLease(this, model);
        }
    }

    internal void Release(LoadedModel model)
    {
        lock (_gate)
        {
            model.Uses--;
            model.LastUsed = _time.GetTimestamp();
            if (!_disposed && model.Uses == 0)
            {
                if (_retired.Remove(model)) Free(model);
                else if (model.Keep == TimeSpan.Zero) Retire(model, "asked for");
                else if (!model.Model.IsUnchanged) Retire(model, "its file was written to");
            }
            SignalFreed();
        }
    }

    /// <param name="inLine">Whether those who came before were served.</param>
    private ModelLease? TryUse(string path, bool inLine)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_models.TryGetValue(path, out LoadedModel? model)) return null;
            if (!model.Model.IsUnchanged) Retire(model, "its file was written to");
            else if (model.Model.IsReplaced) Retire(model, "its file was replaced");
            else if (inLine || !model.IsHeld) return Again(model);
            return null;
        }
    }

    private ModelLease Load(string path, string? chatTemplate, TimeSpan keep)
    {
        long others;
        lock (_gate) others = _models.Values.Concat(_retired).Sum(model => BytesOf(model.Model));
        LanguageModel opened = LanguageModel.Open(path, _options.Model with
        {
            Name = _options.Model.Name ?? ModelStore.NameOf(path),
            ChatTemplate = chatTemplate ?? _options.Model.ChatTemplate,
            SharedThreads = _threads,
            OtherModelsBytes = others,
            DraftModel = _options.DraftOf?.Invoke(path) ?? _options.Model.DraftModel,
        }, encoders: true);
        try
        {
            var model = new LoadedModel(path, opened, keep) { LastUsed = _time.GetTimestamp() };
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                _models.Add(path, model);
                return Again(model);
            }
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Bytes that a model may come to take beside those that it has: of what the machine has, those are gone already; of a limit they are
    /// not.
    /// </summary>
    private long BytesOf(LanguageModel model) => _options.Model.MemoryLimit > 0
        ? model.Plan.Cache + model.Plan.Working + model.Plan.Prefixes - model.Options.OtherBytes - model.Options.OtherModelsBytes
        : _scheduler.BytesLeft(model) + model.Plan.Prefixes;

    /// <summary>Closes the model that was not used for the longest time, of those that are not in use.</summary>
    private bool CloseLeastUsed()
    {
        lock (_gate)
        {
            if (_models.Values.Where(model => model.Uses == 0).MinBy(model => model.LastUsed) is not { } least) return false;
            Retire(least, "another model needs its memory");
            return true;
        }
    }

    /// <summary>
    /// Holds the model that was not used for the longest time back from those who come now, until the one who waits has what it needs, or
    /// gives up: else a model that is asked for all the time would never make room. Each end of a use that was not enough holds another
    /// one.
    /// </summary>
    private void HoldLeastUsed()
    {
        lock (_gate)
        {
            if (_models.Values.Where(model => !model.IsHeld).MinBy(model => model.LastUsed) is { } least) least.IsHeld = true;
        }
    }

    private async Task WaitAsync(Task freed, string path, CancellationToken wait, CancellationToken cancellation)
    {
        try
        {
            await freed.WaitAsync(wait).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new SchedulerBusyException($"there is no memory for {ModelStore.NameOf(path)} beside the models that are answering",
                queueIsFull: true, TimeSpan.FromSeconds(10));
        }
    }

    /// <summary>It is not handed out any more; it is closed when nobody uses it.</summary>
    private void Retire(LoadedModel model, string why)
    {
        _models.Remove(model.Path);
        model.IsRetired = true;
        _options.Closed?.Invoke(model.Path, why);
        if (model.Uses > 0) _retired.Add(model);
        else Free(model);
    }

    private void Free(LoadedModel model)
    {
        _options.Freeing?.Invoke(model.Model);
        _scheduler.Forget(model.Model);
        model.Model.Dispose();
        _hasFreed = true;
        SignalFreed();
    }

    /// <summary>Wakes who waits for memory. Under the gate.</summary>
    private void SignalFreed()
    {
        TaskCompletionSource freed = _freed;
        _freed = NewSignal();
        freed.SetResult();
    }

    private DateTimeOffset? ExpiryOf(LoadedModel model) =>
        model.Uses > 0 || model.Keep < TimeSpan.Zero ? null : _time.GetUtcNow() + (model.Keep - _time.GetElapsedTime(model.LastUsed));

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
