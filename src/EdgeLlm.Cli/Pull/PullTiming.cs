namespace EdgeLlm.Cli.Pull;

/// <summary>How long a download waits. Nothing waits without a limit.</summary>
internal sealed record PullTiming
{
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>For an answer, and then for its next bytes.</summary>
    public TimeSpan NoData { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Attempts after the first that bring nothing; one that brings bytes starts the count again.</summary>
    public int Retries { get; init; } = 5;

    /// <summary>Before the first new attempt; doubled for each further one.</summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromSeconds(1);
}
