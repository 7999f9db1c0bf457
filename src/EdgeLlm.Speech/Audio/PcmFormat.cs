using System.Buffers.Binary;

namespace EdgeLlm.Speech.Audio;

/// <summary>How one sample is written; all are little-endian.</summary>
public enum SampleEncoding
{
    /// <summary>0 to 255, silence is 128.</summary>
    Unsigned8,

    /// <summary>Two's complement, 2 bytes.</summary>
    Signed16,

    /// <summary>Two's complement, 3 bytes.</summary>
    Signed24,

    /// <summary>Two's complement, 4 bytes.</summary>
    Signed32,

    /// <summary>IEEE 754, full scale is 1.</summary>
    Float32,

    /// <summary>IEEE 754, 8 bytes, full scale is 1.</summary>
    Float64,
}

/// <summary>Uncompressed sound: samples of all channels one after the other, then the next moment.</summary>
/// <param name="SampleRate">Samples of each channel in a second, <see cref="LeastRate"/> to <see cref="MostRate"/>.</param>
/// <param name="Channels">1 to <see cref="MostChannels"/>.</param>
/// <param name="Encoding">How a sample is written.</param>
public readonly record struct PcmFormat(int SampleRate, int Channels, SampleEncoding Encoding)
{
    /// <summary>Sample rates that are read.</summary>
    public const int LeastRate = 1000, MostRate = 768_000;

    /// <summary>Channels that are read and mixed.</summary>
    public const int MostChannels = 64;

    /// <summary>Bytes of a sample of one channel.</summary>
    public int SampleBytes => Encoding switch
    {
        SampleEncoding.Unsigned8 => 1,
        SampleEncoding.Signed16 => 2,
        SampleEncoding.Signed24 => 3,
        SampleEncoding.Float64 => 8,
        _ => 4,
    };

    /// <summary>Bytes of a moment: a sample of each channel.</summary>
    public int FrameBytes => SampleBytes * Channels;

    /// <summary>The problem with these numbers in words for users, or null.</summary>
    public string? Problem =>
        SampleRate is < LeastRate or > MostRate ? $"has {SampleRate} samples a second; {LeastRate} to {MostRate} are read"
        : Channels is < 1 or > MostChannels ? $"has {Channels} channels; 1 to {MostChannels} are read"
        : null;

    /// <summary>Samples as floats, full scale 1: an integer is divided by 2^(bits - 1). What is not finite becomes 0.</summary>
    /// <param name="bytes">Whole samples.</param>
    /// <param name="samples">Receives bytes / <see cref="SampleBytes"/> of them.</param>
    internal void Decode(ReadOnlySpan<byte> bytes, Span<float> samples)
    {
        int count = bytes.Length / SampleBytes;
        switch (Encoding)
        {
            case SampleEncoding.Unsigned8:
                for (int i = 0; i < count; i++) samples[i] = (bytes[i] - 128) * (1f / 128);
                break;
            case SampleEncoding.Signed16:
                SamplesOf16Bits.Read(bytes, samples);
                break;
            case SampleEncoding.Signed24:
                for (int i = 0; i < count; i++)
                    samples[i] = (bytes[3 * i] | bytes[3 * i + 1] << 8 | (sbyte)bytes[3 * i + 2] << 16) * (1f / 8388608);
                break;
            case SampleEncoding.Signed32:
                for (int i = 0; i < count; i++) samples[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..]) * (1f / 2147483648);
                break;
            case SampleEncoding.Float32:
                for (int i = 0; i < count; i++) samples[i] = Finite(BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * i)..]));
                break;
            default:
                for (int i = 0; i < count; i++) samples[i] = Finite((float)BinaryPrimitives.ReadDoubleLittleEndian(bytes[(8 * i)..]));
                break;
        }
    }

    private static float Finite(float sample) => float.IsFinite(sample) ? sample : 0;
}

/// <summary>A decoder of one kind of file: samples as the file has them, all channels.</summary>
internal abstract class SampleSource
{
    /// <summary>Samples of each channel in a second.</summary>
    public abstract int SampleRate { get; }

    /// <summary>Number of channels.</summary>
    public abstract int Channels { get; }

    /// <summary>Samples of each channel in the file; null where nobody knows before its end.</summary>
    public abstract long? Frames { get; }

    /// <summary>Whole frames (a sample of each channel), as many as have come and fit; 0 only at the end.</summary>
    /// <param name="samples">Receives the samples, channel by channel; at least one frame long.</param>
    /// <exception cref="Files.FileException">The stream can't be read, or is damaged.</exception>
    public abstract int ReadFrames(Span<float> samples);
}

/// <summary>Samples without a code: the data of a WAV file, or raw PCM.</summary>
/// <param name="dataBytes">Bytes until the end; null: to the end of the stream.</param>
internal sealed class PcmSource(ByteSource bytes, PcmFormat format, long? dataBytes) : SampleSource
{
    private readonly byte[] buffer = new byte[Math.Max(1, (1 << 14) / format.FrameBytes) * format.FrameBytes];
    private long left = dataBytes ?? long.MaxValue;

    public override int SampleRate => format.SampleRate;

    public override int Channels => format.Channels;

    public override long? Frames { get; } = dataBytes / format.FrameBytes;

    public override int ReadFrames(Span<float> samples)
    {
        int wanted = (int)Math.Min(Math.Min(samples.Length / format.Channels * (long)format.FrameBytes, buffer.Length),
            left / format.FrameBytes * format.FrameBytes);
        int got = bytes.ReadWhole(buffer.AsSpan(0, wanted), format.FrameBytes);
        left -= got;
        format.Decode(buffer.AsSpan(0, got), samples);
        return got / format.FrameBytes;
    }
}
