using System.Device.Gpio;
using System.Device.Gpio.Drivers;
using System.Device.I2c;
using System.Device.Pwm;
using System.Device.Spi;

namespace EdgeLlm.Devices;

/// <summary>
/// Opens the pins and buses of this machine. The devices that it opens are the caller's; the chips of pins are shared and its own.
/// </summary>
public class Hardware : IDisposable
{
    private readonly Dictionary<int, GpioController> _chips = [];

    /// <summary>The lines of a gpiochip.</summary>
    /// <param name="chip">Its number, as in /dev/gpiochip0; null: the one whose lines are on the board's header.</param>
    /// <exception cref="DeviceException">There is no such chip, or it can't be opened.</exception>
    public GpioController Gpio(int? chip)
    {
        if (_chips.TryGetValue(chip ?? -1, out GpioController? open)) return open;
        return _chips[chip ?? -1] = Try(chip is null ? "the header's GPIO lines" : $"/dev/gpiochip{chip}",
            "is the user in the group gpio, and libgpiod installed?", () => OpenChip(chip));
    }

    /// <summary>Opens a device on an I2C bus.</summary>
    /// <exception cref="DeviceException">It can't be opened.</exception>
    public I2cDevice I2c(int bus, int address) =>
        Try($"/dev/i2c-{bus}", "`sudo raspi-config nonint do_i2c 0` turns the bus on; the user must be in the group i2c",
            () => OpenI2c(bus, address));

    /// <summary>Opens a device on an SPI bus.</summary>
    /// <param name="clock">Bits a second.</param>
    /// <exception cref="DeviceException">It can't be opened.</exception>
    public SpiDevice Spi(int bus, int chipSelect, int clock) =>
        Try($"/dev/spidev{bus}.{chipSelect}", "`sudo raspi-config nonint do_spi 0` turns the bus on; the user must be in the group spi",
            () => OpenSpi(bus, chipSelect, clock));

    /// <summary>Opens a channel of a PWM chip, stopped.</summary>
    /// <param name="frequency">Periods a second.</param>
    /// <exception cref="DeviceException">It can't be opened.</exception>
    public PwmChannel Pwm(int chip, int channel, int frequency) =>
        Try($"/sys/class/pwm/pwmchip{chip} channel {channel}", "`dtoverlay=pwm-2chan` in config.txt turns it on",
            () => OpenPwm(chip, channel, frequency));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (GpioController chip in _chips.Values) chip.Dispose();
        _chips.Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>Opens a chip. A fake opens its own.</summary>
    protected virtual GpioController OpenChip(int? chip)
    {
        if (chip is not { } number) return new GpioController();
        GpioDriver driver;
        try
        {
            driver = new LibGpiodV2Driver(number); // libgpiod 2 (Trixie)
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            driver = new LibGpiodDriver(number); // libgpiod 1 (Bookworm)
        }
        return new GpioController(driver);
    }

    /// <summary>Opens an I2C device.</summary>
    protected virtual I2cDevice OpenI2c(int bus, int address)
    {
        if (!File.Exists($"/dev/i2c-{bus}")) throw new FileNotFoundException("there is no such bus");
        return I2cDevice.Create(new I2cConnectionSettings(bus, address));
    }

    /// <summary>Opens an SPI device.</summary>
    protected virtual SpiDevice OpenSpi(int bus, int chipSelect, int clock)
    {
        if (!File.Exists($"/dev/spidev{bus}.{chipSelect}")) throw new FileNotFoundException("there is no such bus");
        return SpiDevice.Create(
            new SpiConnectionSettings(bus, chipSelect) { ClockFrequency = clock, Mode = SpiMode.Mode0, DataBitLength = 8 });
    }

    /// <summary>Opens a PWM channel.</summary>
    protected virtual PwmChannel OpenPwm(int chip, int channel, int frequency) => PwmChannel.Create(chip, channel, frequency, 0);

    private static T Try<T>(string what, string advice, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception exception) when (exception is not (OutOfMemoryException or DeviceException))
        {
            Exception inner = exception is TypeInitializationException { InnerException: { } cause } ? cause : exception;
            throw new DeviceException($"{what} can't be opened ({inner.Message.TrimEnd('.')}): {advice}", exception);
        }
    }
}

/// <summary>A device can't be opened, or does not do what it is asked for. The message says which, and what helps.</summary>
public sealed class DeviceException : IOException
{
    /// <inheritdoc/>
    public DeviceException(string message) : base(message)
    {
    }

    /// <inheritdoc/>
    public DeviceException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <inheritdoc/>
    public DeviceException()
    {
    }
}
