namespace EdgeLlm.Generation;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>It has not ended.</summary>
    None,

    /// <summary>The model ended it.</summary>
    EndOfText,

    /// <summary>A stop string or stop token came.</summary>
    Stop,

    /// <summary>The most tokens that were asked for.</summary>
    MaxTokens,

    /// <summary>The caller cancelled.</summary>
    Cancelled,
}
