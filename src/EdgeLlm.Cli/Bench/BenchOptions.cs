namespace EdgeLlm.Cli.Bench;

/// <summary>Sizes of a benchmark.</summary>
/// <param name="Prompt">Tokens of the prompt test; 0 leaves it out.</param>
/// <param name="Decode">Tokens of the decode test; 0 leaves it out.</param>
/// <param name="Depth">Tokens that the context holds before each measurement.</param>
/// <param name="Rounds">Measurements, after one that does not count.</param>
/// <param name="Profile">Whether to take the time of each operation, in a round more.</param>
internal sealed record BenchOptions(int Prompt, int Decode, int Depth, int Rounds, bool Profile = false)
{
    /// <summary>Numbers of answers that decode together; empty: not measured.</summary>
    public IReadOnlyList<int> Parallel { get; init; } = [];

    /// <summary>Sizes where no option gives others.</summary>
    public static BenchOptions Default { get; } = new(Prompt: 256, Decode: 64, Depth: 0, Rounds: 5);

    /// <summary>Whether its sizes are the usual ones, so that it says something of the machine.</summary>
    public bool IsUsual => this with { Profile = false, Parallel = Default.Parallel } == Default;

    /// <summary>Positions that the context has to have; at least those of the first-token test.</summary>
    public int ContextLength => Math.Max(Depth + Math.Max(Prompt, Decode), 64);
}
