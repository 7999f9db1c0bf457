using System.Device.Gpio;
using System.Device.I2c;
using Iot.Device.Ahtxx;
using Iot.Device.Am2320;
using Iot.Device.Bh1750fvi;
using Iot.Device.Bmp180;
using Iot.Device.Bmxx80;
using Iot.Device.CpuTemperature;
using Iot.Device.DHTxx;
using Iot.Device.Hcsr04;
using Iot.Device.Hcsr501;
using Iot.Device.Hts221;
using Iot.Device.Lm75;
using Iot.Device.Max44009;
using Iot.Device.Mcp9808;
using Iot.Device.Mlx90614;
using Iot.Device.OneWire;
using Iot.Device.Scd4x;
using Iot.Device.Sht3x;
using Iot.Device.Sht4x;
using Iot.Device.Shtc3;
using Iot.Device.Si7021;
using Iot.Device.Tsl256x;
using UnitsNet;

namespace EdgeLlm.Devices.Sensors;

/// <summary>Where a model of sensor is connected.</summary>
public enum SensorBus
{
    /// <summary>Nowhere: the machine itself.</summary>
    None,

    /// <summary>An address of an I2C bus.</summary>
    I2c,

    /// <summary>A line of a gpiochip.</summary>
    Line,

    /// <summary>Two lines: trigger and echo.</summary>
    TwoLines,

    /// <summary>The kernel's 1-Wire bus.</summary>
    OneWire,
}

/// <summary>A model of sensor.</summary>
public sealed class SensorModel
{
    internal SensorModel(string name, SensorBus bus, int address, IReadOnlyList<string> quantities,
        Func<Hardware, DeviceSettings, Sensor> open) =>
        (Name, Bus, Address, Quantities, Open) = (name, bus, address, quantities, open);

    /// <summary>As config names it.</summary>
    public string Name { get; }

    /// <summary>How it is connected.</summary>
    public SensorBus Bus { get; }

    /// <summary>Its usual I2C address; 0: none.</summary>
    public int Address { get; }

    /// <summary>Quantities that it measures; the first is the default.</summary>
    public IReadOnlyList<string> Quantities { get; }

    internal Func<Hardware, DeviceSettings, Sensor> Open { get; }
}

/// <summary>The models of sensors that are known, each by its binding of Iot.Device.Bindings.</summary>
public static class SensorCatalog
{
    private const string Temperature = "temperature", Humidity = "humidity", Pressure = "pressure", Light = "light", Distance = "distance",
        Motion = "motion", CarbonDioxide = "co2", Contact = "contact";

    private static readonly string[] Climate = [Temperature, Humidity];

    /// <summary>All models.</summary>
    public static IReadOnlyList<SensorModel> Models { get; } =
    [
        Of("cpu", SensorBus.None, 0, [Temperature],
            static (_, s) => Made(s, new CpuTemperature(), static d => [.. Celsius(d.IsAvailable ? d.Temperature : null)])),
        I2c("bme280", 0x76, [Temperature, Humidity, Pressure], static i => new Bme280(i), static d =>
        {
            var all = d.Read();
            return [.. Celsius(all.Temperature), .. Percent(all.Humidity), .. Hectopascals(all.Pressure)];
        }),
        I2c("bmp280", 0x76, [Temperature, Pressure], static i => new Bmp280(i), static d =>
        {
            var all = d.Read();
            return [.. Celsius(all.Temperature), .. Hectopascals(all.Pressure)];
        }),
        I2c("bmp180", 0x77, [Temperature, Pressure], static i => new Bmp180(i),
            static d => [.. Celsius(d.ReadTemperature()), .. Hectopascals(d.ReadPressure())]),
        I2c("sht3x", 0x44, Climate, static i => new Sht3x(i), static d => [.. Celsius(d.Temperature), .. Percent(d.Humidity)]),
        I2c("sht4x", 0x44, Climate, static i => new Sht4x(i), static d =>
        {
            (RelativeHumidity? humidity, Temperature? temperature) = d.ReadHumidityAndTemperature();
            return [.. Celsius(temperature), .. Percent(humidity)];
        }),
        I2c("shtc3", 0x70, Climate, static i => new Shtc3(i), static d =>
            d.TryGetTemperatureAndHumidity(out Temperature temperature, out RelativeHumidity humidity)
                ? [.. Celsius(temperature), .. Percent(humidity)] : []),
        I2c("aht10", 0x38, Climate, static i => new Aht10(i), static d => [.. Celsius(d.GetTemperature()), .. Percent(d.GetHumidity())]),
        I2c("aht20", 0x38, Climate, static i => new Aht20(i), static d => [.. Celsius(d.GetTemperature()), .. Percent(d.GetHumidity())]),
        I2c("am2320", 0x5C, Climate, static i => new Am2320(i), static d =>
            d.TryReadTemperature(out Temperature temperature) && d.TryReadHumidity(out RelativeHumidity humidity)
                ? [.. Celsius(temperature), .. Percent(humidity)] : []),
        I2c("hts221", 0x5F, Climate, static i => new Hts221(i), static d => [.. Celsius(d.Temperature), .. Percent(d.Humidity)]),
        I2c("si7021", 0x40, Climate, static i => new Si7021(i), static d => [.. Celsius(d.Temperature), .. Percent(d.Humidity)]),
        I2c("mcp9808", 0x18, [Temperature], static i => new Mcp9808(i), static d => [.. Celsius(d.Temperature)]),
        I2c("lm75", 0x48, [Temperature], static i => new Lm75(i), static d => [.. Celsius(d.Temperature)]),
        I2c("mlx90614", 0x5A, [Temperature], static i => new Mlx90614(i), static d => [.. Celsius(d.ReadObjectTemperature())]),
        I2c("bh1750", 0x23, [Light], static i => new Bh1750fvi(i), static d => [new Measurement(Light, d.Illuminance.Lux, "lx")]),
        I2c("tsl2561", 0x39, [Light], static i => new Tsl256x(i),
            static d => [new Measurement(Light, d.MeasureAndGetIlluminance().Lux, "lx")]),
        I2c("max44009", 0x4A, [Light], static i => new Max44009(i), static d => [new Measurement(Light, d.Illuminance, "lx")]),
        I2c("scd4x", 0x62, [CarbonDioxide, Temperature, Humidity], OpenScd4x, static d =>
        {
            (VolumeConcentration? gas, RelativeHumidity? humidity, Temperature? temperature) = d.ReadPeriodicMeasurement();
            return gas is { } parts
                ? [new Measurement(CarbonDioxide, parts.PartsPerMillion, "ppm"), .. Celsius(temperature), .. Percent(humidity)] : [];
        }),
        Of("ds18b20", SensorBus.OneWire, 0, [Temperature], OpenDs18b20),
        Of("dht11", SensorBus.Line, 0, Climate, static (h, s) => Dht(s, new Dht11(s.Line!.Value, h.Gpio(s.Chip), shouldDispose: false))),
        Of("dht22", SensorBus.Line, 0, Climate, static (h, s) => Dht(s, new Dht22(s.Line!.Value, h.Gpio(s.Chip), shouldDispose: false))),
        Of("hcsr04", SensorBus.TwoLines, 0, [Distance],
            static (h, s) => Made(s, new Hcsr04(h.Gpio(s.Chip), s.Line!.Value, s.SecondLine!.Value, shouldDispose: false), static d =>
            d.TryGetDistance(out Length distance) ? [new Measurement(Distance, distance.Centimeters, "cm")] : [])),
        Of("hcsr501", SensorBus.Line, 0, [Motion],
            static (h, s) => Made(s, new Hcsr501(s.Line!.Value, h.Gpio(s.Chip), shouldDispose: false),
                static d => [new Measurement(Motion, d.IsMotionDetected ? 1 : 0, "")])),
        Of("contact", SensorBus.Line, 0, [Contact], OpenContact),
    ];

    /// <summary>The model of a name in any case; null where there is none.</summary>
    public static SensorModel? Find(string name) =>
        Models.FirstOrDefault(model => model.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Opens a sensor.</summary>
    /// <exception cref="DeviceException">It can't be opened, or nothing answers at its address.</exception>
    public static Sensor Open(Hardware hardware, DeviceSettings settings)
    {
        SensorModel model = Find(settings.Model)
            ?? throw new DeviceException($"{settings.Name}: the sensor '{settings.Model}' is not known");
        try
        {
            return model.Open(hardware, settings);
        }
        // bindings throw any kind, System.Exception itself among them
        catch (Exception exception) when (exception is not (OutOfMemoryException or DeviceException))
        {
            string place = settings.I2c is { } i2c
                ? $" at address 0x{i2c.Address:X2} of I2C bus {i2c.Bus}: `i2cdetect -y {i2c.Bus}` shows what is there"
                : ": is it connected?";
            throw new DeviceException($"{settings.Name}: no {model.Name} answers{place} ({exception.Message.TrimEnd('.')})", exception);
        }
    }

    private static SensorModel Of(string name, SensorBus bus, int address, IReadOnlyList<string> quantities,
        Func<Hardware, DeviceSettings, Sensor> open) =>
        new(name, bus, address, quantities, open);

    private static SensorModel I2c<T>(string name, int address, IReadOnlyList<string> quantities, Func<I2cDevice, T> make,
        Func<T, IReadOnlyList<Measurement>> read) where T : IDisposable =>
        Of(name, SensorBus.I2c, address, quantities, (hardware, settings) =>
        {
            (int bus, int at) = settings.I2c ?? (1, address);
            I2cDevice device = hardware.I2c(bus, at);
            try
            {
                return Made(settings, make(device), read);
            }
            catch
            {
                device.Dispose();
                throw;
            }
        });

    private static Sensor Made<T>(DeviceSettings settings, T device, Func<T, IReadOnlyList<Measurement>> read) where T : IDisposable =>
        new(settings, () => read(device), device);

    private static Scd4x OpenScd4x(I2cDevice device)
    {
        var sensor = new Scd4x(device);
        sensor.StartPeriodicMeasurements();
        return sensor;
    }

    private static Sensor Dht(DeviceSettings settings, DhtBase device) => Made(settings, device, static d =>
        d.TryReadTemperature(out Temperature temperature) && d.TryReadHumidity(out RelativeHumidity humidity)
            ? [.. Celsius(temperature), .. Percent(humidity)] : []);

    private static Sensor OpenDs18b20(Hardware hardware, DeviceSettings settings) => new(settings, () =>
    {
        OneWireThermometerDevice? device = OneWireThermometerDevice.EnumerateDevices()
            .FirstOrDefault(one => settings.DeviceId.Length == 0 || one.DeviceId == settings.DeviceId);
        return device is null
            ? throw new DeviceException(
                $"{settings.Name}: there is no DS18B20 on the 1-Wire bus: `dtoverlay=w1-gpio` in config.txt turns the bus on")
                : Celsius(device.ReadTemperature());
    });

    private static Sensor OpenContact(Hardware hardware, DeviceSettings settings)
    {
        GpioController chip = hardware.Gpio(settings.Chip);
        int line = settings.Line!.Value;
        chip.OpenPin(line, settings.HasResistor ? PinMode.Input : settings.IsActiveLow ? PinMode.InputPullUp : PinMode.InputPullDown);
        return new Sensor(settings, () => [new Measurement(Contact, chip.Read(line) == PinValue.High != settings.IsActiveLow ? 1 : 0, "")]);
    }

    private static Measurement[] Celsius(Temperature? value) =>
        value is { } given ? [new Measurement(Temperature, given.DegreesCelsius, "°C")] : [];

    private static Measurement[] Percent(RelativeHumidity? value) =>
        value is { } given ? [new Measurement(Humidity, given.Percent, "%")] : [];

    private static Measurement[] Hectopascals(Pressure? value) =>
        value is { } given ? [new Measurement(Pressure, given.Hectopascals, "hPa")] : [];
}
