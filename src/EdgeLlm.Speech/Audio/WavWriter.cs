using System.Buffers.Binary;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Writes mono sound as a WAV file of 16-bit samples (Microsoft's RIFF, 1991), piece by piece. A stream whose length nobody knows has the
/// largest sizes that the header can say, as ffmpeg and sox write them; <see cref="Finish"/> writes the true ones where the stream can go
/// back.
/// </summary>
internal sealed class WavWriter
{
    private const int HeaderBytes = 44;

    private readonly Stream _output;
    private readonly int _sampleRate;
    private readonly long _start;
    private long _dataBytes;
    private byte[] _buffer = [];

    /// <summary>Writes the header.</summary>
    /// <param name="samples">How many samples will come; null: nobody knows.</param>
    public WavWriter(Stream output, int sampleRate, long? samples = null)
    {
        (_output, _sampleRate) = (output, sampleRate);
        _start = output.CanSeek ? output.Position : 0;
        WriteHeader(samples is { } count ? checked(2 * count) : null);
    }

    /// <summary>Adds samples from -1 to 1.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        if (_buffer.Length < 2 * samples.Length) _buffer = new byte[2 * samples.Length];
        SamplesOf16Bits.Write(samples, _buffer);
        _output.Write(_buffer.AsSpan(0, 2 * samples.Length));
        _dataBytes += 2L * samples.Length;
    }

    /// <summary>Corrects the header's sizes, if the stream can go back.</summary>
    public void Finish()
    {
        if (!_output.CanSeek) return;
        long end = _output.Position;
        _output.Position = _start;
        WriteHeader(_dataBytes);
        _output.Position = end;
    }

    private void WriteHeader(long? dataBytes)
    {
        uint data = dataBytes <= uint.MaxValue - HeaderBytes ? (uint)dataBytes : uint.MaxValue;
        uint riff = data == uint.MaxValue ? uint.MaxValue : data + HeaderBytes - 8;
        Span<byte> header = stackalloc byte[HeaderBytes];
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], riff);
        "WAVEfmt "u8.CopyTo(header[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], 16);
        BinaryPrimitives.WriteInt16LittleEndian(header[20..], 1); // PCM
        BinaryPrimitives.WriteInt16LittleEndian(header[22..], 1); // channels
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], _sampleRate);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], 2 * _sampleRate);
        BinaryPrimitives.WriteInt16LittleEndian(header[32..], 2);
        BinaryPrimitives.WriteInt16LittleEndian(header[34..], 16);
        "data"u8.CopyTo(header[36..]);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], data);
        _output.Write(header);
    }
}

/// <summary>Samples as whole numbers of 16 bits.</summary>
internal static class SamplesOf16Bits
{
    /// <summary>A sample from -1 to 1, times 32767, rounded to the nearest; what is beyond is cut.</summary>
    public static short Of(float sample) => (short)MathF.Round(Math.Clamp(sample, -1f, 1f) * 32767f);

    /// <summary>Little-endian bytes of samples.</summary>
    /// <param name="bytes">At least two for each sample.</param>
    public static void Write(ReadOnlySpan<float> samples, Span<byte> bytes)
    {
        for (int i = 0; i < samples.Length; i++) BinaryPrimitives.WriteInt16LittleEndian(bytes[(2 * i)..], Of(samples[i]));
    }

    /// <summary>Samples of little-endian bytes, divided by 2^15.</summary>
    /// <param name="samples">Receives one for each two bytes.</param>
    public static void Read(ReadOnlySpan<byte> bytes, Span<float> samples)
    {
        for (int i = 0; i < bytes.Length / 2; i++) samples[i] = BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * i)..]) * (1f / 32768);
    }
}
