using System.Buffers.Binary;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// The chunks of a WAV file before its samples (Microsoft's "Multimedia Programming Interface and Data Specifications 1.0",
/// WAVEFORMATEXTENSIBLE, and EBU Tech 3306 for RF64): "RIFF" size "WAVE", then chunks of a name, a size and an even number of bytes.
/// </summary>
internal static class WavHeader
{
    private const int MostChunks = 4096, FormatBytes = 40, Pcm = 1, Float = 3, Extensible = 0xFFFE;

    // What programs write that do not know the length: 2^32 - 1 (ffmpeg, RF64), or 2 GB less a little (SoX, espeak-ng).
    private const uint UnknownSize = 0x7FFF_0000;

    /// <summary>Whether a file that begins so is read here.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> start) =>
        start.StartsWith("RIFF"u8) || start.StartsWith("RF64"u8) || start.StartsWith("BW64"u8);

    /// <summary>Reads up to the first sample.</summary>
    /// <exception cref="Files.FileException">It is not a WAV file, is damaged, or has samples that are not read.</exception>
    public static SampleSource Read(ByteSource bytes)
    {
        Span<byte> head = stackalloc byte[12];
        if (!bytes.TryRead(head) || !head[8..].SequenceEqual("WAVE"u8)) throw bytes.Damaged("is a RIFF file but not WAV");
        uint riffSize = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
        PcmFormat? format = null;
        long? longSize = null; // of the data, in RF64
        Span<byte> chunk = stackalloc byte[FormatBytes];
        for (int chunks = 0; chunks < MostChunks; chunks++)
        {
            if (!bytes.TryRead(head[..8])) throw bytes.Damaged("is a WAV file that ends before its samples");
            long size = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
            if (head.StartsWith("data"u8))
            {
                if (format is not { } found) throw bytes.Damaged("is a WAV file whose samples come before their format");
                return new PcmSource(bytes, found, DataBytes((uint)size, longSize, riffSize, bytes.Position));
            }
            int read = (int)Math.Min(size, FormatBytes);
            Span<byte> content = chunk[..read];
            bool isFormat = head.StartsWith("fmt "u8), isSizes = head.StartsWith("ds64"u8);
            if (!isFormat && !isSizes) read = 0;
            else if (!bytes.TryRead(content)) throw bytes.Damaged("is a WAV file that ends before its samples");
            if (isFormat) format = Format(content, bytes);
            if (isSizes && read >= 16) longSize = Math.Max(0, BinaryPrimitives.ReadInt64LittleEndian(content[8..]));
            if (!bytes.TrySkip(size - read + (size & 1))) throw bytes.Damaged("is a WAV file that ends before its samples");
        }
        throw bytes.Damaged($"is a WAV file with more than {MostChunks} chunks before its samples");
    }

    private static long? DataBytes(uint size, long? longSize, uint riffSize, long position)
    {
        if (size >= UnknownSize) return size == uint.MaxValue ? longSize : size < 0x8000_0000 ? null : size;
        // A recorder that was killed has left 0, and no size of the whole that would say what follows.
        return size == 0 && riffSize <= position - 8 ? null : size;
    }

    private static PcmFormat Format(ReadOnlySpan<byte> chunk, ByteSource bytes)
    {
        if (chunk.Length < 16) throw bytes.Damaged("is a WAV file whose format is cut off");
        int tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk), channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
        uint rate = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
        int frameBytes = BinaryPrimitives.ReadUInt16LittleEndian(chunk[12..]), bits = BinaryPrimitives.ReadUInt16LittleEndian(chunk[14..]);
        // An extensible format has the tag as the first bytes of a GUID; the samples are in containers of `bits`, the highest of which are
        // valid.
        if (tag == Extensible)
        {
            if (chunk.Length < FormatBytes) throw bytes.Damaged("is a WAV file whose format is cut off");
            tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk[24..]);
        }
        int container = channels > 0 && frameBytes > 0 && frameBytes % channels == 0 ? frameBytes / channels : 0;
        SampleEncoding encoding = (tag, container) switch
        {
            (Pcm, 1) => SampleEncoding.Unsigned8,
            (Pcm, 2) => SampleEncoding.Signed16,
            (Pcm, 3) => SampleEncoding.Signed24,
            (Pcm, 4) => SampleEncoding.Signed32,
            (Float, 4) => SampleEncoding.Float32,
            (Float, 8) => SampleEncoding.Float64,
            (Pcm or Float, _) => throw bytes.Damaged(
                $"is a WAV file with {channels} channels in {frameBytes} bytes, which are not samples of 8, 16, 24 or 32 bits"),
            _ => throw bytes.Damaged($"is a WAV file with compressed samples ({NameOf(tag)}); PCM and floats are read"),
        };
        if (bits > 8 * container || bits <= 8 * (container - 1))
            throw bytes.Damaged($"is a WAV file with samples of {bits} bits in {container} bytes");
        var format = new PcmFormat((int)Math.Min(rate, int.MaxValue), channels, encoding);
        return format.Problem is { } problem ? throw bytes.Damaged(problem) : format;
    }

    private static string NameOf(int tag) => tag switch
    {
        2 => "Microsoft ADPCM",
        6 => "A-law",
        7 => "mu-law",
        0x11 => "IMA ADPCM",
        0x31 => "GSM 6.10",
        0x50 or 0x55 => "MPEG",
        _ => $"format {tag}",
    };
}
