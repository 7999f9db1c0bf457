using EdgeLlm.Models;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>One model going through windows, a few tokens' logits at a time.</summary>
internal sealed class WindowPass : IPredictions
{
    /// <summary>Tokens whose logits are held at a time.</summary>
    public const int MostTokens = 256;

    private readonly LanguageModel _model;
    private readonly KvCache _cache;
    private readonly float[] _logits;

    public WindowPass(LanguageModel model, int windowLength)
    {
        _model = model;
        _cache = model.CreateCache();
        _logits = new float[(long)Math.Min(MostTokens, windowLength) * model.Info.VocabularySize];
    }

    /// <inheritdoc/>
    public void Begin(ReadOnlySpan<int> tokens, CancellationToken cancellation)
    {
        _cache.Truncate(0);
        _model.ForwardWithoutLogits(tokens, _cache, cancellation);
    }

    /// <inheritdoc/>
    public void Continue(ReadOnlySpan<int> tokens, CancellationToken cancellation) => _model.ForwardAll(tokens, _cache, _logits, cancellation);

    /// <inheritdoc/>
    public ReadOnlySpan<float> Logits(int token) => _logits.AsSpan(token * _model.Info.VocabularySize, _model.Info.VocabularySize);

    /// <inheritdoc/>
    public void Dispose() => _cache.Dispose();
}
