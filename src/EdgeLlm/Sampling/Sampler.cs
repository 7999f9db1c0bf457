namespace EdgeLlm.Sampling;

/// <summary>
/// Chooses tokens for one text: <see cref="Accept"/> every token of the prompt, then again and again <see cref="Sample"/> one from the
/// model's logits and accept it. Both allocate nothing. Not for several threads at once.
/// </summary>
public sealed class Sampler
{
    private readonly int _vocabularySize;
    private readonly float _temperature;
    private readonly ILogitAdjustment[] _adjustments;
    private readonly Candidates _candidates;
    private readonly ICandidateFilter[] _filters;
    private Xoshiro256 _random;
    private Xoshiro256? _ahead;

    /// <summary>A sampler at the start of a text.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="vocabularySize">How many logits <see cref="Sample"/> is given.</param>
    /// <param name="contextLength">In tokens: what "the whole context" is to penalties, and the most that any of them sees.</param>
    /// <exception cref="ArgumentException">An option is out of its range or names a token outside the vocabulary.</exception>
    public Sampler(SamplingOptions options, int vocabularySize, int contextLength = 4096)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(contextLength);
        options.Validate();
        RequireTokens(nameof(options.LogitBias), options.LogitBias?.Keys ?? [], vocabularySize);
        RequireTokens(nameof(options.DrySequenceBreakers), options.DrySequenceBreakers.SelectMany(breaker => breaker), vocabularySize);

        _vocabularySize = vocabularySize;
        _temperature = options.Temperature;
        _adjustments = [.. Adjustments(options, contextLength)];
        bool greedy = _temperature == 0;
        _candidates = new Candidates(vocabularySize, greedy ? 1 : options.TopK);
        _filters = greedy ? [] : [.. Filters(options)];
        Seed = options.Seed ?? (ulong)Random.Shared.NextInt64();
        _random = new Xoshiro256(Seed);
    }

    /// <summary>The seed in use: that of the options, or the one that was picked.</summary>
    public ulong Seed { get; }

    /// <summary>Appends a token, of the prompt or sampled, to the text that the penalties look at.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The token is not in the vocabulary.</exception>
    public void Accept(int token)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, _vocabularySize);
        foreach (ILogitAdjustment adjustment in _adjustments) adjustment.Accept(token);
    }

    /// <summary>Chooses a token. It is not yet part of the text: that takes <see cref="Accept"/>.</summary>
    /// <param name="logits">[vocabulary], changed in place by bias and penalties. Setting one to -infinity before bans its token.</param>
    /// <returns>The token's id.</returns>
    /// <exception cref="ArgumentException">There are more or fewer logits than tokens in the vocabulary.</exception>
    /// <exception cref="SamplingException">A logit is NaN or +infinity, or all are -infinity.</exception>
    public int Sample(Span<float> logits)
    {
        if (logits.Length != _vocabularySize)
        {
            throw new ArgumentException($"{logits.Length} logits for a vocabulary of {_vocabularySize} tokens", nameof(logits));
        }
        foreach (ILogitAdjustment adjustment in _adjustments) adjustment.Apply(logits);
        return SampleAgain(logits);
    }

    /// <summary>Chooses another token from logits that <see cref="Sample"/> has changed already, of which some were banned since.</summary>
    internal int SampleAgain(Span<float> logits)
    {
        _candidates.Load(logits);
        foreach (ICandidateFilter filter in _filters) filter.Apply(_candidates);
        return Draw();
    }

    /// <summary>Lets <see cref="Guess"/> begin with the random number that the next <see cref="Sample"/> draws.</summary>
    internal void BeginGuesses() => (_ahead ??= new Xoshiro256(0)).CopyFrom(_random);

    /// <summary>
    /// Next choice, after those that were guessed since <see cref="BeginGuesses"/>, if a smaller model's logits were the model's: with the
    /// random number of that token, so that it is right wherever the two models agree. Penalties do not see the guesses. Nothing changes
    /// but the logits.
    /// </summary>
    internal int Guess(Span<float> logits)
    {
        (_random, _ahead) = (_ahead!, _random);
        try
        {
            return Sample(logits);
        }
        finally
        {
            (_random, _ahead) = (_ahead, _random);
        }
    }

    /// <summary>Starts a new text: forgets the tokens, and the random numbers start again at <see cref="Seed"/>.</summary>
    public void Reset()
    {
        foreach (ILogitAdjustment adjustment in _adjustments) adjustment.Reset();
        _random = new Xoshiro256(Seed);
    }

    private int Draw()
    {
        if (_candidates.Count == 1) return _candidates.Token(0); // always so at temperature 0

        double target = _random.NextDouble() * _candidates.Weigh(_temperature);
        ReadOnlySpan<double> weights = _candidates.Weights;
        int index = 0;
        double mass = weights[0];
        while (mass <= target && index < weights.Length - 1) mass += weights[++index];
        return _candidates.Token(index);
    }

    private static IEnumerable<ILogitAdjustment> Adjustments(SamplingOptions options, int contextLength)
    {
        if (options.LogitBias is { Count: > 0 } biases) yield return new LogitBias(biases);

        int repeatWindow = Window(options.RepeatLastN, contextLength);
        if (repeatWindow > 0 && options is not { RepeatPenalty: 1, PresencePenalty: 0, FrequencyPenalty: 0 })
        {
            yield return new RepetitionPenalties(options.RepeatPenalty, options.PresencePenalty, options.FrequencyPenalty, repeatWindow);
        }

        int dryWindow = Window(options.DryPenaltyLastN, contextLength);
        if (dryWindow > 0 && options.DryMultiplier > 0) yield return new DryPenalty(options, dryWindow);
    }

    private static IEnumerable<ICandidateFilter> Filters(SamplingOptions options)
    {
        if (options.TypicalP < 1) yield return new TypicalP(options.TypicalP);
        if (options.TopP < 1) yield return new TopP(options.TopP);
        if (options.MinP > 0) yield return new MinP(options.MinP);
    }

    private static int Window(int lastN, int contextLength) => lastN < 0 ? contextLength : Math.Min(lastN, contextLength);

    private static void RequireTokens(string option, IEnumerable<int> tokens, int vocabularySize)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)vocabularySize)
            {
                throw new ArgumentException($"{option} names token {token}; tokens are 0 to {vocabularySize - 1}");
            }
        }
    }
}

/// <summary>No token can be chosen: a logit is not a number, or every token is banned.</summary>
public sealed class SamplingException(string message) : Exception(message);
