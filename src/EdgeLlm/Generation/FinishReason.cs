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

    /// <summary>The context is full, and nothing is left to drop or may be dropped (<see cref="ContextPolicy"/>).</summary>
    ContextFull,

    /// <summary>The model repeats itself without end (<see cref="GenerationOptions.StopsLoops"/>).</summary>
    Loop,

    /// <summary>The time that a request may take is over (<see cref="Scheduling.SchedulerOptions.TimeLimit"/>).</summary>
    TimeLimit,

    /// <summary>The caller cancelled.</summary>
    Cancelled,
}
