using System.Globalization;
using EdgeLlm.Devices.Outputs;
using EdgeLlm.Devices.Screens;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Devices.Fakes;

/// <summary>Result of one check.</summary>
/// <param name="Name">Such as `bme280`.</param>
/// <param name="Problem">What is wrong; null: nothing.</param>
public sealed record SelfTestResult(string Name, string? Problem);

/// <summary>
/// Every kind of device on fakes of pins and buses: the bytes that are sent are those of the data sheets, and the bytes that a sensor would
/// answer become the values of their examples. Part of the program, as the bindings' libraries are not annotated for ahead-of-time
/// compilation: only the native program itself can show that they work in it.
/// </summary>
public static class SelfTest
{
    /// <summary>Runs all checks; takes some seconds, as sensors are waited for as long as real ones.</summary>
    public static IReadOnlyList<SelfTestResult> Run() =>
    [
        Try("light on a line", CheckLine), Try("light on a line, active low, safe on", CheckActiveLow), Try("light on PWM", CheckPwm),
        Try("strip ws2812", CheckStrip),
        Try("button", CheckButton), Try("status light", CheckStatus), Try("buzzer", CheckBuzzer),
        Try("ssd1306 128x64", static () => CheckOled(64)), Try("ssd1306 128x32", static () => CheckOled(32)),
        Try("lcd1602", static () => CheckLcd("lcd1602", 16, 2)), Try("lcd2004", static () => CheckLcd("lcd2004", 20, 4)),
        .. SensorExamples.All.Select(static example => Try(example.Model, () => CheckSensor(example))),
        Try("contact", static () => CheckInput("contact")), Try("hcsr501", static () => CheckInput("hcsr501")), Try("cpu", CheckProcessor),
        Try("a sensor that does not answer", CheckMissing), Try("a sensor that answers nonsense", CheckNonsense),
    ];

    private static SelfTestResult Try(string name, Action check)
    {
        try
        {
            check();
            return new SelfTestResult(name, null);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return new SelfTestResult(name, $"{exception.GetType().Name}: {exception.Message}");
        }
    }

    private static void CheckLine()
    {
        using var hardware = new FakeHardware();
        FakeGpioDriver lines = hardware.Lines();
        using (Output light = Output.Open(hardware, new DeviceSettings { Name = "light", Kind = DeviceKind.Light, Line = 17 }))
        {
            Require(lines.IsOutput(17), "the line is not an output");
            light.Set(70);
            light.Set(0);
            light.Set(100);
        }
        RequireChanges(lines, [new(17, false), new(17, false), new(17, true), new(17, false), new(17, true), new(17, false)]);
    }

    private static void CheckActiveLow()
    {
        using var hardware = new FakeHardware();
        using (Output light = Output.Open(hardware,
            new DeviceSettings { Name = "light", Kind = DeviceKind.Light, Line = 4, IsActiveLow = true, IsSafeOn = true }))
            light.Set(0);
        RequireChanges(hardware.Lines(),
            [new(4, false), new(4, false), new(4, true), new(4, false)]); // on is low: safe before it is an output, and at the end
    }

    private static void CheckPwm()
    {
        using var hardware = new FakeHardware();
        using (Output light = Output.Open(hardware, new DeviceSettings { Name = "lamp", Kind = DeviceKind.Light, Pwm = (0, 1) }))
        {
            Require(hardware.PwmAt(0, 1).IsRunning, "the channel does not run");
            light.Set(50);
            light.Set(100);
        }
        RequireEqual(
            string.Join(" ", hardware.PwmAt(0, 1).Duties.Select(static duty => duty.ToString("0.##", CultureInfo.InvariantCulture))),
            "0 0.25 1 0", "duties");
        Require(!hardware.PwmAt(0, 1).IsRunning, "the channel still runs");
    }

    /// <summary>
    /// Three bits of SPI are one of the strip, 100 for 0 and 110 for 1; green, red, blue (WorldSemi's data sheet of the WS2812B).
    /// </summary>
    private static void CheckStrip()
    {
        using var hardware = new FakeHardware();
        using (Output strip =
            Output.Open(hardware, new DeviceSettings { Name = "strip", Kind = DeviceKind.Strip, Spi = (0, 0), Pixels = 2 }))
        {
            ((StripOutput)strip).Color = System.Drawing.Color.FromArgb(255, 0, 15);
            strip.Set(100);
        }
        IReadOnlyList<byte[]> writes = hardware.SpiAt(0, 0).Writes;
        RequireEqual(writes.Count, 3, "writes");
        RequireEqual(Bits(writes[1]), Pixel(0, 255, 15) + Pixel(0, 255, 15), "bits of red with some blue");
        RequireEqual(Bits(writes[2]), Pixel(0, 0, 0) + Pixel(0, 0, 0), "bits of the safe state");

        static string Pixel(params int[] greenRedBlue) =>
            string.Concat(greenRedBlue.Select(static value =>
                string.Concat(Enumerable.Range(0, 8).Select(i => (value >> (7 - i) & 1) != 0 ? "110" : "100"))));
        static string Bits(byte[] bytes) =>
            string.Concat(bytes.Select(static value => Convert.ToString(value, 2).PadLeft(8, '0')))[..(2 * 3 * 8 * 3)];
    }

    private static void CheckButton()
    {
        using var hardware = new FakeHardware();
        var seen = new List<ButtonEvent>();
        using var button = new PushButton(hardware,
            new DeviceSettings { Name = "button", Kind = DeviceKind.Button, Line = 23, IsActiveLow = true }, TimeProvider.System, what =>
        {
            lock (seen) seen.Add(what);
        });
        hardware.Lines().Drive(23, false);
        Wait(ButtonEvent.Pressed);
        hardware.Lines().Drive(23, true);
        Wait(ButtonEvent.Released);
        Wait(ButtonEvent.Click);

        void Wait(ButtonEvent what)
        {
            for (int i = 0; i < 500; i++)
            {
                lock (seen)
                {
                    if (seen.Contains(what)) return;
                }
                Thread.Sleep(10);
            }
            throw new InvalidOperationException($"no {what} in 5 s");
        }
    }

    private static void CheckStatus()
    {
        using var hardware = new FakeHardware();
        using (var status = new StatusLight(
            Output.Open(hardware, new DeviceSettings { Name = "status", Kind = DeviceKind.Status, Line = 24 }), TimeProvider.System))
        {
            status.Show(LightPattern.On);
            Require(hardware.Lines().IsHigh(24), "the light is not on");
            status.Show(LightPattern.Off);
            Require(!hardware.Lines().IsHigh(24), "the light is not off");
            status.Show(LightPattern.Blink);
            Require(hardware.Lines().IsHigh(24), "the light does not blink");
        }
        Require(!hardware.Lines().IsHigh(24), "the light stays on at the end");
    }

    private static void CheckBuzzer()
    {
        using var hardware = new FakeHardware();
        FakePwmChannel channel = hardware.PwmAt(0, 0);
        using (var tones = new ToneMaker(hardware.Pwm(0, 0, 440)))
            tones.PlayAsync([880, 0], TimeProvider.System, CancellationToken.None).Wait();
        RequireEqual(channel.Frequency, 880, "hertz");
        Require(!channel.IsRunning, "the buzzer still sounds");
    }

    /// <summary>Commands of the SSD1306's data sheet (rev. 1.1, section 9), and the frame's bytes page by page.</summary>
    private static void CheckOled(int height)
    {
        using var hardware = new FakeHardware();
        FakeI2cDevice device = hardware.I2cAt(1, 0x3C);
        using (var screen = (OledScreen)TextScreen.Open(hardware,
            new DeviceSettings { Name = "display", Kind = DeviceKind.Display, Model = "ssd1306", I2c = (1, 0x3C), Height = height }))
        {
            RequireEqual(Convert.ToHexString(device.Writes[0]),
                $"00AED580A8{height - 1:X2}D300408D142000A1C8DA{(height == 64 ? "12" : "02")}818FD9F1DB40A4A6",
                "commands of the beginning");
            RequireEqual(Convert.ToHexString(device.Writes[^1]), "00AF", "the command that turns it on");
            RequireEqual(device.Writes.Count, 2 + 2 * height / 8, "writes of the beginning");
            int before = device.Writes.Count;
            screen.Show("idle", "");
            IReadOnlyList<byte[]> writes = [.. device.Writes.Skip(before)];
            Require(writes.Count > 0 && writes.Count % 2 == 0, "nothing is drawn");
            for (int i = 0; i < writes.Count; i += 2)
            {
                int page = writes[i][5];
                RequireEqual(Convert.ToHexString(writes[i]), $"0021007F22{page:X2}{page:X2}", "the command before a page");
                RequireEqual(Convert.ToHexString(writes[i + 1]),
                    "40" + Convert.ToHexString(screen.Frame.Bytes, page * 128, 128), $"page {page}");
            }
            before = device.Writes.Count;
            screen.Show("idle", "");
            RequireEqual(device.Writes.Count, before, "writes where nothing has changed");
        }
        RequireEqual(Convert.ToHexString(device.Writes[^1]), "00AE", "the command that turns it off");
    }

    /// <summary>Characters over a PCF8574: upper half, then lower half, each with the enable bit on and off.</summary>
    private static void CheckLcd(string model, int columns, int rows)
    {
        using var hardware = new FakeHardware();
        FakeI2cDevice device = hardware.I2cAt(1, 0x27);
        using TextScreen screen =
            TextScreen.Open(hardware, new DeviceSettings { Name = "display", Kind = DeviceKind.Display, Model = model, I2c = (1, 0x27) });
        RequireEqual((screen.Columns, screen.Rows), (columns, rows), "columns and rows");
        int before = device.Writes.Count;
        screen.Show("idle", "Grüße");
        string text = TextOf(device.Writes.Skip(before));
        Require(text.Contains("idle", StringComparison.Ordinal) && text.Contains("Gruse", StringComparison.Ordinal), $"shows '{text}'");
    }

    /// <summary>
    /// Text that a display reads from the backpack's bytes: bit 0 register select, bit 2 enable, the upper four bits data, taken when
    /// enable falls.
    /// </summary>
    private static string TextOf(IEnumerable<byte[]> writes)
    {
        var text = new System.Text.StringBuilder();
        int before = 0, half = -1;
        foreach (byte value in writes.SelectMany(static bytes => bytes))
        {
            bool falls = (before & 4) != 0 && (value & 4) == 0, isText = (value & 1) != 0;
            before = value;
            if (!falls) continue;
            if (!isText) half = half < 0 ? 0 : -1; // of a command
            else if (half < 0) half = value & 0xF0;
            else
            {
                text.Append((char)(half | value >> 4));
                half = -1;
            }
        }
        return text.ToString();
    }

    private static void CheckSensor(SensorExample example)
    {
        using var hardware = new FakeHardware();
        SensorModel model = SensorCatalog.Find(example.Model)!;
        example.Fill(hardware.I2cAt(1, model.Address));
        using Sensor sensor = SensorCatalog.Open(hardware,
            new DeviceSettings { Name = example.Model, Kind = DeviceKind.Sensor, Model = example.Model, I2c = (1, model.Address) });
        IReadOnlyList<Measurement> read = sensor.Read();
        foreach ((string quantity, double least, double most) in example.Expected)
        {
            double value = read.First(one => one.Quantity == quantity).Value;
            Require(value >= least && value <= most, $"{quantity} is {value:0.###}, expected {least} to {most}");
        }
        RequireEqual(string.Join(" ", read.Select(static one => one.Quantity)), string.Join(" ", model.Quantities), "quantities");
    }

    private static void CheckInput(string model)
    {
        using var hardware = new FakeHardware();
        using Sensor sensor =
            SensorCatalog.Open(hardware, new DeviceSettings { Name = model, Kind = DeviceKind.Sensor, Model = model, Line = 5 });
        hardware.Lines().Drive(5, true);
        RequireEqual(sensor.Read()[0].Value, 1, "value of a high line");
        hardware.Lines().Drive(5, false);
        RequireEqual(sensor.Read()[0].Value, 0, "value of a low line");
    }

    private static void CheckProcessor()
    {
        using var hardware = new FakeHardware();
        using Sensor sensor = SensorCatalog.Open(hardware, new DeviceSettings { Name = "cpu", Kind = DeviceKind.Sensor, Model = "cpu" });
        try
        {
            Require(sensor.Read()[0].Value is > -40 and < 150, "the processor's temperature makes no sense");
        }
        catch (DeviceException)
        {
            // A virtual machine has none, and that is what it says.
        }
    }

    private static void CheckMissing()
    {
        using var hardware = new FakeHardware();
        hardware.I2cAt(1, 0x76).IsMissing = true;
        try
        {
            using Sensor sensor = SensorCatalog.Open(hardware,
                new DeviceSettings { Name = "living room", Kind = DeviceKind.Sensor, Model = "bme280", I2c = (1, 0x76) });
        }
        catch (DeviceException exception)
        {
            Require(exception.Message.Contains("living room: no bme280 answers at address 0x76 of I2C bus 1", StringComparison.Ordinal),
                $"says: {exception.Message}");
            return;
        }
        throw new InvalidOperationException("it was opened");
    }

    /// <summary>
    /// Every sensor whose registers are all zeros or all ones: a value, or an error of ours that names it; some bindings throw
    /// System.Exception itself.
    /// </summary>
    private static void CheckNonsense()
    {
        foreach (SensorExample example in SensorExamples.All.Where(static example =>
            example.Model is not ("scd4x" or "tsl2561"))) // these wait for half a second and more
        {
            foreach (byte value in (byte[])[0, 0xFF])
            {
                using var hardware = new FakeHardware();
                int address = SensorCatalog.Find(example.Model)!.Address;
                hardware.I2cAt(1, address).Answers[""] = [.. Enumerable.Repeat(value, 64)];
                if (value == 0xFF && example.Model is "aht10" or "aht20") continue; // busy for ever: the tool's time limit ends it
                try
                {
                    using Sensor sensor = SensorCatalog.Open(hardware,
                        new DeviceSettings { Name = example.Model, Kind = DeviceKind.Sensor, Model = example.Model, I2c = (1, address) });
                    sensor.Read();
                }
                catch (DeviceException exception)
                {
                    Require(exception.Message.Contains(example.Model, StringComparison.Ordinal), exception.Message);
                }
            }
        }
    }

    private static void RequireChanges(FakeGpioDriver lines, LineChange[] expected) =>
        RequireEqual(string.Join(" ", lines.Writes), string.Join(" ", expected), "levels");

    private static void RequireEqual<T>(T actual, T expected, string what) =>
        Require(EqualityComparer<T>.Default.Equals(actual, expected), $"{what}: {actual}, expected {expected}");

    private static void Require(bool condition, string problem)
    {
        if (!condition) throw new InvalidOperationException(problem);
    }
}
