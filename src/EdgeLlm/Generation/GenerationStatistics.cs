namespace EdgeLlm.Generation;

/// <summary>Statistics of an answer.</summary>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="CachedTokens">How many of them were in the cache already.</param>
/// <param name="GeneratedTokens">Tokens of the answer.</param>
/// <param name="TimeToFirstToken">From the call to the first token.</param>
/// <param name="DecodeTime">From the first token to the last.</param>
/// <param name="FinishReason">Why it ended.</param>
public readonly record struct GenerationStatistics(
    int PromptTokens, int CachedTokens, int GeneratedTokens, TimeSpan TimeToFirstToken, TimeSpan DecodeTime, FinishReason FinishReason)
{
    /// <summary>
    /// Tokens that were guessed and computed together with the one that was due (<see cref="GenerationOptions.Speculates"/>).
    /// </summary>
    public int DraftedTokens { get; init; }

    /// <summary>How many of them were the answer's.</summary>
    public int AcceptedTokens { get; init; }

    /// <summary>The stop string that ended it; null: none did.</summary>
    public string? StopString { get; init; }

    /// <summary>Whether the answer ended before the model would have ended it: APIs call that `length`.</summary>
    public bool WasCutShort =>
        FinishReason is FinishReason.MaxTokens or FinishReason.ContextFull or FinishReason.Loop or FinishReason.TimeLimit;

    /// <summary>Prompt tokens computed a second, until the first token came.</summary>
    public double PromptTokensPerSecond => (PromptTokens - CachedTokens) / Math.Max(TimeToFirstToken.TotalSeconds, 1e-9);

    /// <summary>Tokens a second after the first one; 0 for an answer of one token.</summary>
    public double TokensPerSecond => GeneratedTokens < 2 ? 0 : (GeneratedTokens - 1) / Math.Max(DecodeTime.TotalSeconds, 1e-9);
}
