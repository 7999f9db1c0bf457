namespace EdgeLlm.Generation;

/// <summary>Policies for a full context.</summary>
public enum ContextPolicy
{
    /// <summary>A <see cref="ContextFullException"/>.</summary>
    Error,

    /// <summary>
    /// Before an answer begins, a conversation's oldest turns are forgotten; the system prompt and the last question stay. An answer that
    /// fills the context ends there, unless <see cref="GenerationOptions.Shift"/> is on. A prompt that alone is longer than the context is
    /// an error.
    /// </summary>
    DropOldestTurns,

    /// <summary>
    /// An answer that fills the context ends there; nothing is forgotten. A prompt that is longer than the context is an error.
    /// </summary>
    Cut,
}
