using System.Globalization;

namespace EdgeLlm.Devices.Screens;

/// <summary>
/// The X Window System's fixed font, 6 by 10 pixels, in the public domain: Latin-1, Greek and some signs. A line of the resource is a
/// character's number, a colon, and a byte a row, the leftmost pixel being its highest bit.
/// </summary>
public static class PixelFont
{
    /// <summary>Pixels of a character.</summary>
    public const int Width = 6, Height = 10;

    private const char Unknown = '\uFFFD';

    private static readonly Dictionary<char, byte[]> Glyphs = Read();

    /// <summary>Whether there is a picture of a character.</summary>
    public static bool Has(char character) => Glyphs.ContainsKey(character);

    /// <summary>The rows of a character, from the top; of one without a picture, the sign for that.</summary>
    public static ReadOnlySpan<byte> Rows(char character) =>
        Glyphs.GetValueOrDefault(character) ?? Glyphs.GetValueOrDefault(Unknown) ?? Glyphs['?'];

    private static Dictionary<char, byte[]> Read()
    {
        var glyphs = new Dictionary<char, byte[]>();
        using Stream stream = typeof(PixelFont).Assembly.GetManifestResourceStream("EdgeLlm.Devices.font-6x10.hex")!;
        using var lines = new StreamReader(stream);
        while (lines.ReadLine() is { } line)
            glyphs[(char)int.Parse(line.AsSpan(0, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture)] =
                Convert.FromHexString(line.AsSpan(5));
        return glyphs;
    }
}

/// <summary>Pixels that are on or off, in the order of an SSD1306: bytes of 8 rows, the top one lowest, a page after the other.</summary>
public sealed class Frame(int width, int height)
{
    /// <summary>Size in pixels; the height is a multiple of 8.</summary>
    public int Width => width;

    /// <inheritdoc cref="Width"/>
    public int Height => height;

    /// <summary>[Height / 8][Width] bytes.</summary>
    public byte[] Bytes { get; } = new byte[width * height / 8];

    /// <summary>Whether a pixel is on; those outside are not.</summary>
    public bool this[int x, int y]
    {
        get => x >= 0 && y >= 0 && x < width && y < height && (Bytes[y / 8 * width + x] >> (y & 7) & 1) != 0;
        set
        {
            if (x < 0 || y < 0 || x >= width || y >= height) return;
            byte bit = (byte)(1 << (y & 7));
            ref byte cell = ref Bytes[y / 8 * width + x];
            cell = (byte)(value ? cell | bit : cell & ~bit);
        }
    }

    /// <summary>All pixels off.</summary>
    public void Clear() => Array.Clear(Bytes);

    /// <summary>Draws a text from a pixel on; what does not fit is left out.</summary>
    public void Draw(string text, int x, int y, bool isInverse = false)
    {
        foreach (char character in text)
        {
            ReadOnlySpan<byte> rows = PixelFont.Rows(character);
            for (int row = 0; row < PixelFont.Height; row++)
            {
                for (int column = 0; column < PixelFont.Width; column++)
                    this[x + column, y + row] = (rows[row] >> (7 - column) & 1) != 0 != isInverse;
            }
            x += PixelFont.Width;
        }
    }
}
