using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Generation;

/// <summary>How an answer is made.</summary>
public sealed record GenerationOptions
{
    /// <summary>How each token is chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Most tokens of the answer; 0: until the model ends it or the context is full.</summary>
    public int MaxTokens { get; init; }

    /// <summary>Texts that end the answer; they are not part of it.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Tokens that end the answer, beside those by which the model ends one.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>Go on where the model would end the answer.</summary>
    public bool IgnoreEndOfText { get; init; }

    /// <summary>Ends an answer that repeats itself without end: the last 64 tokens or more are 8 times the same block of at most 64.</summary>
    public bool StopsLoops { get; init; }

    /// <summary>
    /// Texts that a repeat may not reach across, where <see cref="SamplingOptions.DryMultiplier"/> is on: each token that holds one is a breaker, beside
    /// those of <see cref="SamplingOptions.DrySequenceBreakers"/>.
    /// </summary>
    public IReadOnlyList<string> DryBreakers { get; init; } = ["\n", ":", "\"", "*"];

    /// <summary>Policy for a full context. A <see cref="TextGenerator"/> has no turns to forget: under <see cref="ContextPolicy.DropOldestTurns"/> its answer ends there.</summary>
    public ContextPolicy WhenContextIsFull { get; init; } = ContextPolicy.DropOldestTurns;

    /// <summary>
    /// Guess likely next tokens (what followed the same words before, in the prompt or the answer) and compute several in one pass, as far as that is faster. The answer doesn't depend on it.
    /// </summary>
    public bool Speculates { get; init; } = true;

    /// <summary>Tokens to guess each time, whether that is faster or not; null: what is fastest.</summary>
    internal int? DraftTokens { get; init; }

    /// <summary>Who may reuse what is computed for this answer.</summary>
    internal PrefixScope Scope { get; init; } = PrefixScope.Service;

    /// <summary>How many of the prompt's first tokens other conversations are likely to begin with: those of a system prompt and tools (<see cref="ChatFormat.CountInstructions"/>).</summary>
    internal int Instructions { get; init; }
    /// <summary>Under <see cref="ContextPolicy.DropOldestTurns"/>: whether the oldest turns are forgotten in the middle of an answer, too, when it fills the context.</summary>
    public bool Shift { get; init; }

    /// <summary>
    /// The form that the answer has, such as JSON of a schema; null: any. The end is begun early enough for <see cref="MaxTokens"/> and the context, so that
    /// the text is whole. Stop strings, stop tokens and <see cref="StopsLoops"/> do not apply within it.
    /// </summary>
    public OutputConstraint? Constraint { get; init; }

    /// <summary>Takes the prompt's last token back and lets the answer begin with its text, so that a word that the prompt ends in can be completed by other tokens.</summary>
    public bool Heal { get; init; }

    /// <exception cref="ArgumentException">A value is out of its range; the message names it.</exception>
    public void Validate()
    {
        Sampling.Validate();
        if (MaxTokens < 0) throw new OptionException($"{nameof(MaxTokens)} is {MaxTokens}; it has to be 0 (no limit) or more", nameof(MaxTokens));
        if (StopStrings.Any(string.IsNullOrEmpty))
            throw new OptionException($"{nameof(StopStrings)} has an empty text, which would stop every answer at once", nameof(StopStrings));
    }
}
