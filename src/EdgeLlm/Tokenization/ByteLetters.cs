using System.Buffers;

namespace EdgeLlm.Tokenization;

/// <summary>
/// GPT-2's letters for bytes: the printable characters of Latin-1 stand for themselves, the other 68 bytes, in order, are U+0100 and
/// on (a space is Ġ). Letters are written in UTF-8.
/// </summary>
internal static class ByteLetters
{
    /// <summary>The most bytes that a letter has.</summary>
    public const int MaximumLength = 2;

    private static readonly char[] Letters = new char[256];
    private static readonly short[] Values = new short[0x144]; // the byte of a letter, or -1

    static ByteLetters()
    {
        Values.AsSpan().Fill(-1);
        char next = '\u0100';
        for (int value = 0; value < 256; value++)
        {
            Letters[value] = value is >= 0x21 and <= 0x7E or >= 0xA1 and <= 0xAC or >= 0xAE ? (char)value : next++;
            Values[Letters[value]] = (short)value;
        }
    }

    /// <summary>Writes the letters of <paramref name="bytes"/>; returns how many bytes they have.</summary>
    public static int Write(ReadOnlySpan<byte> bytes, Span<byte> output)
    {
        int written = 0;
        foreach (byte value in bytes)
        {
            char letter = Letters[value];
            if (letter < 0x80)
            {
                output[written++] = (byte)letter;
                continue;
            }
            output[written++] = (byte)(0xC0 | letter >> 6);
            output[written++] = (byte)(0x80 | letter & 0x3F);
        }
        return written;
    }

    /// <summary>Whether all characters are such letters.</summary>
    public static bool Are(ReadOnlySpan<byte> characters)
    {
        for (int i = 0, width; i < characters.Length; i += width)
        {
            width = Utf8.WidthAt(characters, i);
            int codePoint = Utf8.CodePoint(characters, i, width);
            if (codePoint >= Values.Length || Values[codePoint] < 0) return false;
        }
        return true;
    }

    /// <summary>Writes the bytes that <paramref name="letters"/> stand for; a character that is not a letter stands for itself.</summary>
    public static void Read(ReadOnlySpan<byte> letters, IBufferWriter<byte> output)
    {
        Span<byte> bytes = output.GetSpan(Math.Max(1, letters.Length));
        int written = 0;
        for (int i = 0, width; i < letters.Length; i += width)
        {
            width = Utf8.WidthAt(letters, i);
            int codePoint = Utf8.CodePoint(letters, i, width);
            if (codePoint < Values.Length && Values[codePoint] >= 0) bytes[written++] = (byte)Values[codePoint];
            else
            {
                letters.Slice(i, width).CopyTo(bytes[written..]);
                written += width;
            }
        }
        output.Advance(written);
    }
}
