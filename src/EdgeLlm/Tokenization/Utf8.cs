using System.Runtime.CompilerServices;

namespace EdgeLlm.Tokenization;

/// <summary>Steps through UTF-8 that is known to be valid, as everything is that .NET's encoder wrote.</summary>
internal static class Utf8
{
    /// <summary>How many bytes the character has whose first byte is <paramref name="first"/> (1 for a stray continuation byte).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Width(byte first) => first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;

    /// <summary>The width of the character at <paramref name="index"/>, never beyond the end of <paramref name="text"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int WidthAt(ReadOnlySpan<byte> text, int index) => Math.Min(Width(text[index]), text.Length - index);

    /// <summary>The code point of <paramref name="width"/> bytes at <paramref name="index"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int CodePoint(ReadOnlySpan<byte> text, int index, int width)
    {
        ReadOnlySpan<byte> bytes = text.Slice(index, width);
        return width switch
        {
            1 => bytes[0],
            2 => (bytes[0] & 0x1F) << 6 | bytes[1] & 0x3F,
            3 => (bytes[0] & 0x0F) << 12 | (bytes[1] & 0x3F) << 6 | bytes[2] & 0x3F,
            _ => (bytes[0] & 0x07) << 18 | (bytes[1] & 0x3F) << 12 | (bytes[2] & 0x3F) << 6 | bytes[3] & 0x3F,
        };
    }

    /// <summary>Where the character starts that ends at <paramref name="index"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Previous(ReadOnlySpan<byte> text, int index)
    {
        do index--;
        while (index > 0 && (text[index] & 0xC0) == 0x80);
        return index;
    }
}
