using System.Buffers;

namespace EdgeLlm.Tokenization;

/// <summary>SentencePiece writes a space as U+2581, ▁ (three bytes of UTF-8).</summary>
internal static class SpaceMark
{
    public static ReadOnlySpan<byte> Bytes => "▁"u8;

    /// <summary>Copies <paramref name="text"/> with every space marked; returns the bytes written, at most three for each byte.</summary>
    public static int Escape(ReadOnlySpan<byte> text, Span<byte> output)
    {
        int written = 0;
        while (true)
        {
            int space = text.IndexOf((byte)' ');
            ReadOnlySpan<byte> before = space < 0 ? text : text[..space];
            before.CopyTo(output[written..]);
            written += before.Length;
            if (space < 0) return written;
            Bytes.CopyTo(output[written..]);
            written += Bytes.Length;
            text = text[(space + 1)..];
        }
    }

    /// <summary>Writes <paramref name="text"/> with every mark as a space.</summary>
    public static void Unescape(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        while (true)
        {
            int mark = text.IndexOf(Bytes);
            output.Write(mark < 0 ? text : text[..mark]);
            if (mark < 0) return;
            output.Write(" "u8);
            text = text[(mark + Bytes.Length)..];
        }
    }
}
