using System.Text;

namespace EdgeLlm.Tokenization;

/// <summary>
/// A list of strings as UTF-8, back to back in one array: a vocabulary of 100,000 tokens costs no object per token.
/// The bytes are taken as they are; nothing requires them to be valid UTF-8.
/// </summary>
public sealed class Utf8Strings
{
    private byte[] _bytes;
    private int[] _ends; // _ends[i]: where string i stops in _bytes; it starts where i - 1 stops.

    /// <summary>An empty list with room for <paramref name="capacity"/> strings of a few bytes each.</summary>
    public Utf8Strings(int capacity = 0)
    {
        _ends = new int[capacity];
        _bytes = new byte[capacity * 8L <= Array.MaxLength ? capacity * 8 : Array.MaxLength];
    }

    /// <summary>How many strings there are.</summary>
    public int Count { get; private set; }

    /// <summary>The bytes of string <paramref name="index"/>, valid until the next <see cref="Add"/>.</summary>
    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            int start = index == 0 ? 0 : _ends[index - 1];
            return _bytes.AsSpan(start, _ends[index] - start);
        }
    }

    /// <summary>A list of the given texts.</summary>
    public static Utf8Strings From(params ReadOnlySpan<string> texts)
    {
        Utf8Strings strings = new(texts.Length);
        foreach (string text in texts) strings.Add(Encoding.UTF8.GetBytes(text));
        return strings;
    }

    /// <summary>Appends a copy of <paramref name="bytes"/>.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        int start = Count == 0 ? 0 : _ends[Count - 1];
        int end = checked(start + bytes.Length);
        if (Count == _ends.Length) Array.Resize(ref _ends, Grown(_ends.Length, Count + 1));
        if (end > _bytes.Length) Array.Resize(ref _bytes, Grown(_bytes.Length, end));
        bytes.CopyTo(_bytes.AsSpan(start));
        _ends[Count++] = end;
    }

    /// <summary>String <paramref name="index"/> as text, invalid UTF-8 shown as U+FFFD.</summary>
    public string GetText(int index) => Encoding.UTF8.GetString(this[index]);

    private static int Grown(int length, int needed) => (int)Math.Max(needed, Math.Min(length * 3L / 2 + 16, Array.MaxLength));
}
