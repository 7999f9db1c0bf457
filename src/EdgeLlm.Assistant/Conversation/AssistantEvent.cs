using EdgeLlm.Assistant.Settings;

namespace EdgeLlm.Assistant.Conversation;

/// <summary>Kinds of events.</summary>
internal enum AssistantEventKind
{
    /// <summary>A new state: its name in lower case.</summary>
    State,

    /// <summary>Text that was heard or typed.</summary>
    Heard,

    /// <summary>A piece of the answer.</summary>
    Answer,

    /// <summary>The answer is whole: all of it.</summary>
    Answered,

    /// <summary>A tool was called: its name, arguments and outcome.</summary>
    Call,

    /// <summary>An output changed: its name, and its level.</summary>
    Device,

    /// <summary>Something is wrong.</summary>
    Problem,
}

/// <summary>Something that whoever watches the assistant may want to show.</summary>
/// <param name="Kind">What it tells.</param>
/// <param name="Text">In words.</param>
/// <param name="Level">Of an output, 0 to 100.</param>
internal sealed record AssistantEvent(AssistantEventKind Kind, string Text, int Level = 0);

/// <summary>Pieces of a model's answer. Calls of tools happen on the way, through the turn's gate.</summary>
/// <param name="turn">The request.</param>
/// <param name="isBusy">Is told when a tool begins (true) and ends (false).</param>
/// <param name="asks">Is told that a confirmation is asked for.</param>
internal delegate IAsyncEnumerable<string> AnswerByModel(Tools.Turn turn, Action<bool> isBusy, Action asks, CancellationToken cancellation);

/// <summary>Samples of a text that is still being written.</summary>
internal delegate IAsyncEnumerable<ReadOnlyMemory<float>> SpeakText(IAsyncEnumerable<string> text, CancellationToken cancellation);

/// <summary>How an assistant speaks.</summary>
/// <param name="Rate">Samples a second.</param>
/// <param name="Speak">Makes the samples.</param>
internal sealed record Voice(int Rate, SpeakText Speak);

/// <summary>A request that did not come through the microphone.</summary>
/// <param name="Text">The person's words.</param>
/// <param name="Source">Where it comes from.</param>
internal sealed record TextRequest(string Text, Source Source)
{
    /// <summary>Whether the answer is only shown: whoever asked speaks it.</summary>
    public bool IsSilent { get; init; }
}
