using System.Diagnostics;
using System.Runtime.CompilerServices;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Engine;

/// <summary>The service's models, the pool that opens them and the scheduler that computes their answers.</summary>
internal sealed class InferenceEngine : IDisposable
{
    private const int MostNames = 8; // of a message

    private readonly ServerOptions _options;
    private readonly ServerLog _log;
    private readonly Scheduler _scheduler;
    private readonly ModelPool _pool;
    private readonly KeptPrefixes _prefixes;
    private readonly CancellationTokenSource _abort = new();
    private readonly ConditionalWeakTable<LanguageModel, Identity> _identities = [];
    private volatile bool _isLoaded;
    private volatile bool _stopping;

    public InferenceEngine(ServerOptions options, ServedModels models, ServerLog log)
    {
        _options = options;
        _log = log;
        Models = models;
        _prefixes = new KeptPrefixes(options, log);
        _scheduler = new Scheduler(new SchedulerOptions
        {
            Parallel = options.Parallel,
            Queue = options.Queue,
            TimeLimit = TimeSpan.FromSeconds(options.RequestSeconds),
            Failed = exception => log.Error($"an answer failed: {exception.GetType().Name}: {exception.Message}"),
        });
        _pool = new ModelPool(_scheduler, new ModelPoolOptions
        {
            Model = new ModelOptions
            {
                ContextLength = options.Context,
                Threads = options.Threads,
                DecodeThreads = options.DecodeThreads,
                CacheType = options.CacheType,
                IdentityFolder = options.IdentityFolder,
                Contexts = Math.Max(options.Parallel, options.Conversations),
                LeastContexts = 1,
                OtherBytes = ServerOptions.ServiceBytes,
                PrefixBytes = options.CacheMemory ?? ServerOptions.UsualCacheMemory,
            },
            Freeing = _prefixes.Remove,
            Keep = options.KeepAlive,
            Closed = (path, why) => log.Info($"{path}: closed, as {why}"),
        });
    }

    /// <summary>The models that are offered.</summary>
    public ServedModels Models { get; }

    public EngineState State => _stopping ? EngineState.Stopping : _isLoaded ? EngineState.Ready : EngineState.Loading;

    /// <summary>Whether answers are being computed.</summary>
    public bool IsComputing => _scheduler.Running > 0;

    /// <summary>A number that changes while the engine computes: what a watchdog looks at.</summary>
    public long Progress => _scheduler.Progress;

    /// <summary>How many requests wait.</summary>
    public int Waiting => _scheduler.Waiting;

    /// <summary>The models that are open.</summary>
    public IReadOnlyList<OpenModel> Open => _pool.Open;

    /// <summary>A model that is offered, where it is open.</summary>
    public LanguageModel? OpenOf(ServedModel served) => _pool.Open.FirstOrDefault(open => open.Path == served.Path)?.Model;

    /// <summary>How many answers of a model are being computed.</summary>
    public int AnswersOf(LanguageModel model) => _scheduler.AnswersOf(model);

    /// <summary>The SHA-256 of a model in hexadecimal digits; null until it is known, which a large file takes some seconds for.</summary>
    public string? DigestOf(ServedModel served) => OpenOf(served) is { } model && _identities.TryGetValue(model, out Identity? identity) ? identity.Digest : null;

    /// <summary>What tells answers of this model and way of computing from others; null until it is known.</summary>
    public string? FingerprintOf(LanguageModel model) => _identities.TryGetValue(model, out Identity? identity) ? identity.Fingerprint : null;

    /// <summary>Opens the service's own model, computes a token, and takes requests from then on.</summary>
    /// <exception cref="ModelException">See <see cref="LanguageModel.Load"/>, whose other exceptions come too.</exception>
    public void Load()
    {
        ServedModel own = Models.Own;
        long start = Stopwatch.GetTimestamp();
        using ModelLease lease = OpenAsync(own, CancellationToken.None).GetAwaiter().GetResult();
        LanguageModel model = lease.Model;
        int contexts = model.Options.Contexts;
        _scheduler.ComputeAsync(() =>
        {
            using KvCache cache = model.CreateCache(); // of its own: the first answer finds nothing of it
            return model.Forward([model.Tokenizer.BosId ?? 0], cache, _abort.Token)[0];
        }).GetAwaiter().GetResult();
        if (contexts < _options.Conversations)
            _log.Warning($"memory is short: {Quantity(contexts, "context")} of {model.ContextLength} tokens fit, fewer than {_options.Conversations} (setting conversations; a smaller context takes less)");
        if (model.Options.PrefixBytes == 0 && _options.CacheMemory is > 0 and var wanted)
            _log.Warning($"memory is short: of prompts that others begin with nothing is kept, not {wanted / 1e6:F0} MB (setting cacheMemory)");
        if (_options.Context > model.Info.ContextLength)
            _log.Warning($"context {_options.Context}: the model was trained on {model.Info.ContextLength} tokens, and beyond them its answers get worse");
        _prefixes.Add(model, _abort.Token);
        _isLoaded = true;
        _log.Info($"{own.Path}: mapped and computing after {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s, kernel {model.KernelName}, {Quantity(model.Threads, "thread")}, "
            + $"{Quantity(contexts, "context")} of {model.ContextLength} tokens, {model.Plan.Total / 1e6:F0} MB at most");
    }

    /// <summary>Names of the models that are offered, for a message.</summary>
    public string ModelNames
    {
        get
        {
            string[] names = [.. Models.All.Take(MostNames + 1).Select(model => $"'{model.Name}'")];
            return names.Length > MostNames ? string.Join(", ", names.Take(MostNames)) + " and more" : string.Join(", ", names);
        }
    }

    /// <summary>The model of a name; null where there is none.</summary>
    /// <exception cref="ApiException">Its file is not a model that can be read.</exception>
    public ServedModel? Find(string name)
    {
        try
        {
            return Models.Find(name);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw NotOpened(name, exception);
        }
    }

    /// <summary>A model for use, opened where it is not yet.</summary>
    /// <exception cref="SchedulerBusyException">The service's own model is not loaded yet, there is no memory for this one now, or the service is being stopped.</exception>
    /// <exception cref="ApiException">It can't be opened.</exception>
    public async Task<ModelLease> UseAsync(ServedModel served, CancellationToken cancellation)
    {
        RequireReady();
        try
        {
            return await OpenAsync(served, cancellation).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or SchedulerBusyException or ObjectDisposedException or OutOfMemoryException))
        {
            throw NotOpened(served.Name, exception);
        }
    }

    /// <summary>Closes a model, after its answers.</summary>
    public void Close(ServedModel served) => _pool.Close(served.Path);

    /// <summary>Refuses a request that would find the queue full, before work is done for it.</summary>
    /// <exception cref="SchedulerBusyException">As of <see cref="Submit"/>.</exception>
    public void RequireRoom()
    {
        RequireReady();
        _scheduler.RequireRoom();
    }

    /// <summary>Takes a request into the queue; the model stays open until its answer has ended.</summary>
    /// <exception cref="SchedulerBusyException">The queue is full, or the engine does not take requests now.</exception>
    public Answer Submit(ModelLease lease, AnswerRequest request, CancellationToken cancellation)
    {
        ModelLease hold = lease.Again();
        try
        {
            return _scheduler.Submit(lease.Model, request with { Hold = hold, Options = request.Options with { Speculates = _options.Speculation } }, cancellation);
        }
        catch
        {
            hold.Dispose();
            throw;
        }
    }

    /// <summary>How many answers end before this one begins, if no other request comes; 0 from its turn on.</summary>
    public int CountBefore(Answer answer) => _scheduler.CountBefore(answer);

    /// <summary>Takes nothing new and sends away those that wait; what runs may end within the limit, then it is cut off.</summary>
    public async Task StopAsync(TimeSpan limit)
    {
        _stopping = true;
        int cut = await _scheduler.StopAsync(limit).ConfigureAwait(false);
        if (cut > 0) _log.Warning($"{Quantity(cut, "answer")} still ran after {limit.TotalSeconds:F0} s: cut off");
        await _abort.CancelAsync().ConfigureAwait(false);
        _prefixes.Dispose();
    }

    public void Dispose()
    {
        _scheduler.Dispose();
        _prefixes.Dispose();
        _pool.Dispose();
        _abort.Dispose();
    }

    private ApiException NotOpened(string name, Exception exception)
    {
        _log.Error($"the model '{name}' can't be opened: {exception.Message}");
        return new ApiException(500, $"the model '{name}' can't be opened: {(exception is ModelException model ? model.Problem : exception.Message)}", "model_not_loaded", "model");
    }

    private void RequireReady()
    {
        if (State == EngineState.Loading) throw new SchedulerBusyException("the model is being loaded", queueIsFull: false, TimeSpan.FromSeconds(2));
        if (State == EngineState.Stopping) throw new SchedulerBusyException("the service is being stopped", queueIsFull: false, TimeSpan.FromSeconds(10));
    }

    private async Task<ModelLease> OpenAsync(ServedModel served, CancellationToken cancellation)
    {
        bool isOwn = served == Models.Own;
        ModelLease lease = await _pool.UseAsync(served.Path, isOwn ? _options.ChatTemplate : null, isOwn ? Duration.Forever : null, cancellation).ConfigureAwait(false);
        LanguageModel model = lease.Model;
        if (_identities.TryAdd(model, new Identity())) new Thread(() => Identify(model, isOwn)) { Name = "identity", IsBackground = true, Priority = ThreadPriority.Lowest }.Start();
        return lease;
    }

    /// <summary>Reads the model's file once, beside the answers.</summary>
    private void Identify(LanguageModel model, bool isOwn)
    {
        try
        {
            string digest = Convert.ToHexStringLower(model.Identity(_abort.Token).Span);
            _identities.AddOrUpdate(model, new Identity { Digest = digest, Fingerprint = "fp_" + Convert.ToHexStringLower(model.StateKey())[..10] });
            if (!isOwn) _prefixes.Add(model, _abort.Token); // of the own one before it takes requests
        }
        catch (Exception exception) when (exception is ObjectDisposedException or OperationCanceledException)
        {
            // The model was closed, or the service was stopped.
        }
        catch (IOException exception)
        {
            _log.Warning($"the model's hash could not be computed ({exception.Message}): clients see no digest");
        }
    }

    private static string Quantity(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";

    private sealed record Identity
    {
        public string? Digest { get; init; }

        public string? Fingerprint { get; init; }
    }
}
