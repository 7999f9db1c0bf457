using System.Device.I2c;
using System.Text;
using Iot.Device.CharacterLcd;

namespace EdgeLlm.Devices.Screens;

/// <summary>A display of text: a line for the state, and below it the text that comes. Only what has changed is sent.</summary>
public abstract class TextScreen : IDisposable
{
    private string[] _shown = [];

    /// <summary>Characters of a line.</summary>
    public abstract int Columns { get; }

    /// <summary>Lines, the one of the state among them.</summary>
    public abstract int Rows { get; }

    /// <summary>Opens a display.</summary>
    /// <exception cref="DeviceException">It can't be opened, or nothing answers at its address.</exception>
    public static TextScreen Open(Hardware hardware, DeviceSettings settings)
    {
        (int bus, int address) = settings.I2c ?? throw new DeviceException($"{settings.Name} has no I2C address");
        I2cDevice device = hardware.I2c(bus, address);
        try
        {
            return settings.Model is "lcd1602" or "lcd2004" ? new CharacterScreen(device, settings.Model == "lcd2004")
                : new OledScreen(device, settings.Width, settings.Height);
        }
        catch (IOException exception)
        {
            device.Dispose();
            throw new DeviceException(
                $"{settings.Name}: nothing answers at address 0x{address:X2} of I2C bus {bus}: `i2cdetect -y {bus}` shows what is there",
                exception);
        }
    }

    /// <summary>Shows a state and the end of a text.</summary>
    /// <exception cref="IOException">The display does not answer.</exception>
    public void Show(string state, string text)
    {
        string[] lines = [state.Length > Columns ? state[..Columns] : state, .. LastLines(text, Columns, Rows - 1)];
        if (lines.AsSpan().SequenceEqual(_shown)) return;
        _shown = lines;
        Draw(lines);
    }

    /// <summary>The last lines of a text, broken at spaces where that is possible.</summary>
    public static IReadOnlyList<string> LastLines(string text, int columns, int rows)
    {
        var lines = new List<string>();
        foreach (string paragraph in text.Split('\n'))
        {
            var line = new StringBuilder();
            foreach (string word in paragraph.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                string rest = word;
                if (line.Length > 0 && line.Length + 1 + rest.Length > columns) End();
                for (; rest.Length > columns; rest = rest[columns..])
                {
                    line.Append(rest, 0, columns);
                    End();
                }
                if (line.Length > 0) line.Append(' ');
                line.Append(rest);
            }
            if (line.Length > 0) End();

            void End()
            {
                lines.Add(line.ToString());
                line.Clear();
            }
        }
        return lines.Count <= rows ? lines : lines[^rows..];
    }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Sends lines to the display.</summary>
    protected abstract void Draw(IReadOnlyList<string> lines);
}

/// <summary>
/// A display with an SSD1306 (or SSD1315), 128x64 or 128x32. Commands by its data sheet (Solomon Systech, rev. 1.1, section 9); the
/// binding's own pictures need a graphics library, so the frame is ours.
/// </summary>
internal sealed class OledScreen : TextScreen
{
    private const byte Command = 0x00, Data = 0x40;
    private const int LineHeight = PixelFont.Height;

    private readonly I2cDevice _device;
    private readonly byte[] _sent;
    private readonly byte[] _page;

    /// <exception cref="IOException">Nothing answers.</exception>
    public OledScreen(I2cDevice device, int width, int height)
    {
        (_device, Frame, _page) = (device, new Frame(width, height), new byte[width + 1]);
        _sent = new byte[Frame.Bytes.Length];
        byte pins = (byte)(height == 64 ? 0x12 : 0x02);
        // Off, clock, rows, offset, first line, charge pump, horizontal addressing, turned so that the connector is on top, pins, contrast,
        // precharge, level, as the memory says, not inverse.
        Send(0xAE, 0xD5, 0x80, 0xA8, (byte)(height - 1), 0xD3, 0x00, 0x40, 0x8D, 0x14, 0x20, 0x00, 0xA1, 0xC8, 0xDA, pins, 0x81, 0x8F, 0xD9,
            0xF1, 0xDB, 0x40, 0xA4, 0xA6);
        for (int page = 0; page < height / 8; page++) SendPage(page); // the memory begins with noise
        Send(0xAF);
    }

    public override int Columns => Frame.Width / PixelFont.Width;

    public override int Rows => Frame.Height / LineHeight;

    /// <summary>The pixels that are shown.</summary>
    public Frame Frame { get; }

    public override void Dispose()
    {
        try
        {
            Send(0xAE);
        }
        catch (IOException)
        {
            // It is gone already.
        }
        _device.Dispose();
    }

    protected override void Draw(IReadOnlyList<string> lines)
    {
        Frame.Clear();
        Frame.Draw(lines[0].PadRight(Columns + 1), 0, 0, isInverse: true);
        int gap = (Frame.Height - Rows * LineHeight) / 2;
        for (int row = 1; row < lines.Count; row++) Frame.Draw(lines[row], 0, row * LineHeight + gap);
        for (int page = 0; page < Frame.Height / 8; page++)
        {
            int from = page * Frame.Width;
            if (!Frame.Bytes.AsSpan(from, Frame.Width).SequenceEqual(_sent.AsSpan(from, Frame.Width))) SendPage(page);
        }
    }

    private void SendPage(int page)
    {
        Send(0x21, 0, (byte)(Frame.Width - 1), 0x22, (byte)page, (byte)page);
        _page[0] = Data;
        Frame.Bytes.AsSpan(page * Frame.Width, Frame.Width).CopyTo(_page.AsSpan(1));
        _device.Write(_page);
        _page.AsSpan(1).CopyTo(_sent.AsSpan(page * Frame.Width));
    }

    private void Send(params ReadOnlySpan<byte> commands)
    {
        Span<byte> message = stackalloc byte[commands.Length + 1];
        message[0] = Command;
        commands.CopyTo(message[1..]);
        _device.Write(message);
    }
}

/// <summary>
/// A display of characters (HD44780) on a PCF8574 backpack, 16x2 or 20x4. It knows ASCII; other letters become those without marks.
/// </summary>
internal sealed class CharacterScreen : TextScreen
{
    private readonly Hd44780 _lcd;

    public CharacterScreen(I2cDevice device, bool isLarge)
    {
        var lines = LcdInterface.CreateI2c(device, uses8Bit: false);
        _lcd = isLarge ? new Lcd2004(lines) : new Lcd1602(lines);
        (Columns, Rows) = isLarge ? (20, 4) : (16, 2);
        _lcd.BacklightOn = true;
        _lcd.Clear();
    }

    public override int Columns { get; }

    public override int Rows { get; }

    /// <summary>A character of the display's own set that looks like one of ours.</summary>
    public static string Plain(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (char character in text)
        {
            const string From = "äöüßÄÖÜéèêáàâíìîóòôúùûñçÉÈÁÀÍÓÚÑÇ°’‘“”–—…", To = "aousAOUeeeaaaiiiooouuuncEEAAIOUNC'''\"\"---";
            int at = From.IndexOf(character, StringComparison.Ordinal);
            plain.Append(character is >= ' ' and <= '~' ? character : character == '°' ? (char)0xDF
                : at >= 0 && at < To.Length ? To[at] : '?');
        }
        return plain.ToString();
    }

    public override void Dispose()
    {
        try
        {
            _lcd.Clear();
            _lcd.BacklightOn = false;
        }
        catch (IOException)
        {
            // It is gone already.
        }
        _lcd.Dispose();
    }

    protected override void Draw(IReadOnlyList<string> lines)
    {
        for (int row = 0; row < Rows; row++)
        {
            _lcd.SetCursorPosition(0, row);
            _lcd.Write(Plain(row < lines.Count ? lines[row] : "").PadRight(Columns));
        }
    }
}
