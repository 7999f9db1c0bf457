namespace EdgeLlm.Generation;

/// <summary>What happens when the context is full.</summary>
public enum ContextPolicy
{
    /// <summary>A <see cref="ContextFullException"/>.</summary>
    Error,

    /// <summary>A conversation's oldest turns are forgotten, the system prompt stays; where nothing is left to forget, the answer ends. A prompt that alone is longer than the context is an error.</summary>
    DropOldestTurns,
}
