using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using RabbitMQ.Client.Events;

namespace EdgeLlm.Server.Fleet;

/// <summary>
/// Gives requests to the broker as jobs and puts the workers' pieces together: a job that is given out again begins anew elsewhere, and of
/// its pieces the gateway passes on what it has not passed on yet. Calls may come from any thread.
/// </summary>
internal sealed class FleetGateway : IAsyncDisposable
{
    private static readonly TimeSpan MostTime = FleetWorker.MostTime + TimeSpan.FromMinutes(1);

    private const int MostOther = 4096; // bytes of names and numbers in a message

    private readonly ServerOptions _options;
    private readonly ServerLog _log;
    private readonly string _model;
    private readonly int _most, _vocabulary;
    private readonly ConcurrentDictionary<string, GatewayJob> _jobs = [];
    private readonly PrefixAffinity _affinity = new();
    private readonly AnswerStore _store;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _task;
    private volatile FleetSession? _session;

    /// <param name="model">Key of the service's own model (<see cref="FleetJob"/>).</param>
    /// <param name="vocabulary">Number of its tokens.</param>
    public FleetGateway(ServerOptions options, ServerLog log, string model, int vocabulary)
    {
        (_options, _log, _model, _vocabulary) = (options, log, model, vocabulary);
        _most = Math.Max(1, options.Queue) * 16; // workers have queues of their own
        _store = new AnswerStore(options.FleetFolder, log);
        foreach (StoredAnswer pending in _store.Pending) _jobs[pending.Id] = new GatewayJob(pending.Id) { Key = pending.Key };
        _task = FleetSession.KeepAsync(options.Broker!.Factory($"edgellm gateway {options.FleetName}", options.BrokerCa),
            options.Broker.Place, BeginAsync, log, _stop.Token);
    }

    private string ReplyQueue => FleetTopology.Replies(_options.FleetName);

    /// <summary>Refuses a request that could not be given to a worker now.</summary>
    /// <exception cref="SchedulerBusyException">The broker is away, or too many requests are under way.</exception>
    public void RequireRoom()
    {
        if (_session is not { Lost.IsCancellationRequested: false })
            throw new SchedulerBusyException("the fleet's broker can't be reached", queueIsFull: false, TimeSpan.FromSeconds(2));
        int read = 0;
        foreach (GatewayJob job in _jobs.Values)
        {
            if (job.IsRead) read++;
            else if (job.Age > 2 * MostTime) Remove(job); // nobody asks for it, and no worker will do it any more
        }
        if (read >= _most) throw IsFull();
    }

    /// <summary>Takes a request, as <see cref="Scheduler.Submit"/> does.</summary>
    /// <exception cref="ApiException">It asks for something that a fleet can't do, or its Idempotency-Key was another
    /// request's.</exception>
    /// <exception cref="SchedulerBusyException">As of <see cref="RequireRoom"/>.</exception>
    public Answer Submit(LanguageModel model, AnswerRequest request, CancellationToken cancellation)
    {
        request.Options.Validate();
        if (request.Prompt.Count == 0) throw new ArgumentException("the prompt has no tokens", nameof(request));
        if (request.Prompt.Count > model.ContextLength) throw new ContextFullException(request.Prompt.Count, model.ContextLength);
        RequireRoom();
        string? key = IdempotencyKey.Next(request.Options.Scope.Owner);
        ulong drawn = request.Options.Sampling.Seed
            ?? BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8)) >> 11; // as JSON's numbers hold it everywhere
        string print = FingerprintOf(request);
        StoredAnswer? stored = null;
        if (key is not null)
        {
            stored = _store.FindOrAdd(key, () => new StoredAnswer(key, Guid.NewGuid().ToString("N"), print, drawn, DateTimeOffset.UtcNow));
            if (stored.Request != print)
                throw new ApiException(409, "this Idempotency-Key was another request's", "idempotency_key_reused");
            drawn = stored.Seed;
        }
        string id = stored?.Id ?? Guid.NewGuid().ToString("N");
        var options = request.Options with { Sampling = request.Options.Sampling with { Seed = drawn } };
        FleetJob message = FleetJob.Of(id, _model, request with { Options = options }) with
        {
            Context = model.ContextLength,
            ReplyTo = ReplyQueue,
            Deadline = DateTimeOffset.UtcNow.Add(MostTime).ToUnixTimeSeconds(),
        };
        TimeSpan limit = _options.RequestSeconds > 0 ? TimeSpan.FromSeconds(_options.RequestSeconds) : MostTime;
        var answer = new Answer(model, request, limit, _stop.Token, cancellation);
        if (stored?.End is { } end)
        {
            GatewayJob.Replay(answer, stored.Text ?? "", stored.Probabilities, end);
            return answer;
        }
        GatewayJob job = _jobs.GetOrAdd(id, _ => new GatewayJob(id) { Key = key });
        CancellationToken stop = answer.Stop;
        stop.UnsafeRegister(_ => GiveUp(job, answer), null);
        job.Attach(answer);
        if (stop.IsCancellationRequested) GiveUp(job, answer);
        if (job.TakePublishing())
        {
            job.Message = message;
            _ = PublishAsync(job, JsonSerializer.SerializeToUtf8Bytes(message, FleetJson.Default.FleetJob));
        }
        return answer;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _task.ConfigureAwait(false);
        foreach (GatewayJob job in _jobs.Values)
            job.Fail(new SchedulerBusyException("the service was stopped before the answer ended", queueIsFull: false,
                TimeSpan.FromSeconds(10)));
        _stop.Dispose();
    }

    private async Task BeginAsync(FleetSession session)
    {
        await FleetTopology.DeclareCommonAsync(session.Receiving, _model, session.Lost).ConfigureAwait(false);
        await FleetTopology.DeclareRepliesAsync(session.Receiving, _options.FleetName, session.Lost).ConfigureAwait(false);
        await session.ConsumeAsync(ReplyQueue, 1000, exclusive: true, acknowledges: true,
            (delivery, body) => ReplyAsync(session, delivery, body)).ConfigureAwait(false);
        await session.ConsumeAsync(FleetTopology.Dead, 10, exclusive: false, acknowledges: true,
            (delivery, body) => DeadAsync(session, delivery, body)).ConfigureAwait(false);
        _session = session;
    }

    /// <summary>
    /// Sends a job until the broker has it. It may then have it twice: the second one's pieces are nobody's, and it is cancelled.
    /// </summary>
    private async Task PublishAsync(GatewayJob job, byte[] body)
    {
        string queue = FleetTopology.JobsOf(_model, job.Message!.Priority);
        string? worker = _affinity.Find(job.Message.Owner, job.Message.Prompt);
        while (!job.IsOver && !_stop.IsCancellationRequested)
        {
            if (_session is { Lost.IsCancellationRequested: false } session)
            {
                string? preferred = Interlocked.Exchange(ref worker, null); // asked once: its exchange may be gone
                try
                {
                    if (preferred is not null
                        && await session.SendAsync(FleetTopology.WorkerQueue(preferred, _model), queue, body, ReplyQueue,
                            FleetTopology.Preference).ConfigureAwait(false))
                        return;
                    if (await session.SendAsync("", queue, body, ReplyQueue).ConfigureAwait(false)) return;
                    Remove(job);
                    job.Fail(IsFull());
                    return;
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    // The connection is being lost: again on the next one.
                }
            }
            await Task.Delay(TimeSpan.FromMilliseconds(200)).ConfigureAwait(false);
        }
    }

    private async Task ReplyAsync(FleetSession session, BasicDeliverEventArgs delivery, byte[] body)
    {
        try
        {
            await TakeAsync(session, FleetJson.Read(body, FleetJson.Default.FleetReply)).ConfigureAwait(false);
        }
        catch (FormatException exception)
        {
            _log.Warning($"a worker's message is refused: {exception.Message}");
        }
        await session.Receiving.BasicAckAsync(delivery.DeliveryTag, multiple: false, session.Lost).ConfigureAwait(false);
    }

    private async Task TakeAsync(FleetSession session, FleetReply reply)
    {
        if (reply.Id is null || reply.Text is null || reply.Index < 0 || reply.At < 0)
            throw new FormatException("it has no id, text or index");
        FleetProbability.Validate(reply.Probabilities ?? [], _vocabulary);
        if (!_jobs.TryGetValue(reply.Id, out GatewayJob? job))
        {
            // Of a job that was given up, or of a gateway that died: one sign to stop at its beginning is enough.
            if (reply.End is null && reply.Index == 0)
                await session.SendPieceAsync(FleetTopology.Cancel, "", Encoding.ASCII.GetBytes(reply.Id)).ConfigureAwait(false);
            return;
        }
        if (!job.Take(reply))
        {
            _log.Error(
                $"worker {Printable.Line(reply.End?.Worker ?? "?", 60)} gives another text for a job than the worker before it: are all "
                    + "of them of one version?");
            Remove(job);
            job.Fail(new IOException("two workers disagree about the answer"));
            return;
        }
        if (reply.End is not { } end) return;
        if (end.Tokens is null || end.Worker is null || end.Reason is null) throw new FormatException("its end is not whole");
        if (job.Key is { } key)
        {
            if (end.Error is null) _store.Finish(key, reply.Text, reply.Probabilities ?? [], end);
            else _store.Remove(key);
        }
        if (job.Message is { } message && end.Error is null) _affinity.Add(message.Owner, [.. message.Prompt, .. end.Tokens], end.Worker);
        _jobs.TryRemove(job.Id, out _);
        job.End(end);
    }

    /// <summary>A job that no worker could do: its client is told, by the gateway that waits for it.</summary>
    private async Task DeadAsync(FleetSession session, BasicDeliverEventArgs delivery, byte[] body)
    {
        string? id = null, replyTo = delivery.BasicProperties.ReplyTo;
        try
        {
            id = FleetJson.Read(body, FleetJson.Default.FleetJob).Id;
        }
        catch (FormatException exception)
        {
            _log.Warning($"a dead letter is not a job: {exception.Message}");
        }
        if (id is not null && replyTo is not null && FleetTopology.IsReplies(replyTo))
        {
            _log.Warning(
                $"job {Printable.Line(id, 40)} was given out {FleetTopology.MostDeliveries} times, or refused, and no worker has done it");
            var reply =
                new FleetReply(id, 0, "") { End = new FleetEnd("") { Error = "no worker of the fleet could compute this request" } };
            await session.SendAsync("", replyTo, JsonSerializer.SerializeToUtf8Bytes(reply, FleetJson.Default.FleetReply))
                .ConfigureAwait(false);
        }
        await session.Receiving.BasicAckAsync(delivery.DeliveryTag, multiple: false, session.Lost).ConfigureAwait(false);
    }

    /// <summary>
    /// A client has gone, or its time is over. Without an Idempotency-Key, by which it could come back, the worker need not continue.
    /// </summary>
    private void GiveUp(GatewayJob job, Answer answer)
    {
        if (!job.Detach(answer) || job.Key is not null) return;
        Remove(job);
        if (_session is { Lost.IsCancellationRequested: false } session) _ = CancelAsync(session, job.Id);
    }

    private static async Task CancelAsync(FleetSession session, string id)
    {
        try
        {
            await session.SendPieceAsync(FleetTopology.Cancel, "", Encoding.ASCII.GetBytes(id)).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // The connection is lost: the worker computes for nobody, and ends.
        }
    }

    private void Remove(GatewayJob job)
    {
        _jobs.TryRemove(job.Id, out _);
        if (job.Key is { } key) _store.Remove(key);
    }

    private SchedulerBusyException IsFull() =>
        new($"{_jobs.Count} requests are under way already", queueIsFull: true, TimeSpan.FromSeconds(5));

    /// <summary>Fingerprint of a request: its model, tokens and options, without a seed that is drawn.</summary>
    /// <exception cref="ApiException">It is more than a message may be, with its tools or its grammar.</exception>
    private string FingerprintOf(AnswerRequest request)
    {
        ulong seed = request.Options.Sampling.Seed ?? 0;
        FleetJob message = FleetJob.Of("", _model,
            request with { Options = request.Options with { Sampling = request.Options.Sampling with { Seed = seed } } }) with
        {
            Client = "",
        };
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(message, FleetJson.Default.FleetJob);
        if (json.Length > FleetJson.MostBytes - MostOther)
            throw new ApiException(413,
                $"the request is a message of {json.Length} bytes, with its tools or grammar; the fleet's are at most {FleetJson.MostBytes}",
                "request_too_large");
        return Convert.ToHexStringLower(SHA256.HashData(json));
    }
}
