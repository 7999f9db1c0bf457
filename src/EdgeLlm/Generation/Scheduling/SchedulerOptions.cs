namespace EdgeLlm.Generation.Scheduling;

/// <summary>How a <see cref="Scheduler"/> divides its time and memory.</summary>
public sealed record SchedulerOptions
{
    /// <summary>Largest <see cref="Parallel"/>.</summary>
    public const int MaximumParallel = 64;

    /// <summary>Most answers that are computed at once; up to 8 of one model share each pass.</summary>
    public int Parallel { get; init; } = 8;

    /// <summary>Most requests that wait.</summary>
    public int Queue { get; init; } = 16;

    /// <summary>
    /// Longest time that a request may take, its waiting included; zero: any. One that has no token then fails, one that is answered ends
    /// with <see cref="FinishReason.TimeLimit"/>.
    /// </summary>
    public TimeSpan TimeLimit { get; init; }

    /// <summary>Is told of exceptions that ended an answer; called by the thread that computes.</summary>
    public Action<Exception>? Failed { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A number is out of range; the message names it.</exception>
    public void Validate()
    {
        if (Parallel is < 1 or > MaximumParallel)
            throw new ArgumentOutOfRangeException(null, $"{nameof(Parallel)} is {Parallel}; it must be 1 to {MaximumParallel}");
        if (Queue < 0) throw new ArgumentOutOfRangeException(null, $"{nameof(Queue)} is {Queue}; it must be 0 or more");
        if (TimeLimit < TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(null, $"{nameof(TimeLimit)} is {TimeLimit}; it must not be negative");
    }
}

/// <summary>A <see cref="Scheduler"/> does not take, or did not finish, a request now; later it may.</summary>
/// <param name="message">Why.</param>
/// <param name="queueIsFull">Whether others are the reason, rather than the start or the stop of a service.</param>
/// <param name="retryAfter">When to try again.</param>
public sealed class SchedulerBusyException(string message, bool queueIsFull, TimeSpan retryAfter) : Exception(message)
{
    /// <summary>Whether others are the reason, rather than the start or the stop of a service.</summary>
    public bool QueueIsFull { get; } = queueIsFull;

    /// <summary>When to try again.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}
