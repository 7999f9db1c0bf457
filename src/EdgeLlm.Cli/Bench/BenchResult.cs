using EdgeLlm.Models;

namespace EdgeLlm.Cli.Bench;

/// <summary>Results of a benchmark: tokens a second (medians), seconds, bytes.</summary>
internal sealed record BenchResult
{
    public required string Model { get; init; }

    public required string Path { get; init; }

    public required string Kernel { get; init; }

    public required int Threads { get; init; }

    public required int DecodeThreads { get; init; }

    public required int ContextLength { get; init; }

    public double? PromptRate { get; init; }

    public double? DecodeRate { get; init; }

    public required double FirstToken { get; init; }

    public long? PeakResident { get; init; }

    public long? PeakAnonymous { get; init; }

    /// <summary>Bytes a second that the threads can read from memory; 0 where memory was too short to measure it.</summary>
    public required double ReadBandwidth { get; init; }

    /// <summary>Multiply-adds a second of the kernel on data in the caches.</summary>
    public required double PeakMultiplyAdds { get; init; }

    /// <summary>Bytes of weights and of the cache at the depth that a decoded token reads.</summary>
    public required long BytesPerToken { get; init; }

    /// <summary>Multiply-adds with weights of a prompt token (the head is not among them).</summary>
    public required long MultiplyAddsPerToken { get; init; }

    /// <summary>Answers that decode together; empty unless asked for.</summary>
    public required IReadOnlyList<ParallelRate> Parallel { get; init; }

    /// <summary>Per operation; empty unless asked for.</summary>
    public required IReadOnlyList<OperationTime> Profile { get; init; }
}

/// <summary>
/// Time of an operation for a prompt token and for a decoded one, in seconds; bytes of weights read and multiply-adds for a token.
/// </summary>
internal sealed record OperationTime(Operation Operation, double Prompt, double Decode, long Bytes, long MultiplyAdds);
