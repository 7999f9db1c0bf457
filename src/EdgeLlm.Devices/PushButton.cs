using System.Device.Gpio;

namespace EdgeLlm.Devices;

/// <summary>Events of a button.</summary>
public enum ButtonEvent
{
    /// <summary>It went down.</summary>
    Pressed,

    /// <summary>It came up.</summary>
    Released,

    /// <summary>It came up soon, and no second press followed.</summary>
    Click,

    /// <summary>Two short presses.</summary>
    DoubleClick,

    /// <summary>It is down for long.</summary>
    Hold,
}

/// <summary>
/// Presses out of changes of a line: debounced, short, double and long, by a clock that never jumps. Pure: whoever feeds it says the time.
/// </summary>
/// <param name="tell">Is told of each event.</param>
public sealed class ButtonLogic(Action<ButtonEvent> tell)
{
    /// <summary>Changes within this time of the last one that counted are bounces.</summary>
    public static readonly TimeSpan Debounce = TimeSpan.FromMilliseconds(20);

    /// <summary>From this time on a press is long.</summary>
    public static readonly TimeSpan LongPress = TimeSpan.FromMilliseconds(700);

    /// <summary>A second press within this time makes the first a double one.</summary>
    public static readonly TimeSpan DoublePress = TimeSpan.FromMilliseconds(350);

    private bool _line, _isDown, _isLong;
    private TimeSpan _changed = TimeSpan.MinValue / 2, _pressed, _released = TimeSpan.MinValue / 2;
    private bool _awaitsSecond, _isSecond;

    /// <summary>The line changed.</summary>
    /// <param name="isPressed">Its level, as pressed or not.</param>
    /// <param name="now">Time of a clock that never jumps.</param>
    public void Change(bool isPressed, TimeSpan now)
    {
        _line = isPressed;
        Tick(now);
    }

    /// <summary>Time has passed: at least every 20 ms while anything is open.</summary>
    public void Tick(TimeSpan now)
    {
        if (_line != _isDown && now - _changed >= Debounce)
        {
            (_isDown, _changed) = (_line, now);
            if (_isDown) Press(now);
            else Release(now);
        }
        if (_isDown && !_isLong && now - _pressed >= LongPress)
        {
            _isLong = true;
            tell(ButtonEvent.Hold);
        }
        if (!_isDown && _awaitsSecond && now - _released >= DoublePress)
        {
            _awaitsSecond = false;
            tell(ButtonEvent.Click);
        }
    }

    private void Press(TimeSpan now)
    {
        (_isSecond, _awaitsSecond, _isLong, _pressed) = (_awaitsSecond, false, false, now);
        tell(ButtonEvent.Pressed);
    }

    private void Release(TimeSpan now)
    {
        tell(ButtonEvent.Released);
        if (_isLong) return;
        if (_isSecond) tell(ButtonEvent.DoubleClick);
        else (_awaitsSecond, _released) = (true, now);
    }
}

/// <summary>A push button on a line.</summary>
public sealed class PushButton : IDisposable
{
    private readonly GpioController _chip;
    private readonly DeviceSettings _settings;
    private readonly TimeProvider _time;
    private readonly ButtonLogic _logic;
    private readonly ITimer _timer;
    private readonly Lock _turn = new();

    /// <summary>Opens a button.</summary>
    /// <param name="tell">Is told of each event, on any thread, one at a time.</param>
    /// <exception cref="DeviceException">The line can't be opened.</exception>
    public PushButton(Hardware hardware, DeviceSettings settings, TimeProvider time, Action<ButtonEvent> tell)
    {
        (_chip, _settings, _time) = (hardware.Gpio(settings.Chip), settings, time);
        _logic = new ButtonLogic(tell);
        int line = settings.Line ?? throw new DeviceException($"{settings.Name} has no line");
        try
        {
            PinMode pulled = settings.IsActiveLow ? PinMode.InputPullUp : PinMode.InputPullDown;
            _chip.OpenPin(line, !settings.HasResistor && _chip.IsPinModeSupported(line, pulled) ? pulled : PinMode.Input);
            _chip.RegisterCallbackForPinValueChangedEvent(line, PinEventTypes.Rising | PinEventTypes.Falling, OnChange);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new DeviceException(
                $"{settings.Name}: line {line} can't be opened ({exception.Message.TrimEnd('.')}): does another program or overlay use it?",
                exception);
        }
        _timer = time.CreateTimer(_ => Tick(), null, ButtonLogic.Debounce, ButtonLogic.Debounce);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        _chip.UnregisterCallbackForPinValueChangedEvent(_settings.Line!.Value, OnChange);
        _chip.ClosePin(_settings.Line!.Value);
    }

    private TimeSpan Now => TimeSpan.FromTicks(_time.GetTimestamp() * TimeSpan.TicksPerSecond / _time.TimestampFrequency);

    private void OnChange(object sender, PinValueChangedEventArgs change)
    {
        lock (_turn) _logic.Change(change.ChangeType == PinEventTypes.Rising != _settings.IsActiveLow, Now);
    }

    private void Tick()
    {
        lock (_turn) _logic.Tick(Now);
    }
}
