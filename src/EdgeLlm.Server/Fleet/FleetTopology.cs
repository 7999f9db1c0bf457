using RabbitMQ.Client;

namespace EdgeLlm.Server.Fleet;

/// <summary>
/// Names of the queues and what they are. Jobs: a quorum queue for each model and priority, where a job stays until a worker has
/// acknowledged it after its last token, and from where it goes to the dead letters after too many deliveries. A worker has a queue of its
/// own for sessions whose prefix it holds; a job that it does not take soon continues to the queue for all (dead-lettered at least once,
/// RabbitMQ 3.10). A gateway has a durable queue of answers. Cancellations go to all workers.
/// </summary>
internal static class FleetTopology
{
    public const string Prefix = "edgellm.";

    public const string Dead = Prefix + "dead";

    public const string Cancel = Prefix + "cancel";

    /// <summary>Most times that a job is given out: one that ends its workers must not end them all for ever.</summary>
    public const int MostDeliveries = 8;

    /// <summary>Most jobs that wait in a queue; more are refused.</summary>
    private const int MostJobs = 10_000;

    private const string ForWorker = Prefix + "worker.", ForGateway = Prefix + "replies.";

    /// <summary>How long a queue of a worker or a gateway that is gone is kept.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromMinutes(30);

    /// <summary>How long a job waits for the worker that holds its prefix.</summary>
    public static readonly TimeSpan Preference = TimeSpan.FromMilliseconds(300);

    public static string JobsOf(string model, int priority) => $"{Prefix}jobs.{model[..16]}.{priority}";

    public static string WorkerQueue(string worker, string model) => $"{ForWorker}{worker}.{model[..16]}";

    public static string Replies(string gateway) => ForGateway + gateway;

    /// <summary>Whether a name is one of a gateway's queue: a worker answers nowhere else.</summary>
    public static bool IsReplies(string queue) => queue.StartsWith(ForGateway, StringComparison.Ordinal) && queue.Length <= 200;

    public static async Task DeclareCommonAsync(IChannel channel, string model, CancellationToken cancellation)
    {
        await channel.QueueDeclareAsync(Dead, durable: true, exclusive: false, autoDelete: false, Quorum(("x-message-ttl", 600_000)),
            cancellationToken: cancellation).ConfigureAwait(false);
        await channel.ExchangeDeclareAsync(Cancel, ExchangeType.Fanout, durable: true, cancellationToken: cancellation)
            .ConfigureAwait(false);
        for (int priority = 0; priority < 3; priority++)
        {
            await channel.QueueDeclareAsync(JobsOf(model, priority), durable: true, exclusive: false, autoDelete: false, Quorum(
                ("x-delivery-limit", MostDeliveries), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", Dead),
                ("x-dead-letter-strategy", "at-least-once"),
                ("x-max-length", MostJobs), ("x-overflow", "reject-publish")), cancellationToken: cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The worker's own queue and the exchange by which it is reached: a job there keeps the name of the queue for all as its routing key.
    /// </summary>
    public static async Task DeclareWorkerAsync(IChannel channel, string worker, string model, CancellationToken cancellation)
    {
        string own = WorkerQueue(worker, model);
        await channel.ExchangeDeclareAsync(own, ExchangeType.Fanout, durable: true, cancellationToken: cancellation).ConfigureAwait(false);
        await channel.QueueDeclareAsync(own, durable: true, exclusive: false, autoDelete: false, Quorum(
            ("x-delivery-limit", MostDeliveries), ("x-dead-letter-exchange", ""), ("x-dead-letter-strategy", "at-least-once"),
            ("x-overflow", "reject-publish"), ("x-expires", (int)Kept.TotalMilliseconds)),
            cancellationToken: cancellation).ConfigureAwait(false);
        await channel.QueueBindAsync(own, own, "", cancellationToken: cancellation).ConfigureAwait(false);
    }

    public static async Task<string> DeclareCancelsAsync(IChannel channel, string worker, CancellationToken cancellation)
    {
        string queue = $"{ForWorker}{worker}.cancel.{Guid.NewGuid():N}";
        await channel.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: true, cancellationToken: cancellation)
            .ConfigureAwait(false);
        await channel.QueueBindAsync(queue, Cancel, "", cancellationToken: cancellation).ConfigureAwait(false);
        return queue;
    }

    public static Task DeclareRepliesAsync(IChannel channel, string gateway, CancellationToken cancellation) => channel.QueueDeclareAsync(
        Replies(gateway), durable: true, exclusive: false, autoDelete: false,
        new Dictionary<string, object?> { ["x-expires"] = (int)Kept.TotalMilliseconds }, cancellationToken: cancellation);

    private static Dictionary<string, object?> Quorum(params ReadOnlySpan<(string Name, object Value)> arguments)
    {
        var all = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
        foreach ((string name, object value) in arguments) all[name] = value;
        return all;
    }
}
