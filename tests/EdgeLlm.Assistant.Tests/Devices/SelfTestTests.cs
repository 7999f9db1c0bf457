using EdgeLlm.Devices;
using EdgeLlm.Devices.Fakes;
using EdgeLlm.Devices.Outputs;
using EdgeLlm.Devices.Screens;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Tests.Devices;

public sealed class SelfTestTests
{
    [Fact]
    public void Every_kind_of_device_sends_and_reads_the_bytes_of_its_data_sheet()
    {
        IReadOnlyList<SelfTestResult> results = SelfTest.Run();
        Assert.Empty(results.Where(static one => one.Problem is not null).Select(static one => $"{one.Name}: {one.Problem}"));
        Assert.True(results.Count >= 30, $"{results.Count} checks");
    }

    [Fact]
    public void Every_sensor_on_I2C_has_an_example() =>
        Assert.Equal(SensorCatalog.Models.Where(static model => model.Bus == SensorBus.I2c).Select(static model => model.Name).Order(),
            SensorExamples.All.Select(static one => one.Model).Order());

    [Fact]
    public void A_frame_becomes_a_picture_of_what_is_written()
    {
        using var hardware = new FakeHardware();
        using var screen = (OledScreen)TextScreen.Open(hardware,
            new DeviceSettings { Name = "display", Kind = DeviceKind.Display, Model = "ssd1306", I2c = (1, 0x3C), Height = 64 });
        screen.Show("speaking", "> turn on the kitchen light\nDas Küchenlicht ist an: 21 °C, Ωμέγα, ¿Qué?");
        byte[] png = FramePicture.Of(FromBytes(hardware.I2cAt(1, 0x3C).Writes, 64), scale: 4);
        if (Environment.GetEnvironmentVariable("EDGELLM_PICTURES") is { Length: > 0 } folder)
            File.WriteAllBytes(Path.Combine(folder, "display.png"), png);
        Assert.Equal((512, 256), (ReadWord(png, 16), ReadWord(png, 20)));
        // The line of the state is inverse, and the text's letters are those of the font.
        Assert.True(screen.Frame[127, 0]);
        Assert.True(Enumerable.Range(0, PixelFont.Height).All(row => Enumerable.Range(0, PixelFont.Width).All(column =>
            screen.Frame[column, 10 + 2 + row] == ((PixelFont.Rows('>')[row] >> (7 - column) & 1) != 0))));

        static int ReadWord(byte[] bytes, int at) => bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    }

    [Fact]
    public void Outputs_are_safe_after_a_killed_process_and_the_line_of_ExecStopPost()
    {
        string lines = Path.GetTempFileName();
        try
        {
            var light = new DeviceSettings { Name = "light", Kind = DeviceKind.Light, Line = 17 };
            using (var killed = new FakeHardware(lines)) Output.Open(killed, light).Set(100); // nothing disposes of it
            Assert.True(new FakeHardware(lines).Lines().IsHigh(17)); // the kernel keeps the level
            using (var after = new FakeHardware(lines)) Output.Open(after, light).Dispose();
            Assert.False(new FakeHardware(lines).Lines().IsHigh(17));
        }
        finally
        {
            File.Delete(lines);
        }
    }

    [Fact]
    public void Presses_bounce_and_are_short_double_and_long()
    {
        var seen = new List<ButtonEvent>();
        var logic = new ButtonLogic(seen.Add);
        Run((0, true), (3, false), (6, true), (100, false), (105, true), (110, false), (300, true), (380, false),
            (3000, true), (3900, false));
        Assert.Equal([ButtonEvent.Pressed, ButtonEvent.Released, ButtonEvent.Pressed, ButtonEvent.Released, ButtonEvent.DoubleClick,
            ButtonEvent.Pressed, ButtonEvent.Hold, ButtonEvent.Released], seen);

        void Run(params (int At, bool IsPressed)[] changes)
        {
            int next = 0;
            for (int at = 0; at < 5000; at++)
            {
                if (next < changes.Length && changes[next].At == at) logic.Change(changes[next++].IsPressed, TimeSpan.FromMilliseconds(at));
                else if (at % 10 == 0) logic.Tick(TimeSpan.FromMilliseconds(at));
            }
        }
    }

    /// <summary>The frame that a display would show after these writes: data go to the page that the command before named.</summary>
    private static Frame FromBytes(IReadOnlyList<byte[]> writes, int height)
    {
        var frame = new Frame(128, height);
        int page = 0;
        foreach (byte[] write in writes)
        {
            if (write is [0x00, 0x21, _, _, 0x22, var at, ..]) page = at;
            else if (write[0] == 0x40) write.AsSpan(1).CopyTo(frame.Bytes.AsSpan(page * 128));
        }
        return frame;
    }
}
