namespace EdgeLlm.Sampling;

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
