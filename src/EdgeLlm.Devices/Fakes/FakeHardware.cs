using System.Device.Gpio;
using System.Device.I2c;
using System.Device.Pwm;
using System.Device.Spi;

namespace EdgeLlm.Devices.Fakes;

/// <summary>Pins and buses in memory: for tests, and for trying an assistant without a Raspberry Pi.</summary>
/// <param name="linesFile">A file that keeps the levels of the header's lines, as a kernel keeps them when a process dies; null: they end
/// with the process.</param>
public sealed class FakeHardware(string? linesFile = null) : Hardware
{
    private readonly Dictionary<int, FakeGpioDriver> _drivers = [];
    private readonly Dictionary<(int Bus, int Address), FakeI2cDevice> _i2c = [];
    private readonly Dictionary<(int Bus, int ChipSelect), FakeSpiDevice> _spi = [];
    private readonly Dictionary<(int Chip, int Channel), FakePwmChannel> _pwm = [];

    /// <summary>The lines of a chip; null: of the header.</summary>
    public FakeGpioDriver Lines(int? chip = null) => Get(_drivers, chip ?? -1, number => new FakeGpioDriver(number < 0 ? linesFile : null));

    /// <summary>Device at an address of an I2C bus.</summary>
    public FakeI2cDevice I2cAt(int bus, int address) => Get(_i2c, (bus, address), static at => new FakeI2cDevice(at.Item1, at.Item2));

    /// <summary>Device on an SPI bus.</summary>
    public FakeSpiDevice SpiAt(int bus, int chipSelect) => Get(_spi, (bus, chipSelect), static at => new FakeSpiDevice(at.Item1, at.Item2));

    /// <summary>A PWM channel.</summary>
    public FakePwmChannel PwmAt(int chip, int channel) => Get(_pwm, (chip, channel), static _ => new FakePwmChannel());

    /// <inheritdoc/>
    protected override GpioController OpenChip(int? chip) => new(Lines(chip));

    /// <inheritdoc/>
    protected override I2cDevice OpenI2c(int bus, int address) => I2cAt(bus, address);

    /// <inheritdoc/>
    protected override SpiDevice OpenSpi(int bus, int chipSelect, int clock) => SpiAt(bus, chipSelect);

    /// <inheritdoc/>
    protected override PwmChannel OpenPwm(int chip, int channel, int frequency) => PwmAt(chip, channel);

    private static TValue Get<TKey, TValue>(Dictionary<TKey, TValue> all, TKey key, Func<TKey, TValue> make) where TKey : notnull
    {
        if (!all.TryGetValue(key, out TValue? value)) all[key] = value = make(key);
        return value;
    }
}

/// <summary>Memory of fake devices, bounded: a simulation of days takes no more memory than one of an hour.</summary>
internal static class Recordings
{
    private const int Most = 4096;

    public static void Add<T>(List<T> all, T item)
    {
        if (all.Count == Most) all.RemoveRange(0, Most / 2);
        all.Add(item);
    }
}

/// <summary>An I2C device in memory: registers that answer, and every write.</summary>
public sealed class FakeI2cDevice(int bus, int address) : I2cDevice
{
    private readonly List<byte[]> _writes = [];

    /// <summary>The writes so far, each as it came; of thousands the last ones.</summary>
    public IReadOnlyList<byte[]> Writes => _writes;

    /// <summary>
    /// Answers by the bytes that were written before the read, from the longest that the write begins with; else by the first byte (the
    /// register) plus one for each byte read.
    /// </summary>
    public Dictionary<string, byte[]> Answers { get; } = [];

    /// <summary>Bytes of registers.</summary>
    public Dictionary<byte, byte> Registers { get; } = [];

    /// <summary>Makes reads and writes fail, as where nothing is connected.</summary>
    public bool IsMissing { get; set; }

    /// <inheritdoc/>
    public override I2cConnectionSettings ConnectionSettings { get; } = new(bus, address);

    /// <summary>Sets a register and those after it.</summary>
    public void SetRegisters(byte first, params ReadOnlySpan<byte> values)
    {
        for (int i = 0; i < values.Length; i++) Registers[(byte)(first + i)] = values[i];
    }

    /// <inheritdoc/>
    public override void Read(Span<byte> buffer)
    {
        RequirePresent();
        byte[] asked = _writes.Count > 0 ? _writes[^1] : [];
        string key = Convert.ToHexString(asked);
        if (Answers.Where(answer => key.StartsWith(answer.Key, StringComparison.Ordinal)).OrderByDescending(answer => answer.Key.Length)
            .FirstOrDefault() is { Value: { } bytes })
        {
            buffer.Clear();
            bytes.AsSpan(0, Math.Min(bytes.Length, buffer.Length)).CopyTo(buffer);
            return;
        }
        for (int i = 0; i < buffer.Length; i++) buffer[i] = Registers.GetValueOrDefault((byte)((asked.Length > 0 ? asked[0] : 0) + i));
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        RequirePresent();
        Recordings.Add(_writes, buffer.ToArray());
    }

    /// <inheritdoc/>
    public override void WriteRead(ReadOnlySpan<byte> writeBuffer, Span<byte> readBuffer)
    {
        Write(writeBuffer);
        Read(readBuffer);
    }

    private void RequirePresent()
    {
        if (IsMissing) throw new IOException("Error 121 performing I2C data transfer.");
    }
}

/// <summary>An SPI device in memory, which remembers every write.</summary>
public sealed class FakeSpiDevice(int bus, int chipSelect) : SpiDevice
{
    private readonly List<byte[]> _writes = [];

    /// <summary>The writes so far; of thousands the last ones.</summary>
    public IReadOnlyList<byte[]> Writes => _writes;

    /// <inheritdoc/>
    public override SpiConnectionSettings ConnectionSettings { get; } = new(bus, chipSelect);

    /// <inheritdoc/>
    public override void Read(Span<byte> buffer) => buffer.Clear();

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer) => Recordings.Add(_writes, buffer.ToArray());

    /// <inheritdoc/>
    public override void TransferFullDuplex(ReadOnlySpan<byte> writeBuffer, Span<byte> readBuffer)
    {
        Write(writeBuffer);
        Read(readBuffer);
    }
}

/// <summary>A PWM channel in memory.</summary>
public sealed class FakePwmChannel : PwmChannel
{
    private double _duty;

    /// <inheritdoc/>
    public override int Frequency { get; set; } = 1000;

    /// <summary>The duties that were set, in order; of thousands the last ones.</summary>
    public List<double> Duties { get; } = [];

    /// <summary>Whether it runs.</summary>
    public bool IsRunning { get; private set; }

    /// <inheritdoc/>
    public override double DutyCycle
    {
        get => _duty;
        set
        {
            _duty = value;
            Recordings.Add(Duties, value);
        }
    }

    /// <inheritdoc/>
    public override void Start() => IsRunning = true;

    /// <inheritdoc/>
    public override void Stop() => IsRunning = false;
}
