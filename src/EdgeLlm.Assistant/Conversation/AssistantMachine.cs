namespace EdgeLlm.Assistant.Conversation;

/// <summary>States of the assistant.</summary>
public enum AssistantState
{
    /// <summary>Nothing: it waits for the button, a wake word or text.</summary>
    Idle,

    /// <summary>Hearing a request.</summary>
    Listening,

    /// <summary>Making text of what was heard.</summary>
    Recognizing,

    /// <summary>Finding an answer.</summary>
    Thinking,

    /// <summary>Waiting for a tool.</summary>
    Acting,

    /// <summary>Speaking, while the answer may still be written.</summary>
    Speaking,

    /// <summary>Waiting for a yes to a question about a tool.</summary>
    Confirming,

    /// <summary>Listening for more without a wake word.</summary>
    FollowUp,
}

/// <summary>Signals that change the assistant's state.</summary>
public enum AssistantSignal
{
    /// <summary>The button went down.</summary>
    ButtonPressed,

    /// <summary>The button came up.</summary>
    ButtonReleased,

    /// <summary>A wake word was heard.</summary>
    WakeWord,

    /// <summary>Somebody began to speak.</summary>
    VoiceStarted,

    /// <summary>The end of speech was detected.</summary>
    VoiceEnded,

    /// <summary>Text was typed or came from a page.</summary>
    TextCame,

    /// <summary>Recognition gave text.</summary>
    Recognized,

    /// <summary>Recognition gave nothing.</summary>
    NothingRecognized,

    /// <summary>A tool was called.</summary>
    CallStarted,

    /// <summary>A tool has ended.</summary>
    CallEnded,

    /// <summary>The first words to speak are there.</summary>
    AnswerStarted,

    /// <summary>The answer is whole.</summary>
    AnswerEnded,

    /// <summary>All of it was spoken.</summary>
    SpeechEnded,

    /// <summary>The answer was a question that takes a yes.</summary>
    QuestionAsked,

    /// <summary>Something failed: a message follows as an answer.</summary>
    Failed,

    /// <summary>The person wants it to stop.</summary>
    Cancelled,

    /// <summary>The state's time limit is over.</summary>
    TimeIsUp,

    /// <summary>Nothing: whether the loop still answers.</summary>
    Beat,
}

/// <summary>Actions to carry out, in the order of the values.</summary>
[Flags]
public enum AssistantActions
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Stop the player at once.</summary>
    StopSpeaking = 1,

    /// <summary>Cancel recognition, model and tools.</summary>
    CancelWork = 2,

    /// <summary>Forget the question that waits.</summary>
    Decline = 4,

    /// <summary>Take the sound from now on as a request.</summary>
    StartListening = 8,

    /// <summary>Drop the sound that was heard.</summary>
    StopListening = 16,

    /// <summary>Make text of the sound.</summary>
    Recognize = 32,

    /// <summary>Find an answer to the text.</summary>
    Think = 64,

    /// <summary>Take the button as a yes.</summary>
    Confirm = 128,

    /// <summary>Say that nothing was understood.</summary>
    SayUnheard = 256,

    /// <summary>Say that it took too long.</summary>
    SaySlow = 512,

    /// <summary>Say that no yes was heard.</summary>
    SayLate = 1024,
}

/// <summary>The assistant's state with what it needs to remember.</summary>
/// <param name="State">What it does.</param>
/// <param name="IsAnswering">Whether an answer is still being written (while it is spoken).</param>
/// <param name="IsHeld">Whether the request ends when the button comes up, rather than with silence.</param>
/// <param name="IsAsked">Whether the answer that is spoken is a question that takes a yes.</param>
/// <param name="IsHearingYes">Whether what is being heard may be a yes to a question.</param>
/// <param name="IsLate">Whether the time limit of thinking is over and only the message about that is to come.</param>
public readonly record struct AssistantStatus(
    AssistantState State, bool IsAnswering = false, bool IsHeld = false, bool IsAsked = false,
    bool IsHearingYes = false, bool IsLate = false)
{
    /// <summary>Nothing going on.</summary>
    public static AssistantStatus Idle => new(AssistantState.Idle);
}

/// <summary>
/// The rules of a conversation: state and signal to state and actions. Pure, so that every combination can be tested. Whatever happens, the
/// time limits of the states alone lead back to <see cref="AssistantState.Idle"/>.
/// </summary>
/// <param name="wakeWordInterrupts">Whether a wake word ends speech.</param>
/// <param name="voiceInterrupts">Whether any voice ends speech.</param>
/// <param name="followsUp">Whether it listens for more after an answer.</param>
public sealed class AssistantMachine(bool wakeWordInterrupts, bool voiceInterrupts, bool followsUp)
{
    /// <summary>State and actions that follow a signal.</summary>
    public (AssistantStatus Status, AssistantActions Actions) Next(AssistantStatus status, AssistantSignal signal) => signal switch
    {
        AssistantSignal.TextCame =>
            (new(AssistantState.Thinking, IsAnswering: true,
                IsHearingYes: status.State == AssistantState.Confirming || status.IsHearingYes),
                Leave(status, keepsQuestion: true) | AssistantActions.Think),
        AssistantSignal.Cancelled => (AssistantStatus.Idle, Leave(status)),
        AssistantSignal.ButtonPressed when status.State == AssistantState.Confirming =>
            (new(AssistantState.Thinking, IsAnswering: true), AssistantActions.StopListening | AssistantActions.Confirm),
        AssistantSignal.ButtonPressed => (new(AssistantState.Listening, IsHeld: true), Leave(status) | AssistantActions.StartListening),
        AssistantSignal.WakeWord => OnWakeWord(status),
        _ => status.State switch
        {
            AssistantState.Listening or AssistantState.FollowUp or AssistantState.Confirming => WhileHearing(status, signal),
            AssistantState.Recognizing => WhileRecognizing(status, signal),
            AssistantState.Thinking or AssistantState.Acting => WhileThinking(status, signal),
            AssistantState.Speaking => WhileSpeaking(status, signal),
            _ => WhileIdle(status, signal),
        },
    };

    /// <summary>Ends whatever is going on.</summary>
    private static AssistantActions Leave(AssistantStatus status, bool keepsQuestion = false)
    {
        AssistantActions actions = AssistantActions.None;
        if (status.State == AssistantState.Speaking) actions |= AssistantActions.StopSpeaking;
        if (status.IsAnswering || status.State == AssistantState.Recognizing) actions |= AssistantActions.CancelWork;
        if (status.State is AssistantState.Listening or AssistantState.FollowUp or AssistantState.Confirming)
            actions |= AssistantActions.StopListening;
        if (!keepsQuestion && (status.IsAsked || status.IsHearingYes || status.State == AssistantState.Confirming))
            actions |= AssistantActions.Decline;
        return actions;
    }

    private (AssistantStatus, AssistantActions) OnWakeWord(AssistantStatus status)
    {
        bool isBusy = status.State is AssistantState.Speaking or AssistantState.Thinking or AssistantState.Acting;
        if (isBusy && !wakeWordInterrupts || status is { State: AssistantState.Listening, IsHeld: true }
            || status.State == AssistantState.Recognizing)
            return (status, AssistantActions.None);
        return (new(AssistantState.Listening), Leave(status) | AssistantActions.StartListening);
    }

    /// <summary>A timer's message is spoken from here, too.</summary>
    private static (AssistantStatus, AssistantActions) WhileIdle(AssistantStatus status, AssistantSignal signal) => signal switch
    {
        AssistantSignal.AnswerStarted => (new(AssistantState.Speaking, IsAnswering: true), AssistantActions.None),
        _ => (status, AssistantActions.None),
    };

    private static (AssistantStatus, AssistantActions) WhileHearing(AssistantStatus status, AssistantSignal signal)
    {
        bool hearsYes = status.State == AssistantState.Confirming || status.IsHearingYes;
        return signal switch
        {
            AssistantSignal.VoiceEnded when !status.IsHeld =>
                (new(AssistantState.Recognizing, IsHearingYes: hearsYes), AssistantActions.Recognize),
            AssistantSignal.ButtonReleased when status.IsHeld => (new(AssistantState.Recognizing), AssistantActions.Recognize),
            // The limit of what is said is not the end of it: what was heard counts. Without a word there is nothing to count.
            AssistantSignal.TimeIsUp when status.State == AssistantState.FollowUp => (AssistantStatus.Idle, AssistantActions.StopListening),
            AssistantSignal.TimeIsUp when status.State == AssistantState.Confirming => (new(AssistantState.Thinking, IsAnswering: true),
                AssistantActions.Decline | AssistantActions.StopListening | AssistantActions.SayLate),
            AssistantSignal.TimeIsUp => (new(AssistantState.Recognizing, IsHearingYes: hearsYes), AssistantActions.Recognize),
            AssistantSignal.VoiceStarted when status.State == AssistantState.FollowUp =>
                (new(AssistantState.Listening), AssistantActions.None),
            AssistantSignal.Failed => (new(AssistantState.Thinking, IsAnswering: true),
                AssistantActions.StopListening | (hearsYes ? AssistantActions.Decline : AssistantActions.None)),
            _ => (status, AssistantActions.None),
        };
    }

    private static (AssistantStatus, AssistantActions) WhileRecognizing(AssistantStatus status, AssistantSignal signal) => signal switch
    {
        AssistantSignal.Recognized =>
            (new(AssistantState.Thinking, IsAnswering: true, IsHearingYes: status.IsHearingYes), AssistantActions.Think),
        AssistantSignal.NothingRecognized => (new(AssistantState.Thinking, IsAnswering: true),
            (status.IsHearingYes ? AssistantActions.Decline : AssistantActions.None) | AssistantActions.SayUnheard),
        AssistantSignal.Failed =>
            (new(AssistantState.Thinking, IsAnswering: true), status.IsHearingYes ? AssistantActions.Decline : AssistantActions.None),
        AssistantSignal.TimeIsUp => (new(AssistantState.Thinking, IsAnswering: true),
            AssistantActions.CancelWork | AssistantActions.Decline | AssistantActions.SaySlow),
        _ => (status, AssistantActions.None),
    };

    private (AssistantStatus, AssistantActions) WhileThinking(AssistantStatus status, AssistantSignal signal) => signal switch
    {
        AssistantSignal.CallStarted => (status with { State = AssistantState.Acting }, AssistantActions.None),
        AssistantSignal.CallEnded => (status with { State = AssistantState.Thinking }, AssistantActions.None),
        AssistantSignal.AnswerStarted => (status with { State = AssistantState.Speaking }, AssistantActions.None),
        AssistantSignal.QuestionAsked => (status with { IsAsked = true }, AssistantActions.None),
        // An answer without a word.
        AssistantSignal.AnswerEnded => status.IsAsked ? (new(AssistantState.Confirming), AssistantActions.StartListening)
            : (AssistantStatus.Idle, AssistantActions.None),
        AssistantSignal.Failed => (new(AssistantState.Thinking, IsAnswering: true), AssistantActions.Decline),
        // The second limit, which the message that it takes too long has passed, ends it.
        AssistantSignal.TimeIsUp when !status.IsLate =>
            (new(AssistantState.Thinking, IsAnswering: true, IsLate: true),
                AssistantActions.CancelWork | AssistantActions.Decline | AssistantActions.SaySlow),
        AssistantSignal.TimeIsUp => (AssistantStatus.Idle, Leave(status)),
        _ => (status, AssistantActions.None),
    };

    private (AssistantStatus, AssistantActions) WhileSpeaking(AssistantStatus status, AssistantSignal signal) => signal switch
    {
        AssistantSignal.AnswerEnded => (status with { IsAnswering = false }, AssistantActions.None),
        AssistantSignal.QuestionAsked => (status with { IsAsked = true }, AssistantActions.None),
        AssistantSignal.SpeechEnded when status.IsAnswering =>
            (status with { State = AssistantState.Thinking, IsLate = false }, AssistantActions.None),
        AssistantSignal.SpeechEnded when status.IsAsked => (new(AssistantState.Confirming), AssistantActions.StartListening),
        AssistantSignal.SpeechEnded => followsUp ? (new(AssistantState.FollowUp), AssistantActions.StartListening)
            : (AssistantStatus.Idle, AssistantActions.None),
        AssistantSignal.VoiceStarted when voiceInterrupts =>
            (new(AssistantState.Listening), Leave(status) | AssistantActions.StartListening),
        AssistantSignal.Failed => (AssistantStatus.Idle, Leave(status)),
        AssistantSignal.TimeIsUp => (AssistantStatus.Idle, Leave(status)),
        _ => (status, AssistantActions.None),
    };
}
