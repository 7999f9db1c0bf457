using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>One model going through windows, a few tokens' logits at a time.</summary>
internal sealed class WindowPass : IPredictions
{
    /// <summary>Tokens whose logits are held at a time.</summary>
    public const int MostTokens = 256;

    private readonly LanguageModel _model;
    private readonly KvCache _cache;
    private readonly float[] _logits;

    /// <param name="adaptation">Adapters and control vectors that it is computed with; null: none.</param>
    public WindowPass(LanguageModel model, int windowLength, Adaptation? adaptation = null)
    {
        _model = model;
        _cache = model.CreateCache();
        _cache.Adaptation = adaptation;
        _logits = new float[(long)Math.Min(MostTokens, windowLength) * model.Info.VocabularySize];
    }

    /// <inheritdoc/>
    public void Begin(ReadOnlySpan<int> tokens, CancellationToken cancellation)
    {
        _cache.Truncate(0);
        _model.ForwardWithoutLogits(tokens, _cache, cancellation);
    }

    /// <inheritdoc/>
    public void Continue(ReadOnlySpan<int> tokens, CancellationToken cancellation) =>
        _model.ForwardAll(tokens, _cache, _logits, cancellation);

    /// <inheritdoc/>
    public ReadOnlySpan<float> Logits(int token) => _logits.AsSpan(token * _model.Info.VocabularySize, _model.Info.VocabularySize);

    /// <inheritdoc/>
    public void Dispose() => _cache.Dispose();
}
