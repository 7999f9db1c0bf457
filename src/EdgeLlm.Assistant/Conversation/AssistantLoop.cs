using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Assistant.Tools;

namespace EdgeLlm.Assistant.Conversation;

/// <summary>Parts of an assistant. Only the gate and the router are required.</summary>
internal sealed record AssistantParts(AssistantSettings Settings, IntentRouter Router, ToolGate Gate, TimeProvider Time)
{
    /// <summary>Hears; null: text only.</summary>
    public Ear? Ear { get; init; }

    /// <summary>Makes text of sound; null: text only.</summary>
    public Wyoming.Recognize? Recognize { get; init; }

    /// <summary>Speaks; null: text only.</summary>
    public Voice? Voice { get; init; }

    /// <summary>Plays; null: text only.</summary>
    public SoundSink? Sink { get; init; }

    /// <summary>The model; null: only intents.</summary>
    public AnswerByModel? Model { get; init; }

    /// <summary>Finder of known phrases near a sentence that the router does not know; null: none.</summary>
    public NearPhrases? Near { get; init; }

    /// <summary>Readies the model for a request whose first words are known; null: nothing does.</summary>
    public Func<string, Source, CancellationToken, Task>? Prepare { get; init; }

    /// <summary>Begins to follow speech while it is spoken; null: nothing does.</summary>
    public Func<FollowSpeech>? Follow { get; init; }
}

/// <summary>
/// Runs a conversation: signals go through <see cref="AssistantMachine"/> one after the other, and what it asks for is done beside it, so
/// that no work can hold up a press of the button or a time limit.
/// </summary>
internal sealed class AssistantLoop : IDisposable
{
    private readonly AssistantParts _parts;
    private readonly AssistantMachine _machine;
    private readonly Channel<(AssistantSignal Signal, object? Payload, int Work)> _signals =
        Channel.CreateUnbounded<(AssistantSignal, object?, int)>();
    private readonly ITimer _limit;
    private readonly Preparation? _preparation;
    private AssistantStatus _status = AssistantStatus.Idle;
    private CancellationTokenSource _work = new();
    private Task _working = Task.CompletedTask;
    private int _workNumber, _limitNumber, _unhandled;
    private Task<string>? _guess; // recognition that began at a pause
    private TextRequest? _request;
    private long _handled;

    public AssistantLoop(AssistantParts parts)
    {
        _parts = parts;
        AudioSettings audio = parts.Settings.Audio;
        bool hears = parts.Ear is not null;
        _machine =
            new AssistantMachine(audio.WakeWordInterrupts, audio.VoiceInterrupts, hears && parts.Settings.Times.FollowUp > TimeSpan.Zero);
        _limit = parts.Time.CreateTimer(_ => Signal(AssistantSignal.TimeIsUp, null, Volatile.Read(ref _limitNumber)), null,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (parts is { Prepare: { } prepare, Ear: { } ear })
            _preparation = new Preparation((words, stop) => prepare(words, Source.Voice, stop), parts.Follow, () => ear.Request);
        Words = Vocabulary.Find(parts.Settings.Languages[0])!;
    }

    /// <summary>Is told what happens, on any thread.</summary>
    public Action<AssistantEvent>? Happened { get; set; }

    /// <summary>Current state.</summary>
    public AssistantState State => _status.State;

    /// <summary>Whether nothing is going on and nothing waits.</summary>
    public bool IsIdle =>
        _status.State is AssistantState.Idle or AssistantState.FollowUp && _signals.Reader.Count == 0 && _working.IsCompleted;

    /// <summary>Signals that were handled: a number that grows while the loop runs.</summary>
    public long Handled => Volatile.Read(ref _handled);

    /// <summary>Whether every signal so far was handled: the request may continue.</summary>
    public bool IsSettled => Volatile.Read(ref _unhandled) == 0;

    /// <summary>Turns that have ended, for tests of long runs.</summary>
    public int Turns { get; private set; }

    /// <summary>
    /// When the person's last sample of speech came, and the first of the answer was handed to the player; by the clock's timestamps.
    /// </summary>
    public Action<string>? Timing { get; set; }

    private Vocabulary Words { get; }

    /// <summary>Tells it something, from any thread.</summary>
    public void Signal(AssistantSignal signal) => Signal(signal, null, -1);

    /// <summary>Gives it text instead of sound.</summary>
    public void Say(TextRequest request) => Signal(AssistantSignal.TextCame, request, -1);

    /// <summary>Speaks a message of its own, such as that a timer is over, as soon as nothing else is going on.</summary>
    public void Announce(string text) => Signal(AssistantSignal.AnswerStarted, text, -1);

    /// <summary>Takes an event of the ear.</summary>
    public void Hear(EarEvent heard)
    {
        switch (heard)
        {
            case EarEvent.WakeWord: Signal(AssistantSignal.WakeWord); break;
            case EarEvent.VoiceStarted: Signal(AssistantSignal.VoiceStarted); break;
            case EarEvent.VoiceEnded: Signal(AssistantSignal.VoiceEnded); break;
            case EarEvent.VoicePaused:
                _preparation?.Cancel(); // recognition is what matters now
                _guess = _status.State is AssistantState.Listening or AssistantState.Confirming or AssistantState.FollowUp
                    ? RecognizeAsync(_parts.Ear!.Request, _work.Token) : null;
                break;
            default: break;
        }
        if (heard == EarEvent.VoiceStarted) _guess = null;
    }

    /// <summary>Runs until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            await foreach ((AssistantSignal signal, object? payload, int work) in _signals.Reader.ReadAllAsync(cancellation)
                .ConfigureAwait(false))
            {
                Volatile.Write(ref _handled, _handled + 1);
                bool isOfPast = signal == AssistantSignal.TimeIsUp ? work != _limitNumber
                    : work >= 0 && work != _workNumber; // of something that was cancelled
                if (!isOfPast) await HandleAsync(signal, payload).ConfigureAwait(false);
                Interlocked.Decrement(ref _unhandled);
            }
        }
        finally
        {
            await _work.CancelAsync().ConfigureAwait(false);
            _parts.Sink?.Stop();
            if (_preparation is not null) await _preparation.EndAsync().ConfigureAwait(false);
            await _working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose()
    {
        _limit.Dispose();
        _work.Dispose();
    }

    private void Signal(AssistantSignal signal, object? payload, int work)
    {
        Interlocked.Increment(ref _unhandled);
        _signals.Writer.TryWrite((signal, payload, work));
    }

    private async Task HandleAsync(AssistantSignal signal, object? payload)
    {
        if (signal == AssistantSignal.AnswerStarted && payload is string message)
        {
            if (_status.State == AssistantState.Idle) _request = null; // it is nobody's, and not silent
            if (_status.State == AssistantState.Idle) Start((work, token) => AnswerAsync(Single(message), work, token));
            else _parts.Time.CreateTimer(_ => Announce(message), null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan); // later
            return;
        }
        AssistantState before = _status.State;
        (AssistantStatus next, AssistantActions actions) = _machine.Next(_status, signal);
        bool isNew = next.State != _status.State || actions != AssistantActions.None;
        _status = next;
        if (signal == AssistantSignal.TextCame) _request = (TextRequest)payload!;
        if (signal == AssistantSignal.Recognized) _request = new TextRequest((string)payload!, Source.Voice);
        await DoAsync(actions, before, signal).ConfigureAwait(false);
        if (isNew) SetLimit();
        if (next.State != before) Tell(AssistantEventKind.State, next.State.ToString().ToLowerInvariant());
        if (next.State == AssistantState.Idle && before != AssistantState.Idle) Turns++;
    }

    private async Task DoAsync(AssistantActions actions, AssistantState before, AssistantSignal signal)
    {
        if (actions.HasFlag(AssistantActions.StopSpeaking)) _parts.Sink?.Stop();
        if (actions.HasFlag(AssistantActions.CancelWork) || actions.HasFlag(AssistantActions.StopSpeaking))
            await CancelWorkAsync().ConfigureAwait(false);
        if (actions.HasFlag(AssistantActions.Decline)) _parts.Gate.Decline();
        if (actions.HasFlag(AssistantActions.StopListening)) _parts.Ear?.StopListening();
        if (actions.HasFlag(AssistantActions.StopListening) || actions.HasFlag(AssistantActions.Recognize)) _preparation?.Cancel();
        if (actions.HasFlag(AssistantActions.StartListening))
        {
            _guess = null;
            if (_parts.Model is not null && _status.State != AssistantState.Confirming) _preparation?.Begin();
            // A wake word's own end must not be heard as the request's beginning.
            _parts.Ear?.StartListening(preRoll: signal != AssistantSignal.WakeWord
                && (_status.IsHeld || before is AssistantState.FollowUp or AssistantState.Speaking));
        }
        if (actions.HasFlag(AssistantActions.Recognize)) StartRecognition();
        if (actions.HasFlag(AssistantActions.Think)) Start(ThinkAsync);
        if (actions.HasFlag(AssistantActions.Confirm)) Start((work, token) => ConfirmAsync(Confirmation.Button, work, token));
        if (actions.HasFlag(AssistantActions.SayUnheard)) Start((work, token) => AnswerAsync(Single(Words.Say("unheard")), work, token));
        if (actions.HasFlag(AssistantActions.SaySlow)) Start((work, token) => AnswerAsync(Single(Words.Say("slow")), work, token));
        if (actions.HasFlag(AssistantActions.SayLate)) Start((work, token) => AnswerAsync(Single(Words.Say("late")), work, token));
    }

    private async Task CancelWorkAsync()
    {
        _workNumber++;
        await _work.CancelAsync().ConfigureAwait(false);
        await _working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _work.Dispose();
        _work = new CancellationTokenSource();
        _guess = null;
    }

    /// <summary>Does work beside the loop; what fails becomes an answer that says so.</summary>
    private void Start(Func<int, CancellationToken, Task> work)
    {
        int number = ++_workNumber;
        CancellationToken token = _work.Token;
        Task before = _working;
        _working = Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await work(number, token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (token.IsCancellationRequested)
            {
                // What was asked for.
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                Tell(AssistantEventKind.Problem, exception.Message);
                Signal(AssistantSignal.Failed, null, number);
                await SayFailureAsync(exception, number, token).ConfigureAwait(false);
            }
        }, CancellationToken.None);
    }

    private async Task SayFailureAsync(Exception exception, int work, CancellationToken cancellation)
    {
        try
        {
            await AnswerAsync(Single(Words.Say("failed", exception.Message)), work, cancellation).ConfigureAwait(false);
        }
        catch (Exception second) when (second is not OutOfMemoryException)
        {
            // It can't even say that; it is shown.
            Signal(AssistantSignal.AnswerEnded, null, work);
            Signal(AssistantSignal.SpeechEnded, null, work);
        }
    }

    private void StartRecognition()
    {
        Task<string>? guess = _guess;
        float[] sound = _parts.Ear?.Request ?? [];
        _parts.Ear?.StopListening();
        _guess = null;
        Start(async (work, token) =>
        {
            string text = guess is not null ? await guess.ConfigureAwait(false) : await RecognizeAsync(sound, token).ConfigureAwait(false);
            token.ThrowIfCancellationRequested();
            bool isWord = text.Any(char.IsLetterOrDigit);
            Timing?.Invoke("recognized");
            Signal(isWord ? AssistantSignal.Recognized : AssistantSignal.NothingRecognized, text, work);
        });
    }

    private Task<string> RecognizeAsync(float[] sound, CancellationToken cancellation) =>
        _parts.Recognize is { } recognize && sound.Length > 0
            ? recognize(sound, _parts.Settings.Languages[0], cancellation) : Task.FromResult("");

    private async Task ThinkAsync(int work, CancellationToken cancellation)
    {
        (string text, Source source) = (_request!.Text.Trim(), _request.Source);
        Tell(AssistantEventKind.Heard, text);
        Route route = _parts.Router.Find(text);
        if (route.Kind == RouteKind.None && _parts.Near is { } near)
            route = await Task.Run(() => near.Find(text, cancellation), cancellation).ConfigureAwait(false) ?? route;
        if (_parts.Gate.IsAsking)
        {
            // A yes over the network is text that somebody sent: only what is said or typed at the device counts.
            if (route.Kind == RouteKind.Yes && source is Source.Voice or Source.Page)
            {
                await ConfirmAsync(source == Source.Page ? Confirmation.Page : Confirmation.Voice, work, cancellation)
                    .ConfigureAwait(false);
                return;
            }
            _parts.Gate.Decline();
            if (route.Kind is RouteKind.Yes or RouteKind.No or RouteKind.Quit)
            {
                await AnswerAsync(Single(route.Words.Say("declined")), work, cancellation).ConfigureAwait(false);
                return;
            }
        }
        if (_preparation is not null) await _preparation.EndAsync().ConfigureAwait(false);
        IAsyncEnumerable<string> answer = Answers.OfAsync(route, new Turn(source, text, route.Words), _parts.Gate, _parts.Model,
            isBusy => Signal(isBusy ? AssistantSignal.CallStarted : AssistantSignal.CallEnded, null, work),
            () => Signal(AssistantSignal.QuestionAsked, null, work), cancellation);
        await AnswerAsync(answer, work, cancellation).ConfigureAwait(false);
    }

    private async Task ConfirmAsync(Confirmation by, int work, CancellationToken cancellation)
    {
        ToolResult? result = await _parts.Gate.ConfirmAsync(by, cancellation).ConfigureAwait(false);
        await AnswerAsync(Single(result?.Spoken ?? Words.Say("late")), work, cancellation).ConfigureAwait(false);
    }

    /// <summary>Shows and speaks an answer while it comes.</summary>
    private async Task AnswerAsync(IAsyncEnumerable<string> answer, int work, CancellationToken cancellation)
    {
        var whole = new StringBuilder();
        if (_parts.Voice is not { } voice || _parts.Sink is not { } sink || _request is { IsSilent: true })
        {
            await foreach (string _ in Watched(cancellation).ConfigureAwait(false)) { }
        }
        else
        {
            bool isFirst = true;
            await foreach (ReadOnlyMemory<float> samples in voice.Speak(Watched(cancellation), cancellation).ConfigureAwait(false))
            {
                if (isFirst) Timing?.Invoke("sounds");
                isFirst = false;
                await sink.WriteAsync(samples, voice.Rate, cancellation).ConfigureAwait(false);
            }
            await sink.FinishAsync(cancellation).ConfigureAwait(false);
        }
        Signal(AssistantSignal.SpeechEnded, null, work);

        async IAsyncEnumerable<string> Watched([EnumeratorCancellation] CancellationToken token)
        {
            await foreach (string piece in answer.WithCancellation(token).ConfigureAwait(false))
            {
                if (whole.Length == 0 && piece.Length > 0)
                {
                    Timing?.Invoke("answers");
                    Signal(AssistantSignal.AnswerStarted, null, work);
                }
                whole.Append(piece);
                Tell(AssistantEventKind.Answer, piece);
                yield return piece;
            }
            Tell(AssistantEventKind.Answered, whole.ToString());
            Signal(AssistantSignal.AnswerEnded, null, work);
        }
    }

    private void SetLimit()
    {
        TimeSettings times = _parts.Settings.Times;
        TimeSpan limit = _status.State switch
        {
            AssistantState.Listening => times.Listen,
            AssistantState.Recognizing => times.Recognize,
            AssistantState.Thinking => times.Think,
            AssistantState.Acting => times.Act + TimeSpan.FromSeconds(2), // the gate has the tool's own
            AssistantState.Speaking => times.Speak,
            AssistantState.FollowUp => times.FollowUp,
            AssistantState.Confirming => times.Confirm,
            _ => Timeout.InfiniteTimeSpan,
        };
        Volatile.Write(ref _limitNumber, _limitNumber + 1);
        _limit.Change(limit, Timeout.InfiniteTimeSpan);
    }

    private void Tell(AssistantEventKind kind, string text) => Happened?.Invoke(new AssistantEvent(kind, text));

    private static async IAsyncEnumerable<string> Single(string text)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        yield return text;
    }
}
