using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
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

    /// <summary>Continue where the model would end the answer.</summary>
    public bool IgnoreEndOfText { get; init; }

    /// <summary>
    /// Ends an answer that repeats itself without end: the last 64 tokens or more are 8 times the same block of at most 64.
    /// </summary>
    public bool StopsLoops { get; init; }

    /// <summary>
    /// Texts that a repeat may not reach across, where <see cref="SamplingOptions.DryMultiplier"/> is on: each token that holds one is a
    /// breaker, beside those of <see cref="SamplingOptions.DrySequenceBreakers"/>.
    /// </summary>
    public IReadOnlyList<string> DryBreakers { get; init; } = ["\n", ":", "\"", "*"];

    /// <summary>
    /// Policy for a full context. A <see cref="TextGenerator"/> has no turns to forget: under <see cref="ContextPolicy.DropOldestTurns"/>
    /// its answer ends there.
    /// </summary>
    public ContextPolicy WhenContextIsFull { get; init; } = ContextPolicy.DropOldestTurns;

    /// <summary>
    /// Guess likely next tokens and compute several in one pass, as far as that is faster: the only text that <see cref="Constraint"/>
    /// allows, what followed the same words before (in the prompt or the answer), or what a smaller model says
    /// (<see cref="ModelOptions.DraftModel"/>). The answer doesn't depend on it.
    /// </summary>
    public bool Speculates { get; init; } = true;

    /// <summary>Tokens to guess each time, whether that is faster or not; null: what is fastest.</summary>
    internal int? DraftTokens { get; init; }

    /// <summary>Who may reuse what is computed for this answer.</summary>
    internal PrefixScope Scope { get; init; } = PrefixScope.Service;

    /// <summary>
    /// How many of the prompt's first tokens other conversations are likely to begin with: those of a system prompt and tools
    /// (<see cref="ChatFormat.CountInstructions"/>).
    /// </summary>
    internal int Instructions { get; init; }

    /// <summary>
    /// Under <see cref="ContextPolicy.DropOldestTurns"/>: whether the oldest turns are forgotten in the middle of an answer, too, when it
    /// fills the context.
    /// </summary>
    public bool Shift { get; init; }

    /// <summary>
    /// The form that the answer has, such as JSON of a schema; null: any. The end is begun early enough for <see cref="MaxTokens"/> and the
    /// context, so that the text is whole. Stop strings, stop tokens and <see cref="StopsLoops"/> do not apply within it.
    /// </summary>
    public OutputConstraint? Constraint { get; init; }

    /// <summary>A form that the answer has from where the model begins it.</summary>
    internal Tools.LateConstraint? LateConstraint { get; init; }

    /// <summary>
    /// Control tokens whose text is part of the answer, such as those by which a call of a tool begins; others give none.
    /// </summary>
    public IReadOnlyList<int> VisibleTokens { get; init; } = [];

    /// <summary>LoRA adapters that the answer is computed with, in this order, each with its scale; at most 8.</summary>
    public IReadOnlyList<AdapterUse> Adapters { get; init; } = [];

    /// <summary>Control vectors that steer the answer; at most 8.</summary>
    public IReadOnlyList<ControlVectorUse> ControlVectors { get; init; } = [];

    /// <summary><see cref="Scope"/>, of what was computed with these adapters and control vectors.</summary>
    internal PrefixScope AdaptedScope => Scope with { Variant = Adaptation.KeyOf(Adapters, ControlVectors) };

    /// <summary>
    /// Takes the prompt's last token back and lets the answer begin with its text, so that a word that the prompt ends in can be completed
    /// by other tokens.
    /// </summary>
    public bool Heal { get; init; }

    /// <summary>
    /// How many of the likeliest tokens to name with each token of the answer and its probability, 0 for its own alone; null: none of it.
    /// </summary>
    public int? LogProbabilities { get; init; }

    /// <summary>Most of <see cref="LogProbabilities"/>.</summary>
    public const int MostLogProbabilities = 100;

    /// <exception cref="ArgumentException">A value is out of its range; the message names it.</exception>
    public void Validate()
    {
        Sampling.Validate();
        if (MaxTokens < 0)
            throw new OptionException($"{nameof(MaxTokens)} is {MaxTokens}; it has to be 0 (no limit) or more", nameof(MaxTokens));
        if (LogProbabilities is < 0 or > MostLogProbabilities)
            throw new OptionException($"{nameof(LogProbabilities)} is {LogProbabilities}; it has to be 0 to {MostLogProbabilities}",
                nameof(LogProbabilities));
        if (StopStrings.Any(string.IsNullOrEmpty))
            throw new OptionException(
                $"{nameof(StopStrings)} has an empty text, which would stop every answer at once", nameof(StopStrings));
    }
}
