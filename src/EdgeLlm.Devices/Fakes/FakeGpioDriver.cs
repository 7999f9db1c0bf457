using System.Device.Gpio;

namespace EdgeLlm.Devices.Fakes;

/// <summary>A change of a line.</summary>
/// <param name="Line">Its number.</param>
/// <param name="IsHigh">Its new level.</param>
public readonly record struct LineChange(int Line, bool IsHigh);

/// <summary>A gpiochip in memory, which remembers every write.</summary>
public sealed class FakeGpioDriver : GpioDriver
{
    private const int Lines = 54;

    private readonly Lock _turn = new();
    private readonly bool[] _levels = new bool[Lines];
    private readonly PinMode?[] _modes = new PinMode?[Lines];
    private readonly PinChangeEventHandler?[] _handlers = new PinChangeEventHandler?[Lines];
    private readonly List<LineChange> _writes = [];

    private readonly string? _file;

    /// <summary>A chip.</summary>
    /// <param name="file">A file that keeps its levels, a character 0 or 1 for each line; null: none.</param>
    public FakeGpioDriver(string? file = null)
    {
        _file = file;
        if (file is null || !File.Exists(file)) return;
        string levels = File.ReadAllText(file);
        for (int line = 0; line < Math.Min(levels.Length, Lines); line++) _levels[line] = levels[line] == '1';
    }

    /// <summary>The writes so far, in order; of thousands the last ones.</summary>
    public IReadOnlyList<LineChange> Writes
    {
        get { lock (_turn) return [.. _writes]; }
    }

    /// <inheritdoc/>
    protected override int PinCount => Lines;

    /// <summary>The level of a line.</summary>
    public bool IsHigh(int line)
    {
        lock (_turn) return _levels[line];
    }

    /// <summary>Whether a line is open as an output.</summary>
    public bool IsOutput(int line)
    {
        lock (_turn) return _modes[line] == PinMode.Output;
    }

    /// <summary>Drives an input from outside, as a finger does.</summary>
    public void Drive(int line, bool isHigh)
    {
        PinChangeEventHandler? handler;
        lock (_turn)
        {
            if (_levels[line] == isHigh) return;
            _levels[line] = isHigh;
            handler = _handlers[line];
        }
        handler?.Invoke(this, new PinValueChangedEventArgs(isHigh ? PinEventTypes.Rising : PinEventTypes.Falling, line));
    }

    /// <inheritdoc/>
    protected override void OpenPin(int pinNumber)
    {
        lock (_turn) _modes[pinNumber] = PinMode.Input;
    }

    /// <inheritdoc/>
    protected override void ClosePin(int pinNumber)
    {
        lock (_turn) (_modes[pinNumber], _handlers[pinNumber]) = (null, null);
    }

    /// <inheritdoc/>
    protected override void SetPinMode(int pinNumber, PinMode mode)
    {
        lock (_turn)
        {
            _modes[pinNumber] = mode;
            if (mode == PinMode.InputPullUp) _levels[pinNumber] = true;
            if (mode == PinMode.InputPullDown) _levels[pinNumber] = false;
        }
    }

    /// <inheritdoc/>
    protected override void SetPinMode(int pinNumber, PinMode mode, PinValue initialValue)
    {
        SetPinMode(pinNumber, mode);
        Write(pinNumber, initialValue);
    }

    /// <inheritdoc/>
    protected override PinMode GetPinMode(int pinNumber)
    {
        lock (_turn) return _modes[pinNumber] ?? PinMode.Input;
    }

    /// <inheritdoc/>
    protected override bool IsPinModeSupported(int pinNumber, PinMode mode) => true;

    /// <inheritdoc/>
    protected override PinValue Read(int pinNumber) => IsHigh(pinNumber);

    /// <inheritdoc/>
    protected override void Toggle(int pinNumber) => Write(pinNumber, !IsHigh(pinNumber));

    /// <inheritdoc/>
    protected override void Write(int pinNumber, PinValue value)
    {
        lock (_turn)
        {
            if (_modes[pinNumber] != PinMode.Output) throw new InvalidOperationException($"line {pinNumber} is not an output");
            _levels[pinNumber] = value == PinValue.High;
            Recordings.Add(_writes, new LineChange(pinNumber, value == PinValue.High));
            if (_file is not null) File.WriteAllText(_file, string.Concat(_levels.Select(static level => level ? '1' : '0')));
        }
    }

    /// <inheritdoc/>
    protected override WaitForEventResult WaitForEvent(int pinNumber, PinEventTypes eventTypes, CancellationToken cancellationToken)
    {
        using var changed = new ManualResetEventSlim();
        PinEventTypes seen = PinEventTypes.None;
        void OnChange(object sender, PinValueChangedEventArgs change)
        {
            if (!eventTypes.HasFlag(change.ChangeType)) return;
            seen = change.ChangeType;
            changed.Set();
        }
        AddCallbackForPinValueChangedEvent(pinNumber, eventTypes, OnChange);
        try
        {
            changed.Wait(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return new WaitForEventResult { TimedOut = true };
        }
        finally
        {
            RemoveCallbackForPinValueChangedEvent(pinNumber, OnChange);
        }
        return new WaitForEventResult { EventTypes = seen };
    }

    /// <inheritdoc/>
    protected override void AddCallbackForPinValueChangedEvent(int pinNumber, PinEventTypes eventTypes, PinChangeEventHandler callback)
    {
        lock (_turn) _handlers[pinNumber] += callback;
    }

    /// <inheritdoc/>
    protected override void RemoveCallbackForPinValueChangedEvent(int pinNumber, PinChangeEventHandler callback)
    {
        lock (_turn) _handlers[pinNumber] -= callback;
    }
}
