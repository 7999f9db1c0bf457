namespace EdgeLlm.Chat;

/// <summary>
/// Limits of parsing and rendering one template. Templates come out of untrusted files, so everything is bounded; the
/// defaults are far above what the templates of published models need: for 2,000 messages of a megabyte together those take up to
/// 0.4 million steps and 30 MB.
/// </summary>
public sealed record ChatTemplateLimits
{
    /// <summary>The limits that hold where none are given.</summary>
    public static ChatTemplateLimits Default { get; } = new();

    /// <summary>Characters in the template's source.</summary>
    public int MaximumSourceLength { get; init; } = 1 << 20;

    /// <summary>Units of work in one rendering: a node evaluated, an element visited, or some tens of characters handled.</summary>
    public long MaximumSteps { get; init; } = 4_000_000;

    /// <summary>Levels of nesting, both of the source when it is parsed and of evaluation (macros that call themselves).</summary>
    public int MaximumDepth { get; init; } = 1_000;

    /// <summary>Characters in the rendered text, and in any string on the way to it.</summary>
    public int MaximumOutputLength { get; init; } = 1 << 24;

    /// <summary>Bytes allocated, about, for strings and containers in one rendering, released ones included.</summary>
    public long MaximumAllocatedBytes { get; init; } = 64L << 20;

    /// <summary>
    /// Processor time of one rendering: a guard beside <see cref="MaximumSteps"/>, which alone would say the same on every machine.
    /// </summary>
    public TimeSpan MaximumTime { get; init; } = TimeSpan.FromSeconds(1);
}
