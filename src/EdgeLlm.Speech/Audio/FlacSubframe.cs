using System.Numerics;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// One channel of a FLAC frame: constant, as it is, or a prediction of each sample from those before and Rice codes of what is left.
/// </summary>
internal sealed class FlacSubframe(FlacBitReader bits, ByteSource bytes)
{
    private const int MostOrder = 32;

    private readonly long[] coefficients = new long[MostOrder];

    /// <summary>Reads a channel.</summary>
    /// <param name="samples">Receives the samples of the frame.</param>
    /// <param name="width">Bits of a sample.</param>
    public void Read(Span<long> samples, int width)
    {
        if (bits.Read(1) != 0) throw Damaged();
        int type = (int)bits.Read(6), wasted = 0;
        if (bits.Read(1) != 0)
        {
            wasted = (int)bits.ReadUnary() + 1;
            if (wasted >= width) throw Damaged();
            width -= wasted;
        }
        switch (type)
        {
            case 0:
                samples.Fill(bits.ReadSigned(width));
                break;
            case 1:
                foreach (ref long sample in samples) sample = bits.ReadSigned(width);
                break;
            case >= 8 and <= 12:
                ReadFixed(samples, type - 8, width);
                break;
            case >= 32:
                ReadPredicted(samples, type - 31, width);
                break;
            default: throw Damaged();
        }
        if (wasted == 0) return;
        foreach (ref long sample in samples) sample <<= wasted;
    }

    private void ReadFixed(Span<long> samples, int order, int width)
    {
        ReadFirst(samples, order, width);
        ReadResiduals(samples, order);
        // Differences of the order: 1 - (1 - z)^order.
        for (int i = order; i < samples.Length; i++)
        {
            samples[i] += order switch
            {
                0 => 0,
                1 => samples[i - 1],
                2 => 2 * samples[i - 1] - samples[i - 2],
                3 => 3 * (samples[i - 1] - samples[i - 2]) + samples[i - 3],
                _ => 4 * (samples[i - 1] + samples[i - 3]) - 6 * samples[i - 2] - samples[i - 4],
            };
        }
    }

    private void ReadPredicted(Span<long> samples, int order, int width)
    {
        ReadFirst(samples, order, width);
        int precision = (int)bits.Read(4) + 1, shift = (int)bits.ReadSigned(5);
        if (precision == 16 || shift < 0) throw Damaged();
        for (int i = 0; i < order; i++) coefficients[i] = bits.ReadSigned(precision);
        ReadResiduals(samples, order);
        for (int i = order; i < samples.Length; i++)
        {
            long sum = 0;
            for (int j = 0; j < order; j++) sum += coefficients[j] * samples[i - 1 - j];
            samples[i] += sum >> shift;
        }
    }

    private void ReadFirst(Span<long> samples, int order, int width)
    {
        if (order > samples.Length) throw Damaged();
        for (int i = 0; i < order; i++) samples[i] = bits.ReadSigned(width);
    }

    private void ReadResiduals(Span<long> samples, int order)
    {
        uint method = bits.Read(2);
        if (method > 1) throw Damaged();
        int parameterBits = method == 0 ? 4 : 5, partitions = 1 << (int)bits.Read(4), size = samples.Length / partitions;
        if (size * partitions != samples.Length || size < order) throw Damaged();
        for (int partition = 0; partition < partitions; partition++)
        {
            Span<long> part = samples[Math.Max(partition * size, order)..((partition + 1) * size)];
            int parameter = (int)bits.Read(parameterBits);
            if (parameter == (1 << parameterBits) - 1)
            {
                int raw = (int)bits.Read(5);
                foreach (ref long residual in part) residual = raw == 0 ? 0 : bits.ReadSigned(raw);
                continue;
            }
            foreach (ref long residual in part)
            {
                ulong folded = (ulong)bits.ReadUnary() << parameter | bits.Read(parameter);
                residual = (long)(folded >> 1) ^ -(long)(folded & 1);
            }
        }
    }

    private Files.FileException Damaged() => bytes.Damaged("is a FLAC file that is damaged");
}

/// <summary>Bits of a FLAC frame, the highest of a byte first, with the frame's checksums. No byte is taken before it is needed.</summary>
internal sealed class FlacBitReader(ByteSource bytes)
{
    private static readonly byte[] Table8 = MakeTable8();
    private static readonly ushort[] Table16 = MakeTable16();

    private ulong held;
    private int count;

    /// <summary>CRC-8 (polynomial 0x07) of the frame's bytes so far.</summary>
    public byte HeaderChecksum { get; private set; }

    /// <summary>CRC-16 (polynomial 0x8005) of the frame's bytes so far.</summary>
    public ushort FrameChecksum { get; private set; }

    /// <summary>Begins at a whole byte.</summary>
    public void BeginFrame() => (held, count, HeaderChecksum, FrameChecksum) = (0, 0, 0, 0);

    /// <summary>Leaves out the rest of a byte.</summary>
    public void Align() => count = 0;

    /// <summary>An unsigned number of 0 to 32 bits.</summary>
    /// <exception cref="EndOfStreamException">The file ends before.</exception>
    public uint Read(int width)
    {
        while (count < width) Take();
        count -= width;
        return (uint)(held >> count & ((1UL << width) - 1));
    }

    /// <summary>A number of 1 to 33 bits in two's complement.</summary>
    /// <exception cref="EndOfStreamException">The file ends before.</exception>
    public long ReadSigned(int width)
    {
        ulong value = width > 32 ? (ulong)Read(width - 32) << 32 | Read(32) : Read(width);
        return (long)(value << (64 - width)) >> (64 - width);
    }

    /// <summary>The number of zeros before a one.</summary>
    /// <exception cref="EndOfStreamException">The file ends before.</exception>
    public uint ReadUnary()
    {
        for (uint zeros = 0; ; Take())
        {
            ulong left = count == 0 ? 0 : held << (64 - count);
            if (left != 0)
            {
                int leading = BitOperations.LeadingZeroCount(left);
                count -= leading + 1;
                return zeros + (uint)leading;
            }
            zeros += (uint)count;
            count = 0;
            if (zeros > 1 << 30) throw bytes.Damaged("is a FLAC file that is damaged");
        }
    }

    private void Take()
    {
        int next = bytes.ReadByte();
        if (next < 0) throw new EndOfStreamException();
        HeaderChecksum = Table8[HeaderChecksum ^ next];
        FrameChecksum = (ushort)(FrameChecksum << 8 ^ Table16[FrameChecksum >> 8 ^ next]);
        held = held << 8 | (uint)next;
        count += 8;
    }

    private static byte[] MakeTable8()
    {
        byte[] table = new byte[256];
        for (int i = 0; i < table.Length; i++)
        {
            int crc = i;
            for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ ((crc & 0x80) != 0 ? 0x107 : 0);
            table[i] = (byte)crc;
        }
        return table;
    }

    private static ushort[] MakeTable16()
    {
        ushort[] table = new ushort[256];
        for (int i = 0; i < table.Length; i++)
        {
            int crc = i << 8;
            for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ ((crc & 0x8000) != 0 ? 0x18005 : 0);
            table[i] = (ushort)crc;
        }
        return table;
    }
}
