using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices.Fakes;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Tests;

/// <summary>A house with fakes of everything: two lights, a fan, a heater, sensors, a button, a display.</summary>
internal sealed class TestHouse : IDisposable
{
    public const string Config = """
        {
          "languages": ["en", "de", "fr", "es"],
          "devices": {
            "kitchen light": { "kind": "light", "line": 17, "activeLow": true, "names": ["Küchenlicht", "lumière de la cuisine", "luz de la cocina"] },
            "desk lamp": { "kind": "light", "pwm": { "chip": 0, "channel": 0 }, "min": 10, "max": 80, "names": ["Schreibtischlampe", "lampe de bureau", "lámpara del escritorio"] },
            "fan": { "kind": "relay", "line": 27, "names": ["Ventilator", "ventilateur", "ventilador"] },
            "heater": { "kind": "relay", "line": 22, "confirm": true, "hours": "06:00-22:00", "names": ["Heizung", "chauffage", "calefacción"] },
            "living room": { "kind": "sensor", "model": "bme280", "names": ["Wohnzimmer", "salon", "salón"] },
            "button": { "kind": "button", "line": 23 },
            "status": { "kind": "status", "line": 24 },
            "display": { "kind": "display" }
          }
        }
        """;

    public const int KitchenLine = 17, FanLine = 27, HeaterLine = 22, ButtonLine = 23;

    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public TestHouse(string config = Config, TimeProvider? time = null, GenerateText? generate = null,
        Func<AssistantSettings, AssistantSettings>? change = null, EdgeLlm.Assistant.Tools.EmbedTexts? embed = null)
    {
        AssistantSettings settings = AssistantSettingsReader.Parse(config);
        Host = new AssistantHost(change?.Invoke(settings) ?? settings, new HostOptions
        {
            Hardware = Hardware,
            Time = time ?? new NoonTime(),
            Generate = generate,
            Embed = embed,
            Problem = problem =>
            {
                lock (Problems) Problems.Add(problem);
            },
            SimulateSensor = static sensor => new Sensor(sensor,
                static () => [new Measurement("temperature", 21.5, "°C"), new Measurement("humidity", 45, "%"),
                    new Measurement("pressure", 1013, "hPa")]),
        });
        Host.Happened = happened =>
        {
            lock (Events) Events.Add(happened);
            if (happened is { Kind: AssistantEventKind.State, Text: "idle" or "confirming" }) _settled.Release();
        };
        _running = Host.RunAsync(_stop.Token);
    }

    private readonly SemaphoreSlim _settled = new(0);

    public FakeHardware Hardware { get; } = new();

    public AssistantHost Host { get; }

    public List<AssistantEvent> Events { get; } = [];

    public List<string> Problems { get; } = [];

    /// <summary>Outputs moved since the start: names in order.</summary>
    public IReadOnlyList<(string Name, int Level)> Moves
    {
        get
        {
            lock (Events)
                return [.. Events.Where(static one => one.Kind == AssistantEventKind.Device).Select(static one => (one.Text, one.Level))];
        }
    }

    public int LevelOf(string name) => Host.Devices.LevelOf(name);

    /// <summary>Says something and waits for the answer's end.</summary>
    public async Task<string> AskAsync(string text, Source source = Source.Voice)
    {
        int before;
        lock (Events) before = Events.Count;
        Host.Loop.Say(new TextRequest(text, source));
        return await SettleAsync(before);
    }

    /// <summary>Sends a signal and waits for the answer's end.</summary>
    public async Task<string> SignalAsync(AssistantSignal signal)
    {
        int before;
        lock (Events) before = Events.Count;
        Host.Loop.Signal(signal);
        return await SettleAsync(before);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _running.Wait(TestContext.Current.CancellationToken);
        Host.Dispose();
    }

    private async Task<string> SettleAsync(int before)
    {
        Assert.True(await _settled.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken), "no answer");
        lock (Events) return Events.Skip(before).LastOrDefault(static one => one.Kind == AssistantEventKind.Answered)?.Text ?? "";
    }
}

/// <summary>The system's clock, on a day that is noon.</summary>
internal sealed class NoonTime : TimeProvider
{
    private readonly long _began = System.GetTimestamp();

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 11, 29, 12, 0, 0, TimeSpan.Zero) + System.GetElapsedTime(_began);
}

/// <summary>A clock that moves when it is told, with its timers.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _turn = new();
    private readonly List<ManualTimer> _timers = [];
    private long _ticks;

    public DateTimeOffset Begin { get; init; } = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => Begin + TimeSpan.FromTicks(Volatile.Read(ref _ticks));

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>When the next timer is due, from now; null: none waits.</summary>
    public TimeSpan? Next
    {
        get { lock (_turn) return _timers.Count == 0 ? null : TimeSpan.FromTicks(_timers.Min(static timer => timer.Due) - _ticks); }
    }

    public void Advance(TimeSpan by)
    {
        long until = _ticks + by.Ticks;
        while (true)
        {
            ManualTimer? next;
            lock (_turn)
            {
                next = _timers.Where(timer => timer.Due <= until).MinBy(static timer => timer.Due);
                if (next is null)
                {
                    Volatile.Write(ref _ticks, until);
                    return;
                }
                Volatile.Write(ref _ticks, Math.Max(_ticks, next.Due));
                if (next.Period > 0) next.Due += next.Period;
                else _timers.Remove(next);
            }
            next.Fire();
        }
    }

    private sealed class ManualTimer(ManualTime time, Action fire) : ITimer
    {
        public long Due { get; set; }

        public long Period { get; private set; }

        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._turn)
            {
                time._timers.Remove(this);
                Period = period == Timeout.InfiniteTimeSpan ? 0 : period.Ticks;
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                Due = time._ticks + dueTime.Ticks;
                time._timers.Add(this);
            }
            return true;
        }

        public void Dispose()
        {
            lock (time._turn) time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
