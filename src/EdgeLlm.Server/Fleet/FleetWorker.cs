using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace EdgeLlm.Server.Fleet;

/// <summary>
/// Takes jobs from the broker, as many as are computed at once, computes them as any request, and acknowledges each after its last token
/// has arrived at the broker. Whatever ends before that (this process, the machine, the connection), the broker gives the job to another
/// worker, which gives the same answer.
/// </summary>
internal sealed class FleetWorker : IAsyncDisposable
{
    /// <summary>Below the half hour after which a broker takes a consumer for dead.</summary>
    public static readonly TimeSpan MostTime = TimeSpan.FromMinutes(24);

    private const int MostTries = 60; // seconds
    private const int MostRemembered = 10_000; // jobs

    private static readonly TimeSpan GiveBackPause = TimeSpan.FromMilliseconds(300);

    private readonly InferenceEngine _engine;
    private readonly ServerOptions _options;
    private readonly ServerLog _log;
    private readonly string _model;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, CancellationTokenSource> _running = [];
    private readonly ConcurrentDictionary<string, long> _cancelled = [];
    private readonly ConcurrentDictionary<string, bool> _done = []; // whose end has arrived at the broker
    private readonly Task _task;
    private volatile FleetSession? _session;
    private volatile bool _isStopping;

    /// <param name="model">Key of the service's own model (<see cref="FleetJob"/>).</param>
    public FleetWorker(InferenceEngine engine, ServerOptions options, ServerLog log, string model)
    {
        (_engine, _options, _log, _model) = (engine, options, log, model);
        _task = FleetSession.KeepAsync(options.Broker!.Factory($"edgellm worker {options.FleetName}", options.BrokerCa),
            options.Broker.Place, BeginAsync, log, _stop.Token);
    }

    /// <summary>Takes no more jobs: those that wait here go back to the broker.</summary>
    public Task StopTakingAsync()
    {
        _isStopping = true;
        return _session is { Lost.IsCancellationRequested: false } session ? session.StopConsumingAsync() : Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _task.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task BeginAsync(FleetSession session)
    {
        await FleetTopology.DeclareCommonAsync(session.Receiving, _model, session.Lost).ConfigureAwait(false);
        await FleetTopology.DeclareWorkerAsync(session.Receiving, _options.FleetName, _model, session.Lost).ConfigureAwait(false);
        string cancels = await FleetTopology.DeclareCancelsAsync(session.Receiving, _options.FleetName, session.Lost).ConfigureAwait(false);
        await session.ConsumeAsync(cancels, 0, exclusive: true, acknowledges: false, (_, body) => CancelAsync(body)).ConfigureAwait(false);
        ushort most = (ushort)_options.Parallel;
        await session.ConsumeAsync(FleetTopology.WorkerQueue(_options.FleetName, _model), most, exclusive: false, acknowledges: true, Take)
            .ConfigureAwait(false);
        for (int priority = 0; priority < 3; priority++)
            await session.ConsumeAsync(FleetTopology.JobsOf(_model, priority), most, exclusive: false, acknowledges: true, Take)
                .ConfigureAwait(false);

        _session = session;

        Task Take(BasicDeliverEventArgs delivery, byte[] body)
        {
            _ = Task.Run(() => HandleAsync(session, delivery.DeliveryTag, body)); // a form is compiled, which holds other messages up
            return Task.CompletedTask;
        }
    }

    private Task CancelAsync(byte[] body)
    {
        string id = Encoding.ASCII.GetString(body.AsSpan(0, Math.Min(body.Length, 64)));
        long now = Environment.TickCount64;
        if (_cancelled.Count > MostRemembered)
        {
            foreach ((string old, long at) in _cancelled.Where(one => now - one.Value > MostTime.TotalMilliseconds))
                _cancelled.TryRemove(old, out _);
            if (_cancelled.Count > MostRemembered) _cancelled.Clear();
        }
        _cancelled[id] = now;
        return _running.TryGetValue(id, out CancellationTokenSource? running) ? running.CancelAsync() : Task.CompletedTask;
    }

    private async Task HandleAsync(FleetSession session, ulong tag, byte[] body)
    {
        try
        {
            switch (await ComputeAsync(session, body).ConfigureAwait(false))
            {
                case Outcome.Done:
                    await session.Receiving.BasicAckAsync(tag, multiple: false, session.Lost).ConfigureAwait(false);
                    break;
                case Outcome.NotMine:
                    await Task.Delay(GiveBackPause, session.Lost).ConfigureAwait(false); // not again to this one at once
                    await session.Receiving.BasicNackAsync(tag, multiple: false, requeue: true, session.Lost).ConfigureAwait(false);
                    break;
                default:
                    await session.Receiving.BasicRejectAsync(tag, requeue: false, session.Lost)
                        .ConfigureAwait(false); // to the dead letters
                    break;
            }
        }
        catch (Exception exception)
            when (session.Lost.IsCancellationRequested || exception is OperationCanceledException or AlreadyClosedException)
        {
            // The broker gives the job to another one.
        }
        catch (Exception exception)
        {
            _log.Error($"a job of the fleet could not be handled: {exception.Message}");
        }
    }

    private async Task<Outcome> ComputeAsync(FleetSession session, byte[] body)
    {
        FleetJob job;
        AnswerRequest request;
        try
        {
            job = FleetJson.Read(body, FleetJson.Default.FleetJob);
            if (job.Id is not { Length: 32 } || !job.Id.All(char.IsAsciiHexDigit))
                throw new FormatException("id must be 32 hexadecimal digits");
            if (job.ReplyTo is null || !FleetTopology.IsReplies(job.ReplyTo)) throw new FormatException("replyTo is not a gateway's queue");
            if (job.Model != _model || job.Arithmetic != ModelIdentity.Arithmetic) return Outcome.NotMine;
            request = job.ToRequest(_engine.OpenOf(_engine.Models.Own)?.Info.VocabularySize ?? 0);
        }
        catch (FormatException exception)
        {
            _log.Warning($"a job of the fleet is refused: {exception.Message}");
            return Outcome.Refused;
        }
        if (_isStopping) return Outcome.NotMine;
        if (_cancelled.ContainsKey(job.Id)
            || DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(job.Deadline, 0, 253_402_300_799)) < DateTimeOffset.UtcNow)
            return Outcome.Done;
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(session.Lost);
        // A job may be in the queues twice, or here still from before the connection was lost: then this one waits.
        while (!_running.TryAdd(job.Id, cancel)) await Task.Delay(TimeSpan.FromMilliseconds(100), session.Lost).ConfigureAwait(false);
        try
        {
            if (_done.ContainsKey(job.Id)) return Outcome.Done;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel.Token);
            limit.CancelAfter(MostTime);
            for (int tries = 0; ; tries++)
            {
                try
                {
                    using ModelLease lease = await _engine.UseAsync(_engine.Models.Own, cancel.Token).ConfigureAwait(false);
                    if (lease.Model.ContextLength < job.Context) return Outcome.NotMine;
                    if (job.WithChanges(request.Options, lease.Model.Companion(() => new ModelAdapters())) is not { } options)
                        return Outcome.NotMine;
                    return await AnswerAsync(session, job, lease, request with { Options = options }, cancel.Token, limit.Token)
                        .ConfigureAwait(false);
                }
                catch (SchedulerBusyException) when (!_isStopping && tries < MostTries)
                {
                    await Task.Delay(TimeSpan.FromSeconds(1), cancel.Token).ConfigureAwait(false); // each time that it is given back counts
                }
            }
        }
        catch (SchedulerBusyException)
        {
            return Outcome.NotMine; // it stops, or its own clients leave no room for long
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested && !session.Lost.IsCancellationRequested)
        {
            return Outcome.Done; // nobody waits for it any more
        }
        finally
        {
            _running.TryRemove(job.Id, out _);
        }
    }

    private async Task<Outcome> AnswerAsync(FleetSession session, FleetJob job, ModelLease lease, AnswerRequest request,
        CancellationToken cancel, CancellationToken limit)
    {
        var text = new StringBuilder();
        List<FleetProbability>? probabilities = job.LogProbabilities is null ? null : [];
        FleetEnd end;
        try
        {
            Answer answer = _engine.Submit(lease, request, limit);
            await foreach (AnswerPiece piece in answer.ReadPiecesAsync(limit).ConfigureAwait(false))
            {
                var reply = new FleetReply(job.Id, text.Length, piece.Text);
                if (probabilities is not null)
                    reply = reply with { At = probabilities.Count, Probabilities = [.. piece.Tokens.Select(FleetProbability.Of)] };
                await session.SendPieceAsync("", job.ReplyTo, JsonSerializer.SerializeToUtf8Bytes(reply, FleetJson.Default.FleetReply))
                    .ConfigureAwait(false);
                text.Append(piece.Text);
                probabilities?.AddRange(reply.Probabilities!);
            }
            GenerationStatistics took = answer.Statistics;
            end = new FleetEnd(_options.FleetName)
            {
                Tokens = [.. answer.Tokens],
                PromptTokens = took.PromptTokens,
                CachedTokens = took.CachedTokens,
                FirstTokenSeconds = took.TimeToFirstToken.TotalSeconds,
                DecodeSeconds = took.DecodeTime.TotalSeconds,
                Reason = took.FinishReason.ToString(),
            };
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            end = new FleetEnd(_options.FleetName) { Error = $"the answer took more than {MostTime.TotalMinutes:F0} minutes" };
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or SchedulerBusyException))
        {
            end = new FleetEnd(_options.FleetName) { Error = ApiError.Of(exception, forOpenAi: true).Message };
        }
        var last = new FleetReply(job.Id, 0, text.ToString()) { End = end, Probabilities = probabilities?.ToArray() };
        if (!await session.SendAsync("", job.ReplyTo, JsonSerializer.SerializeToUtf8Bytes(last, FleetJson.Default.FleetReply))
            .ConfigureAwait(false))
            _log.Warning($"the gateway of {job.ReplyTo} is gone: nobody waits for its answer");
        if (_done.Count > MostRemembered) _done.Clear();
        _done[job.Id] = true;
        return Outcome.Done;
    }

    private enum Outcome
    {
        /// <summary>To be acknowledged.</summary>
        Done,

        /// <summary>For another worker, or later.</summary>
        NotMine,

        /// <summary>For nobody.</summary>
        Refused,
    }
}
