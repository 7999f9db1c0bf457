using System.Diagnostics;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Server.Access;

namespace EdgeLlm.Server.Engine;

/// <summary>
/// A request of the service from the queue to its end: whose it is, what it counts for, and the model that it keeps open.
/// </summary>
internal sealed class WatchedAnswer : IDisposable
{
    /// <summary>OpenTelemetry's word (gen_ai.operation.name) for what the request at hand asks for.</summary>
    public static readonly AsyncLocal<string?> CurrentOperation = new();

    private readonly Action<WatchedAnswer> _ended;
    private readonly ModelLease _lease;
    private Answer? _answer;
    private int _parts; // the answer is known, and it has ended: the second of the two reports it

    /// <param name="lease">Disposed of when the answer has ended.</param>
    /// <param name="ended">Is told when it has, and is known.</param>
    public WatchedAnswer(long number, ModelLease lease, string client, Action<WatchedAnswer> ended)
    {
        (Number, _lease, Client, _ended) = (number, lease, client, ended);
        (Caller, Operation) = (Caller.Current, CurrentOperation.Value ?? "chat");
    }

    /// <summary>Its number since the start.</summary>
    public long Number { get; }

    /// <summary>Who asked, as the queue knows him.</summary>
    public string Client { get; }

    /// <summary>Whose key it was.</summary>
    public Caller Caller { get; }

    /// <summary>OpenTelemetry's word for what it asks for: chat or text_completion.</summary>
    public string Operation { get; }

    /// <summary>The answer; null in the moment before the scheduler has taken it.</summary>
    public Answer? Answer
    {
        get => Volatile.Read(ref _answer);
        set
        {
            Volatile.Write(ref _answer, value);
            Report();
        }
    }

    /// <summary>By <see cref="Stopwatch"/>.</summary>
    public long Began { get; } = Stopwatch.GetTimestamp();

    public void Dispose()
    {
        _lease.Dispose();
        Report();
    }

    private void Report()
    {
        if (Interlocked.Increment(ref _parts) == 2) _ended(this);
    }
}
