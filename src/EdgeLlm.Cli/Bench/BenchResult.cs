namespace EdgeLlm.Cli.Bench;

/// <summary>What was measured: tokens a second (medians), seconds, bytes.</summary>
internal sealed record BenchResult
{
    public required string Model { get; init; }

    public required string Path { get; init; }

    public required string Kernel { get; init; }

    public required int Threads { get; init; }

    public required int ContextLength { get; init; }

    public double? PromptRate { get; init; }

    public double? DecodeRate { get; init; }

    public required double FirstToken { get; init; }

    public long? PeakResident { get; init; }

    public long? PeakAnonymous { get; init; }
}
