namespace EdgeLlm.Models.Spec;

/// <summary>An entry of a cache, as a step asks for it.</summary>
internal abstract record CacheSpec;

/// <summary>Keys and values of all positions, or of those that a window still reaches.</summary>
internal sealed record KeyValueSpec(int Heads, int Dimension) : CacheSpec
{
    /// <summary>Positions that a token sees, its own among them; 0: all.</summary>
    public int Window { get; init; }
}

/// <summary>Numbers of a recurrence after the last token, such as the last inputs of a convolution or a matrix for each head.</summary>
internal sealed record StateSpec(int Numbers) : CacheSpec;
