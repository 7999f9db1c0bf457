namespace EdgeLlm.Devices.Outputs;

/// <summary>How a light shows a state.</summary>
public enum LightPattern
{
    /// <summary>Dark.</summary>
    Off,

    /// <summary>Steady.</summary>
    On,

    /// <summary>Four times a second.</summary>
    Blink,

    /// <summary>Slowly brighter and darker, every 2 s; where the light is not dimmable, a slow blink.</summary>
    Breathe,
}

/// <summary>The light that shows the assistant's state. It is an output that nobody but the assistant itself sets.</summary>
public sealed class StatusLight : IDisposable
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(40);

    private readonly Output _light;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _turn = new();
    private long _since;
    private int _shown = -1;

    /// <summary>Shows <see cref="LightPattern.Off"/> until it is told otherwise.</summary>
    public StatusLight(Output light, TimeProvider time)
    {
        (_light, _time, _since) = (light, time, time.GetTimestamp());
        _timer = time.CreateTimer(_ => Tick(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Pattern that is shown.</summary>
    public LightPattern Pattern { get; private set; }

    /// <summary>Shows a pattern from its beginning.</summary>
    public void Show(LightPattern pattern)
    {
        lock (_turn) (Pattern, _since) = (pattern, _time.GetTimestamp());
        bool moves = pattern is LightPattern.Blink or LightPattern.Breathe;
        _timer.Change(moves ? Step : Timeout.InfiniteTimeSpan, moves ? Step : Timeout.InfiniteTimeSpan);
        Tick();
    }

    /// <summary>Level of a pattern, 0 to 100, some time after its beginning.</summary>
    public static int LevelOf(LightPattern pattern, TimeSpan elapsed)
    {
        double seconds = elapsed.TotalSeconds, phase = seconds % 2;
        return pattern switch
        {
            LightPattern.On => 100,
            LightPattern.Blink => seconds % .25 < .125 ? 100 : 0,
            LightPattern.Breathe => (int)Math.Round(100 * (phase < 1 ? phase : 2 - phase)),
            _ => 0,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        _light.Dispose();
    }

    private void Tick()
    {
        lock (_turn)
        {
            int level = LevelOf(Pattern, _time.GetElapsedTime(_since));
            if (!_light.IsDimmable) level = level >= 50 ? 100 : 0;
            if (level == _shown) return;
            try
            {
                _light.Set(level);
                _shown = level;
            }
            catch (Exception exception) when (exception is DeviceException or ObjectDisposedException)
            {
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan); // a light that fails is not worth more
            }
        }
    }
}
