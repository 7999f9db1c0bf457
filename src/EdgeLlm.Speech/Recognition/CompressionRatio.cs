using System.Text;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// How many times shorter a text becomes when it is compressed: text in a loop has a high one. Whisper's reference asks zlib, whose size
/// depends on its build; this counts the bits of deflate's fixed codes for the longest matches, the same on every machine.
/// </summary>
internal static class CompressionRatio
{
    private const int LeastMatch = 3, MostMatch = 258, HeaderBytes = 8; // zlib's header, checksum and the block's own

    public static double Of(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length == 0) return 1;
        long bits = 0;
        for (int at = 0; at < bytes.Length;)
        {
            (int length, int distance) = LongestMatch(bytes, at);
            if (length >= LeastMatch)
            {
                bits += (length < 115 ? 7 : 8) + (length < 11 ? 0 : int.Log2(length - 3) - 2) + 5
                    + (distance < 5 ? 0 : int.Log2(distance - 1) - 1);
                at += length;
            }
            else
            {
                bits += bytes[at] < 144 ? 8 : 9;
                at++;
            }
        }
        return bytes.Length / (HeaderBytes + bits / 8.0);
    }

    private static (int Length, int Distance) LongestMatch(byte[] bytes, int at)
    {
        (int longest, int distance) = (0, 0);
        int most = Math.Min(MostMatch, bytes.Length - at);
        for (int start = at - 1; start >= 0 && longest < most; start--)
        {
            int length = bytes.AsSpan(start).CommonPrefixLength(bytes.AsSpan(at, most));
            if (length > longest) (longest, distance) = (length, at - start);
        }
        return (longest, distance);
    }
}
