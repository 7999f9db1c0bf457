namespace EdgeLlm.Server.Engine;

/// <summary>The engine does not take, or did not finish, a request now; later it may.</summary>
/// <param name="message">Why, for the client.</param>
/// <param name="queueIsFull">Whether others are the reason, rather than the start or the stop of the service.</param>
/// <param name="retryAfter">When to try again.</param>
internal sealed class EngineBusyException(string message, bool queueIsFull, TimeSpan retryAfter) : Exception(message)
{
    public bool QueueIsFull { get; } = queueIsFull;

    public TimeSpan RetryAfter { get; } = retryAfter;
}
