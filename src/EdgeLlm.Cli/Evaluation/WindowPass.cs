using EdgeLlm.Models;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>One model going through windows, a few tokens' logits at a time.</summary>
internal sealed class WindowPass : IDisposable
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
        _logits = new float[(long)Math.Min(MostTokens, windowLength) * model.Config.VocabularySize];
    }

    /// <summary>Begins a window with tokens whose predictions do not count.</summary>
    public void Begin(ReadOnlySpan<int> tokens, CancellationToken cancellation)
    {
        _cache.Truncate(0);
        _model.ForwardWithoutLogits(tokens, _cache, cancellation);
    }

    /// <summary>Goes on with at most <see cref="MostTokens"/> tokens whose predictions count.</summary>
    public void Continue(ReadOnlySpan<int> tokens, CancellationToken cancellation) => _model.ForwardAll(tokens, _cache, _logits, cancellation);

    /// <summary>The logits [vocabulary] of a token of the last <see cref="Continue"/>.</summary>
    public ReadOnlySpan<float> Logits(int token) => _logits.AsSpan(token * _model.Config.VocabularySize, _model.Config.VocabularySize);

    public void Dispose() => _cache.Dispose();
}
