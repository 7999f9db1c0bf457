using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace EdgeLlm.Server.Fleet;

/// <summary>
/// A connection to the broker while it lasts: one channel to receive, one to send pieces, one to send what has to arrive. When it is lost,
/// what was under way is over (<see cref="Lost"/>), and a new one is begun.
/// </summary>
internal sealed class FleetSession : IAsyncDisposable
{
    private readonly IConnection _connection;
    private readonly IChannel _pieces, _sure;
    private readonly SemaphoreSlim _piecesTurn = new(1), _sureTurn = new(1);
    private readonly CancellationTokenSource _lost;
    private readonly List<string> _consumers = [];

    private FleetSession(IConnection connection, IChannel receiving, IChannel pieces, IChannel sure, CancellationToken stop)
    {
        (_connection, Receiving, _pieces, _sure) = (connection, receiving, pieces, sure);
        _lost = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Lost = _lost.Token;
        AsyncEventHandler<ShutdownEventArgs> lost = (_, _) => _lost.CancelAsync();
        connection.ConnectionShutdownAsync += lost;
        foreach (IChannel channel in new[] { receiving, pieces, sure }) channel.ChannelShutdownAsync += lost;
    }

    /// <summary>Fires when the connection is lost or given up.</summary>
    public CancellationToken Lost { get; }

    public IChannel Receiving { get; }

    public static async Task<FleetSession> OpenAsync(ConnectionFactory factory, CancellationToken stop)
    {
        IConnection connection = await factory.CreateConnectionAsync(stop).ConfigureAwait(false);
        try
        {
            IChannel receiving = await connection.CreateChannelAsync(cancellationToken: stop).ConfigureAwait(false);
            IChannel pieces = await connection.CreateChannelAsync(cancellationToken: stop).ConfigureAwait(false);
            IChannel sure = await connection.CreateChannelAsync(
                new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true),
                stop).ConfigureAwait(false);
            return new FleetSession(connection, receiving, pieces, sure, stop);
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Opens sessions one after the other, until it is stopped: a broker that is away is asked again every second or so.</summary>
    public static async Task KeepAsync(ConnectionFactory factory, string place, Func<FleetSession, Task> run,
        ServerLog log, CancellationToken stop)
    {
        bool isDown = false;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await using FleetSession session = await OpenAsync(factory, stop).ConfigureAwait(false);
                await run(session).ConfigureAwait(false);
                log.Info($"connected to the broker at {place}");
                isDown = false;
                await Task.Delay(Timeout.Infinite, session.Lost).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (!stop.IsCancellationRequested) log.Warning($"the broker at {place} is lost; what it had given out it gives out again");
            }
            catch (Exception exception) when (!stop.IsCancellationRequested)
            {
                if (!isDown)
                    log.Warning(
                        $"the broker at {place} can't be used: {Printable.Line((exception.InnerException ?? exception).Message, 200)}; "
                            + "trying again");
                isDown = true;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                return; // stopped meanwhile
            }
            await Task.Delay(TimeSpan.FromSeconds(1), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Consumes a queue; each message is handled beside the others.</summary>
    /// <param name="most">Most that are not acknowledged.</param>
    public async Task ConsumeAsync(string queue, ushort most, bool exclusive, bool acknowledges,
        Func<BasicDeliverEventArgs, byte[], Task> handle)
    {
        if (most > 0) await Receiving.BasicQosAsync(0, most, global: false, Lost).ConfigureAwait(false);
        var consumer = new AsyncEventingBasicConsumer(Receiving);
        consumer.ReceivedAsync += (_, delivery) => handle(delivery, delivery.Body.ToArray()); // the body is the library's after this
        string tag = await Receiving.BasicConsumeAsync(queue, autoAck: !acknowledges, consumerTag: "", noLocal: false, exclusive,
            arguments: null, consumer, Lost).ConfigureAwait(false);
        _consumers.Add(tag);
    }

    /// <summary>Receives no more messages; those that it has it may still acknowledge.</summary>
    public async Task StopConsumingAsync()
    {
        try
        {
            foreach (string tag in _consumers) await Receiving.BasicCancelAsync(tag, cancellationToken: Lost).ConfigureAwait(false);
        }
        catch (Exception exception)
            when (exception is OperationInterruptedException or AlreadyClosedException or OperationCanceledException or TimeoutException)
        {
            // The connection is lost, and with it the consumers.
        }
    }

    /// <summary>Sends what may be lost with the connection.</summary>
    public async Task SendPieceAsync(string exchange, string queue, byte[] body)
    {
        await _piecesTurn.WaitAsync(Lost).ConfigureAwait(false);
        try
        {
            await _pieces.BasicPublishAsync(exchange, queue, mandatory: false,
                new BasicProperties { DeliveryMode = DeliveryModes.Transient }, body, Lost).ConfigureAwait(false);
        }
        finally
        {
            _piecesTurn.Release();
        }
    }

    /// <summary>Sends what is on the broker's disk when this returns.</summary>
    /// <param name="waits">How long it may wait in the queue; null: any time.</param>
    /// <returns>False where there is no such queue, or it is full.</returns>
    public async Task<bool> SendAsync(string exchange, string queue, byte[] body, string? replyTo = null, TimeSpan? waits = null)
    {
        var properties = new BasicProperties
        {
            DeliveryMode = DeliveryModes.Persistent,
            ReplyTo = replyTo,
            Expiration = waits is { } time
                ? ((int)time.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture) : null,
        };
        await _sureTurn.WaitAsync(Lost).ConfigureAwait(false);
        try
        {
            await _sure.BasicPublishAsync(exchange, queue, mandatory: true, properties, body, Lost).ConfigureAwait(false);
            return true;
        }
        catch (PublishException)
        {
            return false;
        }
        finally
        {
            _sureTurn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _lost.CancelAsync().ConfigureAwait(false);
        try
        {
            await _connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or OperationInterruptedException or ObjectDisposedException
            or OperationCanceledException or TimeoutException)
        {
            // It was lost before.
        }
    }
}
