using System.Net;
using System.Net.Sockets;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Assistant.Tools;
using EdgeLlm.Assistant.Tools.Mcp;
using EdgeLlm.Assistant.Wyoming;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Outputs;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant;

/// <summary>How an assistant is opened.</summary>
internal sealed record HostOptions
{
    /// <summary>Pins and buses.</summary>
    public required Hardware Hardware { get; init; }

    /// <summary>Makes sensors that nothing is connected to; null: they are real.</summary>
    public Func<DeviceSettings, Sensor>? SimulateSensor { get; init; }

    /// <summary>Where sound comes from; null: text only.</summary>
    public SoundSource? Source { get; init; }

    /// <summary>Where sound goes to; null: text only.</summary>
    public SoundSink? Sink { get; init; }

    /// <summary>Takes all sound as said to the assistant, without a wake word or button.</summary>
    public bool IsAlwaysListening { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Threads that hear.</summary>
    public int Threads { get; init; }

    /// <summary>Speech, where it was opened before; null: config's.</summary>
    public SpeechParts? Speech { get; init; }

    /// <summary>The model; null: only intents.</summary>
    public GenerateText? Generate { get; init; }

    /// <summary>Vectors of texts, for notes by meaning and near phrases; null: none.</summary>
    public EmbedTexts? Embed { get; init; }

    /// <summary>Readies the model for messages that are not whole yet; null: nothing does.</summary>
    public PrepareText? Prepare { get; init; }

    /// <summary>Is told what is wrong.</summary>
    public required Action<string> Problem { get; init; }
}

/// <summary>An assistant with all its parts: devices, tools, speech and the loop.</summary>
internal sealed class AssistantHost : IDisposable
{
    private readonly SpeechParts? _ownSpeech;
    private readonly SoundSource? _source;
    private readonly bool _isAlwaysListening;
    private readonly Ear? _ear;
    private readonly EchoPath? _echo;
    private readonly WyomingServer? _wyoming;
    private readonly Action<string> _problem;

    public AssistantHost(AssistantSettings settings, HostOptions options)
    {
        (Settings, _problem, _source, _isAlwaysListening) = (settings, options.Problem, options.Source, options.IsAlwaysListening);
        // Outputs first, so that they are safe before anything else can fail or take long.
        Devices = new AssistantDevices(settings.Devices, options.Hardware, options.Time, options.SimulateSensor, OnButton, options.Problem);
        try
        {
            Timers = new Timers(options.Time);
            Router = new IntentRouter(settings);
            Notes = settings.NotesFolder is { } folder ? new NoteIndex(folder, options.Embed) : null;
            Gate = new ToolGate(settings, Router, ToolsOf(settings, Devices, Timers, Notes, options.Time), options.Time);
            Func<ModelTalk>? makeTalk = options.Generate is { } generate
                ? () => new ModelTalk(generate, Gate, settings.System, options.Prepare) : null;
            Talk = makeTalk?.Invoke();
            _wyoming = settings.WyomingListen is null ? null
                : OpenWyoming(settings, new TextConversations(Router, Gate, makeTalk, options.Time));
            SpeechParts? speech = options.Speech
                ?? (options.Source is null && options.Sink is null ? null
                    : _ownSpeech = SpeechParts.Open(settings, options.Threads, options.Problem));
            if (options.Source is not null && speech is not null)
            {
                if (settings.Audio.CancelsEcho && options.Sink is { } sink)
                {
                    _echo = new EchoPath(speech.OwnWords);
                    (sink.Played, sink.Stopped, sink.Finished) =
                        ((samples, rate) => _echo.Play(samples.Span, rate), _echo.Stop, _echo.Finish);
                }
                _ear = new Ear(speech.WakeWords, SpeechParts.Detector(settings), settings.Hearing.Hangover, heard => Loop?.Hear(heard))
                {
                    IsOwnWord = _echo is { } echo ? () => echo.IsOwnWord : null,
                };
            }
            Loop = new AssistantLoop(new AssistantParts(settings, Router, Gate, options.Time)
            {
                Ear = _ear,
                Recognize = Recognize = speech?.Recognize,
                Near = options.Embed is { } embed ? new NearPhrases(settings, Router, embed) : null,
                Voice = options.Sink is null ? null : speech?.Voice,
                Sink = options.Sink,
                Model = Talk is null ? null : Talk.AnswerAsync,
                Prepare = Talk is null || options.Prepare is null ? null : Talk.PrepareAsync,
                Follow = speech?.Follow,
            })
            { Happened = OnEvent };
            Vocabulary words = Vocabulary.Find(settings.Languages[0])!;
            Timers.Over = (duration, reminds) =>
                Loop.Announce(reminds is null ? words.Say("timer.over", words.Duration(duration)) : words.Say("reminder.over", reminds));
            Devices.Changed = (name, level) => Happened?.Invoke(new AssistantEvent(AssistantEventKind.Device, name, level));
            Servers = settings.McpServers.Count > 0 ? McpServers.Start(settings.McpServers, Gate, options.Problem) : null;
            Gate.Log =
                entry => Happened?.Invoke(
                    new AssistantEvent(AssistantEventKind.Call,
                        $"{entry.Call.Tool} {entry.Call.Arguments} ({entry.Source.ToString().ToLowerInvariant()}{(entry.IsByModel ? ", model" : "")}): {entry.Outcome}"));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public AssistantSettings Settings { get; }

    public AssistantDevices Devices { get; }

    public Timers Timers { get; }

    public IntentRouter Router { get; }

    /// <summary>The notes; null: there are none.</summary>
    public NoteIndex? Notes { get; }

    /// <summary>MCP servers; null: there are none.</summary>
    public McpServers? Servers { get; }

    public ToolGate Gate { get; }

    public AssistantLoop Loop { get; }

    /// <summary>The conversation with the model; null: there is none.</summary>
    public ModelTalk? Talk { get; }

    /// <summary>Makes text of sound; null: nothing here does.</summary>
    public Wyoming.Recognize? Recognize { get; }

    /// <summary>Is told what happens, on any thread.</summary>
    public Action<AssistantEvent>? Happened { get; set; }

    /// <summary>Where Home Assistant finds its conversation agent; null: nowhere.</summary>
    public IPEndPoint? WyomingAddress => _wyoming?.Address;

    /// <summary>Position of the ear and of the last sample of speech that it heard.</summary>
    public Ear? Ear => _ear;

    /// <summary>Runs until it is cancelled or the sound ends.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task loop = Loop.RunAsync(stop.Token), wyoming = _wyoming?.RunAsync(stop.Token) ?? Task.CompletedTask;
        try
        {
            if (_source is null || _ear is null) await loop.ConfigureAwait(false);
            else
            {
                if (_isAlwaysListening) Loop.Signal(AssistantSignal.WakeWord);
                await foreach (float[] piece in _source.ReadAsync(stop.Token).ConfigureAwait(false))
                {
                    if (_isAlwaysListening && Loop is { State: AssistantState.Idle, IsIdle: true } && !_ear.IsListening)
                        Loop.Signal(AssistantSignal.WakeWord);
                    _echo?.Clean(piece);
                    _ear.Write(piece);
                }
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The end that was asked for.
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await wyoming.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose()
    {
        Loop?.Dispose();
        _wyoming?.Dispose();
        Timers?.Dispose();
        Devices.Dispose(); // outputs first: the rest may take its time
        Notes?.Dispose();
        Servers?.DisposeAsync().AsTask().Wait(TimeSpan.FromSeconds(5));
        _ownSpeech?.Dispose();
    }

    /// <summary>Listens for Home Assistant. A port that is taken is told, and does not keep the assistant from its other work.</summary>
    private WyomingServer? OpenWyoming(AssistantSettings settings, TextConversations conversations)
    {
        bool moves = settings.ToolsOf(Source.Wyoming).Any(static tool => tool is "*" or "set_light" or "set_relay");
        var services = new WyomingServices(typeof(AssistantHost).Assembly.GetName().Version?.ToString(3) ?? "", null, [], [])
        {
            Handler = new WyomingHandler("edgellm", settings.Languages, moves, conversations.AnswerAsync),
        };
        var server = new WyomingServer(IPEndPoint.Parse(settings.WyomingListen!), [.. settings.WyomingAllow.Select(IPNetwork.Parse)],
            services, new WyomingLimits(), _problem);
        try
        {
            server.Start();
            return server;
        }
        catch (SocketException exception)
        {
            server.Dispose();
            _problem($"wyoming: {settings.WyomingListen} can't be listened at: {exception.SocketErrorCode}");
            return null;
        }
    }

    private static IEnumerable<Tool> ToolsOf(AssistantSettings settings, AssistantDevices devices, Timers timers,
        NoteIndex? notes, TimeProvider time)
    {
        foreach (bool isRelay in (bool[])[false, true])
        {
            if (SetOutputTool.NamesOf(devices, isRelay).Any()) yield return new SetOutputTool(devices, isRelay);
        }
        if (settings.Devices.Any(static device => device.IsOutput)) yield return new StateTool(devices);
        if (SensorTool.SensorsOf(devices).Any()) yield return new SensorTool(devices);
        yield return new ListTool(devices);
        yield return new TimeTool(time);
        yield return new SetTimerTool(timers);
        yield return new ReminderTool(timers, time);
        yield return new TimersTool(timers, cancels: false);
        yield return new TimersTool(timers, cancels: true);
        yield return new WeatherTool(settings.WeatherFile);
        if (notes is not null) yield return new NotesTool(notes);
        if (settings.Commands.Count > 0) yield return new CommandTool(settings.Commands);
    }

    private void OnButton(ButtonEvent what)
    {
        if (what == ButtonEvent.Pressed) Loop.Signal(AssistantSignal.ButtonPressed);
        if (what == ButtonEvent.Released) Loop.Signal(AssistantSignal.ButtonReleased);
        if (what == ButtonEvent.DoubleClick) Loop.Signal(AssistantSignal.Cancelled);
    }

    /// <summary>Shows on light and display what happens.</summary>
    private void OnEvent(AssistantEvent happened)
    {
        Happened?.Invoke(happened);
        if (happened.Kind == AssistantEventKind.State)
        {
            Devices.Status?.Show(happened.Text switch
            {
                "listening" or "followup" or "confirming" => LightPattern.On,
                "recognizing" or "thinking" or "acting" => LightPattern.Blink,
                "speaking" => LightPattern.Breathe,
                _ => LightPattern.Off,
            });
            _state = happened.Text;
        }
        if (happened.Kind == AssistantEventKind.Heard) _shown = "> " + happened.Text + "\n";
        if (happened.Kind == AssistantEventKind.Answer) _shown += happened.Text;
        try
        {
            Devices.Screen?.Show(_state, _shown);
        }
        catch (IOException exception)
        {
            _problem($"the display does not answer: {exception.Message}");
        }
    }

    private string _state = "idle", _shown = "";
}
