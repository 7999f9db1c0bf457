using EdgeLlm.Assistant.Conversation;

namespace EdgeLlm.Assistant.Tests.Conversation;

public sealed class AssistantMachineTests
{
    private static readonly AssistantSignal[] Signals = Enum.GetValues<AssistantSignal>();

    public static TheoryData<bool, bool, bool> Settings()
    {
        var all = new TheoryData<bool, bool, bool>();
        foreach (int i in Enumerable.Range(0, 8)) all.Add((i & 1) != 0, (i & 2) != 0, (i & 4) != 0);
        return all;
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Time_limits_alone_lead_from_every_state_that_can_be_reached_back_to_idle(bool wake, bool voice, bool follows)
    {
        var machine = new AssistantMachine(wake, voice, follows);
        HashSet<AssistantStatus> all = Reachable(machine);
        Assert.Equal(Enum.GetValues<AssistantState>().Length - (follows ? 0 : 1), all.Select(status => status.State).Distinct().Count());
        foreach (AssistantStatus start in all)
        {
            AssistantStatus status = start;
            int steps = 0;
            while (status.State != AssistantState.Idle)
            {
                status = machine.Next(status, AssistantSignal.TimeIsUp).Status;
                Assert.True(++steps <= 4, $"{start} does not end");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Whatever_is_left_is_ended_and_whatever_is_begun_belongs_to_the_new_state(bool wake, bool voice, bool follows)
    {
        var machine = new AssistantMachine(wake, voice, follows);
        foreach (AssistantStatus status in Reachable(machine))
        {
            foreach (AssistantSignal signal in Signals)
            {
                (AssistantStatus next, AssistantActions actions) = machine.Next(status, signal);
                string step = $"{status} {signal} -> {next} {actions}";
                bool hears(AssistantState state) =>
                    state is AssistantState.Listening or AssistantState.FollowUp or AssistantState.Confirming;
                // Speech ends by itself, or is stopped.
                if (status.State == AssistantState.Speaking && next.State != AssistantState.Speaking
                    && signal != AssistantSignal.SpeechEnded)
                    Assert.True(actions.HasFlag(AssistantActions.StopSpeaking), step);
                // The ear keeps sound exactly while a request is heard.
                if (!hears(status.State) && hears(next.State)) Assert.True(actions.HasFlag(AssistantActions.StartListening), step);
                if (hears(status.State) && !hears(next.State))
                    Assert.True(actions.HasFlag(AssistantActions.StopListening) || actions.HasFlag(AssistantActions.Recognize), step);
                if (actions.HasFlag(AssistantActions.Recognize)) Assert.Equal(AssistantState.Recognizing, next.State);
                if (actions.HasFlag(AssistantActions.Think)) Assert.Equal(AssistantState.Thinking, next.State);
                // One answer at a time: work that goes on is cancelled before other work begins.
                bool begins = (actions & (AssistantActions.Think | AssistantActions.Confirm | AssistantActions.SaySlow)) != 0
                    || signal is AssistantSignal.ButtonPressed && next.State == AssistantState.Listening;
                if (begins && status.IsAnswering) Assert.True((actions & AssistantActions.CancelWork) != 0, step);
                // A question is forgotten, asked, or answered; never left behind.
                bool waits(AssistantStatus one) => one.IsAsked || one.IsHearingYes || one.State == AssistantState.Confirming;
                if (waits(status) && !waits(next))
                    Assert.True((actions & (AssistantActions.Decline | AssistantActions.Confirm | AssistantActions.Think)) != 0
                        || status.State is AssistantState.Thinking or AssistantState.Acting or AssistantState.Speaking, step);
            }
        }
    }

    [Fact]
    public void Button_and_cancel_are_heard_in_every_state()
    {
        var machine = new AssistantMachine(false, false, true);
        foreach (AssistantStatus status in Reachable(machine))
        {
            Assert.Equal(AssistantState.Idle, machine.Next(status, AssistantSignal.Cancelled).Status.State);
            AssistantState pressed = machine.Next(status, AssistantSignal.ButtonPressed).Status.State;
            Assert.Equal(status.State == AssistantState.Confirming ? AssistantState.Thinking : AssistantState.Listening, pressed);
        }
    }

    [Fact]
    public void A_wake_word_interrupts_speech_only_where_config_says_so_and_any_voice_only_then()
    {
        var speaking = new AssistantStatus(AssistantState.Speaking, IsAnswering: true);
        Assert.Equal(AssistantState.Speaking,
            new AssistantMachine(false, false, true).Next(speaking, AssistantSignal.WakeWord).Status.State);
        Assert.Equal(AssistantState.Speaking,
            new AssistantMachine(true, false, true).Next(speaking, AssistantSignal.VoiceStarted).Status.State);
        (AssistantStatus next, AssistantActions actions) = new AssistantMachine(true, false, true).Next(speaking, AssistantSignal.WakeWord);
        Assert.Equal((AssistantState.Listening,
            AssistantActions.StopSpeaking | AssistantActions.CancelWork | AssistantActions.StartListening), (next.State, actions));
        Assert.Equal(AssistantState.Listening,
            new AssistantMachine(true, true, true).Next(speaking, AssistantSignal.VoiceStarted).Status.State);
    }

    private static HashSet<AssistantStatus> Reachable(AssistantMachine machine)
    {
        HashSet<AssistantStatus> all = [AssistantStatus.Idle];
        var open = new Queue<AssistantStatus>(all);
        while (open.TryDequeue(out AssistantStatus status))
        {
            foreach (AssistantSignal signal in Signals)
            {
                AssistantStatus next = machine.Next(status, signal).Status;
                if (all.Add(next)) open.Enqueue(next);
            }
        }
        return all;
    }
}
