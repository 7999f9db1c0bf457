using System.Device.Gpio;
using System.Device.Pwm;
using System.Drawing;
using Iot.Device.Ws28xx;

namespace EdgeLlm.Devices.Outputs;

/// <summary>
/// Something that acts. It is in its safe state when it is opened and when it is disposed of. Safe for use by several threads.
/// </summary>
public abstract class Output : IDisposable
{
    private readonly Lock _turn = new();
    private bool _isDisposed;

    /// <summary>An output; whoever derives from it sets the safe state.</summary>
    protected Output(DeviceSettings settings) => Settings = settings;

    /// <summary>Name, kind and connection.</summary>
    public DeviceSettings Settings { get; }

    /// <summary>Whether it has more states than on and off.</summary>
    public abstract bool IsDimmable { get; }

    /// <summary>0: off, 100: fully on.</summary>
    public int Level { get; private set; }

    /// <summary>Changes so far, the first being the safe state.</summary>
    public int Changes { get; private set; }

    /// <summary>Opens an output and puts it into its safe state.</summary>
    /// <exception cref="DeviceException">It can't be opened.</exception>
    public static Output Open(Hardware hardware, DeviceSettings settings) => settings switch
    {
        { Kind: DeviceKind.Strip, Spi: { } spi } => new StripOutput(settings, hardware.Spi(spi.Bus, spi.ChipSelect, StripOutput.Clock)),
        { Pwm: { } pwm } => new PwmOutput(settings, hardware.Pwm(pwm.Chip, pwm.Channel, PwmOutput.Frequency)),
        { Line: { } line } => new LineOutput(settings, hardware.Gpio(settings.Chip), line),
        _ => throw new DeviceException($"{settings.Name} has neither a line nor a channel"),
    };

    /// <summary>Sets the level.</summary>
    /// <param name="level">0 to 100; where the output is not dimmable, anything above 0 is on.</param>
    /// <exception cref="DeviceException">The device does not answer.</exception>
    public void Set(int level)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, 100);
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            Change(IsDimmable ? level : level > 0 ? 100 : 0);
        }
    }

    /// <summary>Back to the safe state, whatever was set.</summary>
    public void MakeSafe() => Set(SafeLevel);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_turn)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            try
            {
                Change(SafeLevel);
            }
            catch (DeviceException)
            {
                // It is gone: there is nothing that could be switched.
            }
            Close();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Level of the safe state.</summary>
    protected int SafeLevel => Settings.IsSafeOn ? 100 : 0;

    /// <summary>Tells the device.</summary>
    protected abstract void Write(int level);

    /// <summary>Lets go of the device.</summary>
    protected abstract void Close();

    /// <summary>Remembers and tells a level.</summary>
    protected void Change(int level)
    {
        try
        {
            Write(level);
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException or UnauthorizedAccessException)
        {
            throw new DeviceException($"{Settings.Name} does not answer ({exception.Message})", exception);
        }
        (Level, Changes) = (level, Changes + 1);
    }
}

/// <summary>One line, on or off.</summary>
internal sealed class LineOutput : Output
{
    private readonly GpioController _chip;
    private readonly int _line;

    public LineOutput(DeviceSettings settings, GpioController chip, int line) : base(settings)
    {
        (_chip, _line) = (chip, line);
        try
        {
            _chip.OpenPin(line, PinMode.Output, ValueOf(SafeLevel)); // never a moment in another state
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new DeviceException(
                $"{settings.Name}: line {line} can't be opened ({exception.Message.TrimEnd('.')}): does another program or overlay use it?",
                exception);
        }
        Change(SafeLevel);
    }

    public override bool IsDimmable => false;

    protected override void Write(int level) => _chip.Write(_line, ValueOf(level));

    protected override void Close() => _chip.ClosePin(_line);

    private PinValue ValueOf(int level) => level > 0 != Settings.IsActiveLow;
}

/// <summary>A light on a PWM channel. What the eye sees grows with the duty's square root, so the duty is the level squared.</summary>
internal sealed class PwmOutput : Output
{
    public const int Frequency = 1000;

    private readonly PwmChannel _channel;

    public PwmOutput(DeviceSettings settings, PwmChannel channel) : base(settings)
    {
        _channel = channel;
        Change(SafeLevel);
        _channel.Start();
    }

    public override bool IsDimmable => true;

    protected override void Write(int level)
    {
        double share = level / 100.0;
        _channel.DutyCycle = Settings.IsActiveLow ? 1 - share * share : share * share;
    }

    protected override void Close()
    {
        if (SafeLevel == 0 && !Settings.IsActiveLow) _channel.Stop();
        _channel.Dispose();
    }
}

/// <summary>A strip of WS2812 lights, in warm white unless a color was set.</summary>
internal sealed class StripOutput : Output
{
    /// <summary>Three bits of SPI are one of the strip: 2.4 MHz.</summary>
    public const int Clock = 2_400_000;

    private readonly System.Device.Spi.SpiDevice _spi;
    private readonly Ws2812b _strip;

    public StripOutput(DeviceSettings settings, System.Device.Spi.SpiDevice spi) : base(settings)
    {
        _spi = spi;
        _strip = new Ws2812b(spi, settings.Pixels);
        Change(SafeLevel);
    }

    public override bool IsDimmable => true;

    /// <summary>Color of a full level; shows with the next <see cref="Output.Set"/>.</summary>
    public Color Color { get; set; } = Color.FromArgb(255, 190, 120);

    protected override void Write(int level)
    {
        var color = Color.FromArgb(Color.R * level / 100, Color.G * level / 100, Color.B * level / 100);
        for (int x = 0; x < Settings.Pixels; x++) _strip.Image.SetPixel(x, 0, color);
        _strip.Update();
    }

    protected override void Close() => _spi.Dispose();
}
