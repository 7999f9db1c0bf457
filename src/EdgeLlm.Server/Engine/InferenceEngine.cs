using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Fleet;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Metrics;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Engine;

/// <summary>The service's models, the pool that opens them and the scheduler that computes their answers.</summary>
internal sealed class InferenceEngine : IDisposable
{
    private const int MostNames = 8; // of a message

    private static readonly TimeSpan MeasuringPause = TimeSpan.FromMilliseconds(20);

    private readonly ServerOptions _options;
    private readonly ServerLog _log;
    private readonly Scheduler _scheduler;
    private readonly ModelPool _pool;
    private readonly KeptPrefixes _prefixes;
    private readonly CancellationTokenSource _abort = new();
    private readonly ConditionalWeakTable<LanguageModel, Identity> _identities = [];
    private readonly ConditionalWeakTable<LanguageModel, ConcurrentDictionary<string, bool>> _users = [];
    private readonly ConcurrentDictionary<long, WatchedAnswer> _watched = [];
    private readonly SemaphoreSlim _measuring = new(1); // a prompt's probabilities
    private long _count; // of requests since the start
    private volatile bool _isLoaded;
    private volatile bool _stopping;

    public InferenceEngine(ServerOptions options, ServedModels models, ServerLog log)
    {
        _options = options;
        _log = log;
        Models = models;
        Metrics = new ServiceMetrics(this, new MachineState());
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
                OtherBytes = ServerOptions.ServiceBytes + options.SpeechBytes,
                PlansForms = true,
                PrefixBytes = options.CacheMemory ?? ServerOptions.UsualCacheMemory,
            },
            DraftOf = path => options.Speculation && path == models.Own.Path ? options.Draft : null,
            Freeing = _prefixes.Remove,
            Keep = options.KeepAlive,
            Closed = (path, why) => log.Info($"{path}: closed, as {why}"),
        });
    }

    /// <summary>The models that are offered.</summary>
    public ServedModels Models { get; }

    public EngineState State => _stopping ? EngineState.Stopping : _isLoaded ? EngineState.Ready : EngineState.Loading;

    /// <summary>Who gives requests to workers, where the service is a fleet's gateway: it computes no answers itself.</summary>
    public FleetGateway? Gateway { get; set; }

    /// <summary>Counters of the service.</summary>
    public ServiceMetrics Metrics { get; }

    /// <summary>Bytes of prompts' beginnings that are kept in memory, of all models that are open.</summary>
    public long CacheBytes => _pool.Open.Sum(open => PrefixCache.Of(open.Model)?.Bytes ?? 0);

    /// <summary>How many answers are being computed.</summary>
    public int Running => _scheduler.Running;

    /// <summary>Whether answers are being computed.</summary>
    public bool IsComputing => _scheduler.Running > 0;

    /// <summary>Gives answers in the model's place, where set: tests of what clients are told need no model for them.</summary>
    internal Func<AnswerRequest, string>? Script { get; set; }

    /// <summary>A number that changes while the engine computes: what a watchdog looks at.</summary>
    public long Progress => _scheduler.Progress;

    /// <summary>How many requests wait.</summary>
    public int Waiting => _scheduler.Waiting;

    /// <summary>The models that are open.</summary>
    public IReadOnlyList<OpenModel> Open => _pool.Open;

    /// <summary>A model that is offered, where it is open.</summary>
    public LanguageModel? OpenOf(ServedModel served) => _pool.Open.FirstOrDefault(open => open.Path == served.Path)?.Model;

    /// <summary>Whether a model is the service's own, or derived from it: that stays loaded.</summary>
    public bool IsOwn(ServedModel served) => served.Path == Models.Own.Path;

    /// <summary>Tokens of a model's context as it is served; 0: not known before it is open.</summary>
    public int ContextOf(ServedModel served) => OpenOf(served)?.ContextLength ?? served.ContextLength;

    /// <summary>How many answers of a model are being computed.</summary>
    public int AnswersOf(LanguageModel model) => _scheduler.AnswersOf(model);

    /// <summary>The SHA-256 of a model in hexadecimal digits; null until it is known, which a large file takes some seconds for.</summary>
    public string? DigestOf(ServedModel served) =>
        OpenOf(served) is { } model && _identities.TryGetValue(model, out Identity? identity) ? identity.Digest : null;

    /// <summary>Fingerprint of the model and way of computing; null until it is known.</summary>
    public string? FingerprintOf(LanguageModel model) =>
        _identities.TryGetValue(model, out Identity? identity) ? identity.Fingerprint : null;

    /// <summary>Opens the service's own model, computes a token, and takes requests from then on.</summary>
    /// <exception cref="ModelException">See <see cref="LanguageModel.Load"/>, whose other exceptions come too.</exception>
    /// <param name="beforeReady">Receives the model before a request is taken.</param>
    public void Load(Action<LanguageModel>? beforeReady = null)
    {
        ServedModel own = Models.Own;
        long start = Stopwatch.GetTimestamp();
        using ModelLease lease = OpenAsync(own, CancellationToken.None).GetAwaiter().GetResult();
        LanguageModel model = lease.Model;
        int contexts = model.Options.Contexts;
        beforeReady?.Invoke(model);
        if (Gateway is null) _scheduler.ComputeAsync(() =>
        {
            using KvCache cache = model.CreateCache(); // of its own: the first answer finds nothing of it
            return model.Forward([model.Tokenizer.BosId ?? 0], cache, _abort.Token)[0];
        }).GetAwaiter().GetResult();
        if (contexts < _options.Conversations)
            _log.Warning(
                $"memory is short: {Quantity(contexts, "context")} of {model.ContextLength} tokens fit, fewer than "
                    + $"{_options.Conversations} (setting conversations; a smaller context takes less)");
        if (model.Options.PrefixBytes == 0 && _options.CacheMemory is > 0 and var wanted)
            _log.Warning(
                $"memory is short: of prompts that others begin with nothing is kept, not {wanted / 1e6:F0} MB (setting cacheMemory)");
        if (_options.Context > model.Info.ContextLength)
            _log.Warning(
                $"context {_options.Context}: the model was trained on {model.Info.ContextLength} tokens, and beyond them its answers "
                    + "get worse");
        _prefixes.Add(model, _abort.Token);
        _isLoaded = true;
        _log.Info(
            $"{own.Path}: mapped and computing after {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s, kernel {model.KernelName}, "
                + $"{Quantity(model.Threads, "thread")}, "
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
    /// <exception cref="SchedulerBusyException">The service's own model is not loaded yet, there is no memory for this one now, or the
    /// service is being stopped.</exception>
    /// <exception cref="ApiException">It can't be opened.</exception>
    public async Task<ModelLease> UseAsync(ServedModel served, CancellationToken cancellation)
    {
        if (!Caller.Current.MayUse(served.Name))
            throw new ApiException(403, $"this key may not use the model '{served.Name}'", "model_not_allowed", "model");
        RequireReady();
        try
        {
            return await OpenAsync(served, cancellation).ConfigureAwait(false);
        }
        catch (Exception exception)
            when (exception is not (OperationCanceledException or SchedulerBusyException or ObjectDisposedException
                or OutOfMemoryException))
        {
            throw NotOpened(served.Name, exception);
        }
    }

    /// <summary>The requests that wait or are answered now, the oldest first.</summary>
    public IReadOnlyList<WatchedAnswer> Requests => [.. _watched.Values.OrderBy(one => one.Number)];

    /// <summary>Forgets the prompts' beginnings that are kept in memory.</summary>
    public void ClearCache()
    {
        foreach (OpenModel open in _pool.Open) PrefixCache.Of(open.Model)?.Clear();
    }

    /// <summary>Whether the caller may say how long a model stays open: an administrator, and who alone uses it.</summary>
    public bool MayClose(ServedModel served)
    {
        Caller caller = Caller.Current;
        if (caller.Role == KeyRole.Admin) return true;
        return !IsOwn(served) && OpenOf(served) is { } model && _users.TryGetValue(model, out ConcurrentDictionary<string, bool>? users)
            && users.Keys.All(user => user == caller.Name);
    }

    /// <summary>Closes a model, after its answers.</summary>
    /// <exception cref="ApiException">Others use it, too, and the caller is not an administrator.</exception>
    public void Close(ServedModel served)
    {
        if (OpenOf(served) is not null && !MayClose(served))
            throw new ApiException(403, $"others use '{served.Name}', too: that it is unloaded takes a key with the role admin",
                "insufficient_permissions", "model");
        _pool.Close(served.Path);
    }

    /// <summary>Refuses a request that would find the queue full, before work is done for it.</summary>
    /// <exception cref="SchedulerBusyException">As of <see cref="Submit"/>.</exception>
    public void RequireRoom()
    {
        RequireReady();
        if (Gateway is { } gateway) gateway.RequireRoom();
        else _scheduler.RequireRoom();
    }

    /// <summary>Takes a request into the queue; the model stays open until its answer has ended.</summary>
    /// <exception cref="SchedulerBusyException">The queue is full, or the engine does not take requests now.</exception>
    public Answer Submit(ModelLease lease, AnswerRequest request, CancellationToken cancellation)
    {
        var hold = new WatchedAnswer(Interlocked.Increment(ref _count), lease.Again(), request.Client, Ended);
        _watched[hold.Number] = hold;
        try
        {
            AnswerRequest own = request with { Hold = hold, Options = request.Options with { Speculates = _options.Speculation } };
            Answer answer = Script is { } script
                ? ScriptedAnswer.Of(script(request), lease.Model, request with { Hold = hold }, cancellation)
                : SubmitOwn(lease, own, cancellation);
            hold.Answer = answer;
            return answer;
        }
        catch
        {
            hold.Dispose();
            _watched.TryRemove(hold.Number, out _);
            throw;
        }
    }

    /// <summary>
    /// Computes something of a model (a text's vector) between the passes of answers, in pieces that hold none of them up for long.
    /// </summary>
    public async Task<T> ComputeAsync<T>(Func<T> work, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return await _scheduler.ComputeAsync(work).ConfigureAwait(false);
    }

    /// <summary>
    /// The probabilities of a prompt's tokens after its first. One prompt is measured at a time, in a context that the plan has: it waits
    /// until running answers leave one.
    /// </summary>
    /// <param name="likeliest">How many of the likeliest tokens to name with each.</param>
    /// <exception cref="SchedulerBusyException">They left none for as long as a request may take.</exception>
    public async Task<IReadOnlyList<TokenLogProbability>> MeasureAsync(ModelLease lease, IReadOnlyList<int> prompt, int likeliest,
        CancellationToken cancellation)
    {
        if (Gateway is not null) throw ApiException.Unsupported("logprobs", "a gateway computes nothing itself");
        LanguageModel model = lease.Model;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _abort.Token);
        if (_options.RequestSeconds > 0) limit.CancelAfter(TimeSpan.FromSeconds(_options.RequestSeconds));
        ContextPool.Context? context = null;
        bool hasTurn = false;
        try
        {
            await _measuring.WaitAsync(limit.Token).ConfigureAwait(false);
            hasTurn = true;
            while ((context = await _scheduler.TryBorrowAsync(model, prompt.Count).ConfigureAwait(false)) is null)
                await Task.Delay(MeasuringPause, limit.Token).ConfigureAwait(false);
            return await MeasureAsync(model, context.Cache.Memory, prompt, likeliest, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new SchedulerBusyException("answers left no memory for the prompt's probabilities, or the service is being stopped",
                queueIsFull: true, TimeSpan.FromSeconds(5));
        }
        finally
        {
            if (context is not null) await _scheduler.GiveBackAsync(model, context).ConfigureAwait(false);
            if (hasTurn) _measuring.Release();
        }
    }

    private async Task<IReadOnlyList<TokenLogProbability>> MeasureAsync(LanguageModel model, KvCache cache, IReadOnlyList<int> prompt,
        int likeliest, CancellationToken cancellation)
    {
        const int MostLogits = 1 << 20; // 4 MB
        int vocabulary = model.Info.VocabularySize, piece = Math.Clamp(MostLogits / vocabulary, 4, 32);
        int[] tokens = [.. prompt];
        var measured = new List<TokenLogProbability>(tokens.Length);
        var meter = new LogProbabilityMeter(vocabulary, likeliest);
        float[] logits = new float[Math.Min(piece, tokens.Length) * vocabulary];
        for (int done = 0; done < tokens.Length - 1; done += piece)
        {
            int start = done, count = Math.Min(piece, tokens.Length - 1 - done);
            await ComputeAsync(() =>
            {
                model.ForwardLast(tokens.AsSpan(start, count), cache, logits, count, cancellation);
                for (int i = 0; i < count; i++)
                {
                    meter.Observe(logits.AsSpan(i * vocabulary, vocabulary));
                    measured.Add(meter.Of(tokens[start + i + 1]));
                }
                return count;
            }, cancellation).ConfigureAwait(false);
        }
        return measured;
    }

    /// <summary>Makes vectors or scores of texts, between the answers' passes.</summary>
    /// <param name="texts">What is read, which counts for the caller's key.</param>
    public Task<T> EncodeAsync<T>(ModelLease lease, IReadOnlyList<string> texts, Func<TextEncoder, T> work)
    {
        RequireReady();
        Caller.Current.Meter?.Spend(texts.Sum(text => lease.Model.Tokenizer.Encode(text).Length));
        try
        {
            TextEncoder encoder = lease.Encoder;
            return _scheduler.ComputeAsync(() => work(encoder));
        }
        catch (ModelException exception)
        {
            throw new ApiException(400, $"the model '{lease.Model.Name}' makes no vectors: {exception.Problem}",
                "unsupported_model", "model");
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
        _measuring.Dispose();
        Metrics.Dispose();
    }

    private ApiException NotOpened(string name, Exception exception)
    {
        _log.Error($"the model '{name}' can't be opened: {exception.Message}");
        return new ApiException(500,
            $"the model '{name}' can't be opened: {(exception is ModelException model ? model.Problem : exception.Message)}",
            "model_not_loaded", "model");
    }

    private void RequireReady()
    {
        if (State == EngineState.Loading)
            throw new SchedulerBusyException("the model is being loaded", queueIsFull: false, TimeSpan.FromSeconds(2));
        if (State == EngineState.Stopping)
            throw new SchedulerBusyException("the service is being stopped", queueIsFull: false, TimeSpan.FromSeconds(10));
    }

    private async Task<ModelLease> OpenAsync(ServedModel served, CancellationToken cancellation)
    {
        bool isOwn = IsOwn(served);
        ModelLease lease = await _pool.UseAsync(served.Path, isOwn ? _options.ChatTemplate : null, isOwn ? Duration.Forever : null,
            cancellation).ConfigureAwait(false);
        LanguageModel model = lease.Model;
        try
        {
            ModelAdapters adapters = model.Companion(() => new ModelAdapters(model, _options, Models, _log.Warning));
            if (adapters.Check(served) is { } format) lease.Format = format;
        }
        catch
        {
            lease.Dispose();
            throw;
        }
        if (Caller.Current.Name is { } user) _users.GetValue(model, _ => [])[user] = true;
        if (_identities.TryAdd(model, new Identity()))
            new Thread(() => Identify(model, isOwn)) { Name = "identity", IsBackground = true, Priority = ThreadPriority.Lowest }.Start();
        return lease;
    }

    /// <summary>Reads the model's file once, beside the answers.</summary>
    private void Identify(LanguageModel model, bool isOwn)
    {
        try
        {
            string digest = Convert.ToHexStringLower(model.Identity(_abort.Token).Span);
            _identities.AddOrUpdate(model,
                new Identity { Digest = digest, Fingerprint = "fp_" + Convert.ToHexStringLower(model.StateKey())[..10] });
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

    private Answer SubmitOwn(ModelLease lease, AnswerRequest request, CancellationToken cancellation)
    {
        if (Gateway is not { } gateway) return _scheduler.Submit(lease.Model, request, cancellation);
        if (lease.Model != OpenOf(Models.Own))
            throw new ApiException(400, $"the workers of this gateway compute '{Models.Own.Name}' only", "model_not_found", "model");
        return gateway.Submit(lease.Model, request, cancellation);
    }

    private void Ended(WatchedAnswer watched)
    {
        _watched.TryRemove(watched.Number, out _);
        GenerationStatistics took = watched.Answer!.Statistics;
        watched.Caller.Meter?.Spend(took.PromptTokens + took.GeneratedTokens);
        Metrics.Add(watched);
    }

    private static string Quantity(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";

    private sealed record Identity
    {
        public string? Digest { get; init; }

        public string? Fingerprint { get; init; }
    }
}
