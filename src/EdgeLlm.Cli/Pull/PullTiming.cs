namespace EdgeLlm.Cli.Pull;

/// <summary>How long a download waits. Nothing waits without a limit.</summary>
internal sealed record PullTiming
{
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>For an answer, and then for its next bytes.</summary>
    public TimeSpan NoData { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For all pages of the list of files, new attempts included.</summary>
    public TimeSpan List { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>
    /// A connection that brings fewer than <see cref="LeastBytes"/> in this time is given up: one byte now and then would hold it for ever.
    /// </summary>
    public TimeSpan SlowWindow { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Bytes that a connection has to bring in <see cref="SlowWindow"/>, and an attempt so as not to count as a failure.</summary>
    public long LeastBytes { get; init; } = 64_000;

    /// <summary>
    /// Attempts after the first that bring nothing; one that brings <see cref="LeastBytes"/> more than any before starts the count again.
    /// </summary>
    public int Retries { get; init; } = 5;

    /// <summary>Before the first new attempt; doubled for each further one.</summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromSeconds(1);
}
