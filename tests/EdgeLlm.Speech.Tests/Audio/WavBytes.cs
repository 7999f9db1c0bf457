using System.Text;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Tests.Audio;

/// <summary>Makes WAV files for tests, chunk by chunk.</summary>
internal static class WavBytes
{
    public static byte[] Of(PcmFormat format, byte[] data, bool isExtensible = false) =>
        File([Chunk("fmt ", Format(format, isExtensible)), Chunk("data", data)]);

    public static byte[] Format(PcmFormat format, bool isExtensible = false, int? bits = null)
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        int tag = format.Encoding is SampleEncoding.Float32 or SampleEncoding.Float64 ? 3 : 1;
        writer.Write((ushort)(isExtensible ? 0xFFFE : tag));
        writer.Write((ushort)format.Channels);
        writer.Write(format.SampleRate);
        writer.Write(format.SampleRate * format.FrameBytes);
        writer.Write((ushort)format.FrameBytes);
        writer.Write((ushort)(bits ?? 8 * format.SampleBytes));
        if (isExtensible)
        {
            writer.Write((ushort)22);
            writer.Write((ushort)(8 * format.SampleBytes));
            writer.Write(0); // channel mask
            writer.Write((ushort)tag);
            writer.Write([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        }
        return bytes.ToArray();
    }

    public static byte[] Chunk(string name, byte[] content, uint? size = null) =>
        [.. Encoding.ASCII.GetBytes(name), .. BitConverter.GetBytes(size ?? (uint)content.Length), .. content,
            .. new byte[content.Length & 1]];

    public static byte[] File(IEnumerable<byte[]> chunks, uint? riffSize = null, string magic = "RIFF")
    {
        byte[] body = [.. Encoding.ASCII.GetBytes("WAVE"), .. chunks.SelectMany(chunk => chunk)];
        return [.. Encoding.ASCII.GetBytes(magic), .. BitConverter.GetBytes(riffSize ?? (uint)body.Length), .. body];
    }

    /// <summary>Samples from -1 to 1 as a format writes them.</summary>
    public static byte[] Encode(SampleEncoding encoding, params IEnumerable<double> samples) =>
        [.. samples.SelectMany(sample => encoding switch
    {
        SampleEncoding.Unsigned8 => [(byte)(128 + Math.Clamp(Math.Round(sample * 128), -128, 127))],
        SampleEncoding.Signed16 => BitConverter.GetBytes((short)Math.Clamp(Math.Round(sample * 32768), short.MinValue, short.MaxValue)),
        SampleEncoding.Signed24 => BitConverter.GetBytes((int)Math.Clamp(Math.Round(sample * 8388608), -8388608, 8388607))[..3],
        SampleEncoding.Signed32 => BitConverter.GetBytes((int)Math.Clamp(Math.Round(sample * 2147483648), int.MinValue, int.MaxValue)),
        SampleEncoding.Float32 => BitConverter.GetBytes((float)sample),
        _ => BitConverter.GetBytes(sample),
    })];

    /// <summary>All samples of a reader, asked for in pieces of one size.</summary>
    public static float[] ReadAll(this AudioReader reader, int piece = 1000)
    {
        var all = new List<float>();
        float[] samples = new float[piece];
        for (int count; (count = reader.Read(samples)) > 0;) all.AddRange(samples.AsSpan(0, count));
        return [.. all];
    }
}

/// <summary>A stream that gives its bytes in pieces of random sizes, as a pipe or a network does, and can't be sought.</summary>
internal sealed class PieceStream(byte[] bytes, int seed, int mostBytes = 700) : Stream
{
    private readonly Random random = new(seed);
    private int position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count)
    {
        int got = Math.Min(Math.Min(count, random.Next(1, mostBytes + 1)), bytes.Length - position);
        bytes.AsSpan(position, got).CopyTo(buffer.AsSpan(offset));
        position += got;
        return got;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
