using System.Buffers.Binary;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// The samples of a FLAC file (RFC 9639), frame by frame: any blocks, 1 to 8 channels, 4 to 32 bits. Checksums of frames are checked; a
/// file that is cut off ends with its last whole frame.
/// </summary>
internal sealed class FlacSource : SampleSource
{
    private const int StreamInfoBytes = 34, MostBlocks = 1024, MostBlock = 65536;

    private readonly FlacBitReader bits;
    private readonly FlacSubframe subframe;
    private readonly ByteSource bytes;
    private readonly int sampleBits;
    private readonly long[][] channels;
    private int block, given; // samples of the frame at hand, and how many of them were given
    private long decoded;

    private FlacSource(ByteSource bytes, int sampleRate, int channelCount, int sampleBits, long frames)
    {
        this.bytes = bytes;
        this.sampleBits = sampleBits;
        bits = new FlacBitReader(bytes);
        subframe = new FlacSubframe(bits, bytes);
        (SampleRate, Channels, Frames) = (sampleRate, channelCount, frames == 0 ? null : frames);
        channels = new long[channelCount][];
        Array.Fill(channels, []);
    }

    public override int SampleRate { get; }

    public override int Channels { get; }

    public override long? Frames { get; }

    /// <summary>Whether a file that begins so is read here.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> start) => start.StartsWith("fLaC"u8);

    /// <summary>Reads the blocks before the first frame.</summary>
    /// <exception cref="Files.FileException">They are damaged, or say what is not read.</exception>
    public static FlacSource Open(ByteSource bytes)
    {
        bytes.TrySkip(4);
        FlacSource? source = null;
        Span<byte> header = stackalloc byte[4], info = stackalloc byte[StreamInfoBytes];
        for (int blocks = 0; blocks < MostBlocks; blocks++)
        {
            if (!bytes.TryRead(header)) throw bytes.Damaged("is a FLAC file that ends before its samples");
            int length = header[1] << 16 | header[2] << 8 | header[3];
            if ((header[0] & 0x7F) == 0)
            {
                if (length < StreamInfoBytes || !bytes.TryRead(info)) throw bytes.Damaged("is a FLAC file whose format is cut off");
                length -= StreamInfoBytes;
                source = Describe(bytes, info);
            }
            if (!bytes.TrySkip(length)) throw bytes.Damaged("is a FLAC file that ends before its samples");
            if ((header[0] & 0x80) != 0) return source ?? throw bytes.Damaged("is a FLAC file without its format");
        }
        throw bytes.Damaged($"is a FLAC file with more than {MostBlocks} blocks before its samples");
    }

    public override int ReadFrames(Span<float> samples)
    {
        if (given == block)
        {
            (block, given) = (0, 0);
            if (!TryReadFrame()) return 0;
        }
        int count = Math.Min(samples.Length / Channels, block - given);
        float scale = 1f / (1L << (sampleBits - 1));
        for (int c = 0; c < Channels; c++)
        {
            long[] channel = channels[c];
            for (int i = 0; i < count; i++) samples[i * Channels + c] = channel[given + i] * scale;
        }
        given += count;
        return count;
    }

    private static FlacSource Describe(ByteSource bytes, ReadOnlySpan<byte> info)
    {
        ulong packed = BinaryPrimitives.ReadUInt64BigEndian(info[10..]);
        int rate = (int)(packed >> 44), channelCount = (int)(packed >> 41 & 7) + 1, sampleBits = (int)(packed >> 36 & 31) + 1;
        if (new PcmFormat(rate, channelCount, SampleEncoding.Signed32).Problem is { } problem) throw bytes.Damaged(problem);
        if (sampleBits < 4) throw bytes.Damaged($"is a FLAC file with samples of {sampleBits} bits");
        return new FlacSource(bytes, rate, channelCount, sampleBits, (long)(packed & 0xF_FFFF_FFFF));
    }

    private bool TryReadFrame()
    {
        if (decoded >= (Frames ?? long.MaxValue) || bytes.Peek(1).IsEmpty) return false;
        try
        {
            ReadFrame();
            decoded += block;
            return true;
        }
        catch (EndOfStreamException)
        {
            block = 0;
            return false;
        }
    }

    private void ReadFrame()
    {
        const int Sync = 0x3FFE, LeftSide = 8, SideRight = 9, MiddleSide = 10;
        bits.BeginFrame();
        if (bits.Read(14) != Sync || bits.Read(1) != 0)
            throw bytes.Damaged("is a FLAC file that is damaged: a frame does not begin where it should");
        bits.Read(1); // frames are numbered either by themselves or by samples; the order is what counts
        int blockCode = (int)bits.Read(4), rateCode = (int)bits.Read(4), assignment = (int)bits.Read(4), sizeCode = (int)bits.Read(3);
        bits.Read(1);
        SkipNumber();
        int length = blockCode switch
        {
            1 => 192,
            >= 2 and <= 5 => 576 << (blockCode - 2),
            6 => (int)bits.Read(8) + 1,
            7 => (int)bits.Read(16) + 1,
            >= 8 => 256 << (blockCode - 8),
            _ => throw bytes.Damaged("is a FLAC file that is damaged: a frame has no length"),
        };
        if (rateCode is >= 12 and <= 14) bits.Read(rateCode == 12 ? 8 : 16);
        byte checksum = bits.HeaderChecksum;
        if (bits.Read(8) != checksum) throw bytes.Damaged("is a FLAC file that is damaged: a frame's header has another checksum");
        int count = assignment <= 7 ? assignment + 1 : assignment <= MiddleSide ? 2 : 0;
        if (count != Channels) throw bytes.Damaged($"is a FLAC file of {Channels} channels with a frame of {count}");
        int width = sizeCode switch { 0 => sampleBits, 1 => 8, 2 => 12, 4 => 16, 5 => 20, 6 => 24, 7 => 32, _ => 0 };
        if (width != sampleBits) throw bytes.Damaged($"is a FLAC file of {sampleBits} bits with a frame of {width}");
        if (length > MostBlock) throw bytes.Damaged("is a FLAC file that is damaged");
        for (int c = 0; c < count; c++)
        {
            if (channels[c].Length < length) channels[c] = new long[length];
            bool isSide = (assignment is LeftSide or MiddleSide && c == 1) || (assignment == SideRight && c == 0);
            subframe.Read(channels[c].AsSpan(0, length), width + (isSide ? 1 : 0));
        }
        bits.Align();
        ushort frameChecksum = bits.FrameChecksum;
        if (bits.Read(16) != frameChecksum) throw bytes.Damaged("is a FLAC file that is damaged: a frame has another checksum");
        if (assignment > 7) Join(assignment, channels[0].AsSpan(0, length), channels[1].AsSpan(0, length));
        block = length;
    }

    /// <summary>The frame's number, in the form of UTF-8 with up to 7 bytes.</summary>
    private void SkipNumber()
    {
        uint first = bits.Read(8);
        for (uint mark = 0x40; (first & 0x80) != 0 && (first & mark) != 0 && mark > 1; mark >>= 1) bits.Read(8);
    }

    /// <summary>Two channels out of one and their difference, or out of their mean and difference.</summary>
    private static void Join(int assignment, Span<long> first, Span<long> second)
    {
        for (int i = 0; i < first.Length; i++)
        {
            (long a, long b) = (first[i], second[i]);
            switch (assignment)
            {
                case 8: second[i] = a - b; break;
                case 9: first[i] = a + b; break;
                default:
                    long sum = a << 1 | b & 1;
                    (first[i], second[i]) = ((sum + b) >> 1, (sum - b) >> 1);
                    break;
            }
        }
    }
}
