namespace EdgeLlm.Cli.Evaluation;

/// <summary>Predictions of a text's windows, one window after the other, a few tokens' at a time.</summary>
internal interface IPredictions : IDisposable
{
    /// <summary>Begins a window with tokens whose predictions do not count.</summary>
    void Begin(ReadOnlySpan<int> tokens, CancellationToken cancellation);

    /// <summary>Continues with at most <see cref="WindowPass.MostTokens"/> tokens whose predictions count.</summary>
    void Continue(ReadOnlySpan<int> tokens, CancellationToken cancellation);

    /// <summary>The logits [vocabulary] of a token of the last <see cref="Continue"/>.</summary>
    ReadOnlySpan<float> Logits(int token);
}
