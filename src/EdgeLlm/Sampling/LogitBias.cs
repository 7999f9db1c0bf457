namespace EdgeLlm.Sampling;

/// <summary>Changes logits by what it is told of the tokens so far.</summary>
internal interface ILogitAdjustment
{
    /// <summary>The next token of the text, from the prompt or chosen.</summary>
    void Accept(int token)
    {
    }

    /// <summary>Changes the logits [vocabulary] in place.</summary>
    void Apply(Span<float> logits);

    /// <summary>Forgets the tokens.</summary>
    void Reset()
    {
    }
}

/// <summary>Adds a constant to the logits of some tokens; -infinity bans one.</summary>
internal sealed class LogitBias : ILogitAdjustment
{
    private readonly (int Token, float Bias)[] _biases; // an array, for enumerating the dictionary would allocate

    public LogitBias(IReadOnlyDictionary<int, float> biases) => _biases = [.. biases.Select(pair => (pair.Key, pair.Value))];

    public void Apply(Span<float> logits)
    {
        foreach ((int token, float bias) in _biases) logits[token] += bias;
    }
}
