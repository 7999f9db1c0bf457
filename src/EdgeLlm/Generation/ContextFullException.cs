namespace EdgeLlm.Generation;

/// <summary>The prompt, or the answer so far, has no room left in the context, and the caller asked for an error then.</summary>
public sealed class ContextFullException(int needed, int capacity)
    : Exception(
        $"the conversation needs {needed} tokens and the context has {capacity}: take a larger context, a shorter prompt, or let the "
            + "oldest turns be dropped")
{
    /// <summary>Positions that were needed.</summary>
    public int Needed { get; } = needed;

    /// <summary>Positions that there are.</summary>
    public int Capacity { get; } = capacity;
}
