using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using EdgeLlm.Devices.Screens;

namespace EdgeLlm.Assistant.Tests.Devices;

/// <summary>A frame as a PNG file, for people to look at (PNG specification, third edition: gray, 8 bit).</summary>
internal static class FramePicture
{
    /// <param name="scale">Pixels of the picture for one of the frame.</param>
    public static byte[] Of(Frame frame, int scale)
    {
        int width = frame.Width * scale, height = frame.Height * scale;
        var rows = new byte[height * (width + 1)]; // each begins with its filter: none
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = frame[x / scale, y / scale] ? (byte)230 : (byte)20;
        }
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true)) zlib.Write(rows);
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8;
        return [0x89, .. "PNG\r\n\u001A\n"u8, .. Chunk("IHDR", header), .. Chunk("IDAT", packed.ToArray()), .. Chunk("IEND", [])];
    }

    private static byte[] Chunk(string type, byte[] data)
    {
        byte[] chunk = [0, 0, 0, 0, .. Encoding.ASCII.GetBytes(type), .. data, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(chunk.Length - 4), Sum(chunk.AsSpan(4, chunk.Length - 8)));
        return chunk;
    }

    private static uint Sum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0xFFFFFFFF;
        foreach (byte value in bytes)
        {
            sum ^= value;
            for (int i = 0; i < 8; i++) sum = (sum & 1) != 0 ? sum >> 1 ^ 0xEDB88320 : sum >> 1;
        }
        return ~sum;
    }
}
