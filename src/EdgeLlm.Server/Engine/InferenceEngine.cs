using System.Diagnostics;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Engine;

/// <summary>One model, one thread that computes, and a queue before it: one answer at a time, those of several clients in turn.</summary>
internal sealed class InferenceEngine : IDisposable
{
    private readonly ServerOptions _options;
    private readonly ServerLog _log;
    private readonly FairQueue<AnswerJob> _queue;
    private readonly KeptPrefixes _prefixes;
    private readonly CancellationTokenSource _abort = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Loaded? _loaded;
    private volatile Identity? _identity;
    private volatile bool _stopping;
    private volatile AnswerJob? _running;
    private double _usualSeconds = 5; // of an answer: a running mean

    public InferenceEngine(ServerOptions options, ServerLog log)
    {
        _options = options;
        _log = log;
        _queue = new FairQueue<AnswerJob>(options.Queue);
        _prefixes = new KeptPrefixes(options, log);
    }

    public EngineState State => _stopping ? EngineState.Stopping : _loaded is null ? EngineState.Loading : EngineState.Ready;

    /// <summary>Whether an answer is being computed.</summary>
    public bool IsComputing => _running is not null;

    /// <summary>Counts on while the engine computes: what a watchdog looks at.</summary>
    public long Progress => _loaded?.Model.Progress ?? 0;

    /// <summary>How many requests wait.</summary>
    public int Waiting => _queue.Count;

    /// <summary>The SHA-256 of the model in hexadecimal digits; null until it is known, which a large file takes some seconds for.</summary>
    public string? Digest => _identity?.Digest;

    /// <summary>What tells answers of this model and way of computing from others; null until it is known.</summary>
    public string? Fingerprint => _identity?.Fingerprint;

    /// <summary>The model and its chat format.</summary>
    /// <exception cref="EngineBusyException">It is not loaded yet, or the service is being stopped.</exception>
    public (LanguageModel Model, ChatFormat Format) Current => State switch
    {
        EngineState.Loading => throw new EngineBusyException("the model is being loaded", queueIsFull: false, TimeSpan.FromSeconds(2)),
        EngineState.Stopping => throw new EngineBusyException("the service is being stopped", queueIsFull: false, TimeSpan.FromSeconds(10)),
        _ => (_loaded!.Model, _loaded.Format),
    };

    /// <summary>Maps the model, computes a token, and takes requests from then on.</summary>
    /// <exception cref="ModelException">See <see cref="LanguageModel.Load"/>, whose other exceptions come too.</exception>
    public void Load(string path)
    {
        long start = Stopwatch.GetTimestamp();
        (LanguageModel model, int conversations) = LoadWithContexts(path);
        try
        {
            var format = new ChatFormat(model);
            var contexts = new Contexts(model, conversations);
            SequenceCache cache = contexts.For([], PrefixScope.Service);
            Sequence first = new(cache, new GenerationOptions { MaxTokens = 1, Sampling = SamplingOptions.Greedy });
            first.Begin([model.Tokenizer.BosId ?? 0]);
            first.Next(CancellationToken.None);
            cache.Clear();
            if (conversations < _options.Conversations)
                _log.Warning($"memory is short: the contexts of {Quantity(conversations, "conversation")} are kept, not of {_options.Conversations} (setting conversations; a smaller context takes less)");
            if (model.Options.PrefixBytes == 0 && _options.CacheMemory is > 0 and var wanted)
                _log.Warning($"memory is short: of prompts that others begin with nothing is kept, not {wanted / 1e6:F0} MB (setting cacheMemory)");
            if (_options.Context > model.Info.ContextLength)
                _log.Warning($"context {_options.Context}: the model was trained on {model.Info.ContextLength} tokens, and beyond them its answers get worse");
            _prefixes.Add(model, _abort.Token);
            _loaded = new Loaded(model, format, contexts);
        }
        catch
        {
            model.Dispose();
            throw;
        }
        new Thread(Run) { Name = "engine", IsBackground = true }.Start();
        new Thread(() => Identify(model)) { Name = "identity", IsBackground = true, Priority = ThreadPriority.Lowest }.Start();
        _log.Info($"{path}: mapped and computing after {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s, kernel {model.KernelName}, {Quantity(model.Threads, "thread")}, "
            + $"{Quantity(conversations, "context")} of {model.ContextLength} tokens, {model.Plan.Total / 1e6:F0} MB at most");
    }

    /// <summary>Refuses a request that would find the queue full, before work is done for it.</summary>
    /// <exception cref="EngineBusyException">As of <see cref="Submit"/>.</exception>
    public void RequireRoom()
    {
        _ = Current;
        if (_queue.IsFull) throw QueueIsFull();
    }

    /// <summary>Takes a request into the queue.</summary>
    /// <exception cref="EngineBusyException">The queue is full, or the engine does not take requests now.</exception>
    public AnswerJob Submit(string client, IReadOnlyList<int> prompt, GenerationOptions options, CancellationToken cancellation)
    {
        _ = Current;
        var job = new AnswerJob(client, prompt, options, cancellation);
        if (!_queue.TryAdd(client, job))
        {
            _ = Current;
            throw QueueIsFull();
        }
        cancellation.UnsafeRegister(static state =>
        {
            (InferenceEngine engine, AnswerJob job) = ((InferenceEngine, AnswerJob))state!;
            if (engine._queue.Remove(job.Client, job)) job.Fail(new OperationCanceledException(job.Cancellation));
        }, (this, job));
        return job;
    }

    /// <summary>How many answers end before this one begins, if no other request comes; 0 from its turn on.</summary>
    public int CountBefore(AnswerJob job) => _queue.CountBefore(job.Client, job) is { } waiting ? waiting + (IsComputing ? 1 : 0) : 0;

    private EngineBusyException QueueIsFull() =>
        new(_queue.Count == 1 ? "1 request is waiting already" : $"{_queue.Count} requests are waiting already", queueIsFull: true, TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(_usualSeconds), 1, 60)));

    /// <summary>Takes nothing new and sends away those that wait; what runs may end within the limit, then it is cut off.</summary>
    public async Task StopAsync(TimeSpan limit)
    {
        _stopping = true;
        foreach (AnswerJob job in _queue.Close()) job.Fail(new EngineBusyException("the service is being stopped", queueIsFull: false, TimeSpan.FromSeconds(10)));
        if (_loaded is null) return;
        if (await Task.WhenAny(_ended.Task, Task.Delay(limit)).ConfigureAwait(false) != _ended.Task)
        {
            if (IsComputing) _log.Warning($"an answer was still running after {limit.TotalSeconds:F0} s: it is cut off");
            await _abort.CancelAsync().ConfigureAwait(false);
        }
        await _ended.Task.ConfigureAwait(false);
        _prefixes.Dispose();
    }

    public void Dispose()
    {
        _abort.Dispose();
        _prefixes.Dispose();
        _loaded?.Contexts.Dispose();
        _loaded?.Model.Dispose();
    }

    /// <summary>The model with as many contexts as were asked for and room for prefixes or, where memory is short, with as many as fit.</summary>
    private (LanguageModel Model, int Contexts) LoadWithContexts(string path)
    {
        bool keepsPrefixes = true;
        for (int contexts = _options.Conversations; ; contexts -= keepsPrefixes ? 1 : 0)
        {
            try
            {
                var options = new ModelOptions
                {
                    ContextLength = _options.Context,
                    Threads = _options.Threads,
                    DecodeThreads = _options.DecodeThreads,
                    CacheType = _options.CacheType,
                    ChatTemplate = _options.ChatTemplate,
                    IdentityFolder = _options.IdentityFolder,
                    Contexts = contexts,
                    OtherBytes = ServerOptions.ServiceBytes,
                    PrefixBytes = keepsPrefixes ? _options.CacheMemory ?? ServerOptions.UsualCacheMemory : 0,
                };
                return (LanguageModel.Load(path, options), contexts);
            }
            catch (ModelException) when (contexts > 1 || keepsPrefixes)
            {
                // It may fit with less; what is wrong otherwise is so with the least, too.
                keepsPrefixes = !keepsPrefixes;
            }
        }
    }

    /// <summary>Reads the model's file once, beside the answers.</summary>
    private void Identify(LanguageModel model)
    {
        try
        {
            string digest = Convert.ToHexStringLower(model.Identity(_abort.Token).Span);
            _identity = new Identity(digest, "fp_" + Convert.ToHexStringLower(model.StateKey())[..10]);
        }
        catch (Exception exception) when (exception is ObjectDisposedException or OperationCanceledException)
        {
            // The service was stopped.
        }
        catch (IOException exception)
        {
            _log.Warning($"the model's hash could not be computed ({exception.Message}): clients see no digest");
        }
    }

    private void Run()
    {
        while (_queue.Take(out AnswerJob? job))
        {
            _running = job;
            Answer(job);
            _running = null;
        }
        _ended.SetResult();
    }

    private void Answer(AnswerJob job)
    {
        job.Begin();
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(job.Cancellation, _abort.Token);
            var answer = new Sequence(_loaded!.Contexts.For(job.Prompt, job.Options.Scope), job.Options);
            answer.Begin(job.Prompt);
            while (answer.Next(stop.Token) is { } piece)
            {
                if (piece.Length > 0) job.Write(piece);
            }
            if (answer.Statistics.FinishReason != FinishReason.Cancelled) job.End(answer.Tokens, answer.Statistics);
            else job.Fail(_abort.IsCancellationRequested ? new EngineBusyException("the service was stopped before the answer ended", queueIsFull: false, TimeSpan.FromSeconds(10)) : new OperationCanceledException(job.Cancellation));
            _usualSeconds += ((job.Elapsed - job.Waited).TotalSeconds - _usualSeconds) / 8;
        }
        catch (Exception exception)
        {
            // One request's failure is its client's to hear of; the next one may be well.
            _log.Error($"an answer failed: {exception.GetType().Name}: {exception.Message}");
            job.Fail(exception);
        }
    }

    private static string Quantity(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";

    private sealed record Loaded(LanguageModel Model, ChatFormat Format, Contexts Contexts);

    private sealed record Identity(string Digest, string Fingerprint);
}
