using System.Buffers.Binary;
using System.Security.Cryptography;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Writes mono sound as a FLAC file of 16-bit samples (RFC 9639), block by block: fixed predictors of order 0 to 4, their errors in Rice
/// codes. Lossless; speech takes about half of a WAV file. Where the stream can go back, <see cref="Finish"/> writes the number of samples
/// and their MD5 sum, else both stay unknown.
/// </summary>
internal sealed class FlacWriter : IDisposable
{
    private const int BlockSamples = 1152; // 48 ms at 24 kHz: a stream waits no longer
    private const int BlockSizeCode = 3, OtherBlockSizeCode = 7;
    private const int InfoBytes = 34, InfoOffset = 8; // after the mark and the block's header
    private const int MostOrder = 4, MostPartitionOrder = 4, MostParameter = 14;

    private readonly Stream _output;
    private readonly int _sampleRate;
    private readonly long _start;
    private readonly IncrementalHash _sum = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
    private readonly int[] _block = new int[BlockSamples];
    private readonly int[] _errors = new int[BlockSamples];
    private readonly byte[] _bytes = new byte[2 * BlockSamples];
    private readonly FlacBits _bits = new();
    private int _count;
    private uint _frame;
    private long _samples;

    /// <summary>Writes the header.</summary>
    /// <param name="sampleRate">At most 65,535.</param>
    public FlacWriter(Stream output, int sampleRate)
    {
        (_output, _sampleRate) = (output, sampleRate);
        _start = output.CanSeek ? output.Position : 0;
        output.Write("fLaC"u8);
        output.Write([0x80, 0, 0, InfoBytes]); // the last block of metadata, of stream information
        WriteInfo(default);
    }

    /// <summary>Adds samples from -1 to 1.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        foreach (float sample in samples)
        {
            _block[_count++] = SamplesOf16Bits.Of(sample);
            if (_count == BlockSamples) WriteBlock();
        }
    }

    /// <summary>Writes the last block, and the header's numbers if the stream can go back.</summary>
    public void Finish()
    {
        if (_count > 0) WriteBlock();
        if (!_output.CanSeek) return;
        long end = _output.Position;
        _output.Position = _start + InfoOffset;
        WriteInfo(_sum.GetHashAndReset());
        _output.Position = end;
    }

    public void Dispose() => _sum.Dispose();

    private void WriteInfo(ReadOnlySpan<byte> sum)
    {
        Span<byte> info = stackalloc byte[InfoBytes];
        info.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(info, BlockSamples);
        BinaryPrimitives.WriteUInt16BigEndian(info[2..], BlockSamples);
        // 20 bits of the rate, 3 of channels - 1, 5 of bits a sample - 1, 36 of samples (0: unknown)
        BinaryPrimitives.WriteUInt64BigEndian(info[10..], (ulong)_sampleRate << 44 | 15UL << 36 | (ulong)(_samples & 0xFFFFFFFFF));
        sum.CopyTo(info[18..]);
        _output.Write(info);
    }

    private void WriteBlock()
    {
        ReadOnlySpan<int> block = _block.AsSpan(0, _count);
        for (int i = 0; i < _count; i++) BinaryPrimitives.WriteInt16LittleEndian(_bytes.AsSpan(2 * i), (short)block[i]);
        _sum.AppendData(_bytes.AsSpan(0, 2 * _count));
        _samples += _count;

        _bits.Begin();
        _bits.Write(0xFFF8, 16); // blocks of one size
        bool isWhole = _count == BlockSamples;
        _bits.Write((uint)(isWhole ? BlockSizeCode : OtherBlockSizeCode), 4);
        _bits.Write(0xD, 4); // the rate in Hz is in the header
        _bits.Write(8, 8);   // mono, 16 bits
        _bits.WriteNumber(_frame++);
        if (!isWhole) _bits.Write((uint)_count - 1, 16);
        _bits.Write((uint)_sampleRate, 16);
        _bits.WriteHeaderSum();
        WriteSamples(block);
        _bits.WriteFrameSum();
        _output.Write(_bits.Bytes);
        _count = 0;
    }

    private void WriteSamples(ReadOnlySpan<int> block)
    {
        if (!block.ContainsAnyExcept(block[0]))
        {
            _bits.Write(0, 8); // constant
            _bits.Write((uint)block[0] & 0xFFFF, 16);
            return;
        }
        int order = BestOrder(block);
        Predict(block, order, _errors);
        _bits.Write((uint)(8 + order) << 1, 8); // fixed predictor of an order
        for (int i = 0; i < order; i++) _bits.Write((uint)block[i] & 0xFFFF, 16);
        WriteErrors(_errors.AsSpan(0, block.Length), order);
    }

    private int BestOrder(ReadOnlySpan<int> block)
    {
        int best = 0;
        long least = long.MaxValue;
        for (int order = 0; order <= Math.Min(MostOrder, block.Length - 1); order++)
        {
            Predict(block, order, _errors);
            long sum = 0;
            foreach (int error in _errors.AsSpan(order, block.Length - order)) sum += Math.Abs(error);
            if (sum >= least) continue;
            (best, least) = (order, sum);
        }
        return best;
    }

    /// <summary>Differences of an order: what a polynomial through the samples before does not foretell.</summary>
    private static void Predict(ReadOnlySpan<int> block, int order, int[] errors)
    {
        block.CopyTo(errors);
        for (int pass = 1; pass <= order; pass++)
        {
            for (int i = block.Length - 1; i >= pass; i--) errors[i] -= errors[i - 1];
        }
    }

    /// <summary>Rice codes, with a parameter for each of 2^n parts of the block.</summary>
    private void WriteErrors(ReadOnlySpan<int> errors, int order)
    {
        int bestPartitions = 0;
        long least = long.MaxValue;
        for (int partitions = 0; partitions <= MostPartitionOrder; partitions++)
        {
            if (errors.Length % (1 << partitions) != 0 || errors.Length >> partitions <= order) break;
            long bits = 0;
            for (int part = 0; part < 1 << partitions; part++) bits += 4 + Cost(Part(errors, order, partitions, part)).Bits;
            if (bits >= least) continue;
            (bestPartitions, least) = (partitions, bits);
        }
        _bits.Write(0, 2); // parameters of 4 bits
        _bits.Write((uint)bestPartitions, 4);
        for (int part = 0; part < 1 << bestPartitions; part++)
        {
            ReadOnlySpan<int> numbers = Part(errors, order, bestPartitions, part);
            int parameter = Cost(numbers).Parameter;
            _bits.Write((uint)parameter, 4);
            foreach (int error in numbers) _bits.WriteRice(ZigZag(error), parameter);
        }
    }

    private static ReadOnlySpan<int> Part(ReadOnlySpan<int> errors, int order, int partitions, int part)
    {
        int length = errors.Length >> partitions, start = part * length;
        return part == 0 ? errors[order..length] : errors.Slice(start, length);
    }

    private static (long Bits, int Parameter) Cost(ReadOnlySpan<int> errors)
    {
        (long Bits, int Parameter) best = (long.MaxValue, 0);
        long sum = 0;
        foreach (int error in errors) sum += ZigZag(error);
        int near = errors.IsEmpty ? 0 : (int)Math.Log2(Math.Max(1, sum / (double)errors.Length));
        for (int parameter = Math.Max(0, near - 1); parameter <= Math.Min(MostParameter, near + 1); parameter++)
        {
            long bits = (long)errors.Length * (parameter + 1);
            foreach (int error in errors) bits += ZigZag(error) >> parameter;
            if (bits < best.Bits) best = (bits, parameter);
        }
        return best.Bits == long.MaxValue ? (0, MostParameter) : best;
    }

    private static uint ZigZag(int error) => (uint)(error << 1 ^ error >> 31);
}

/// <summary>Bits of a FLAC frame, the highest first, and their check sums.</summary>
internal sealed class FlacBits
{
    private byte[] _bytes = new byte[4096];
    private int _count;
    private uint _last; // bits that are not a whole byte yet
    private int _lastBits;

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _count);

    public void Begin() => (_count, _last, _lastBits) = (0, 0, 0);

    /// <summary>Adds the lowest 0 to 24 bits of a number.</summary>
    public void Write(uint value, int bits)
    {
        _last = _last << bits | value & (1u << bits) - 1;
        for (_lastBits += bits; _lastBits >= 8; _lastBits -= 8)
        {
            if (_count == _bytes.Length) Array.Resize(ref _bytes, 2 * _count);
            _bytes[_count++] = (byte)(_last >> _lastBits - 8);
        }
    }

    /// <summary>A number as a run of zeros, a one, and its lowest bits (Rice coding).</summary>
    public void WriteRice(uint value, int parameter)
    {
        uint zeros = value >> parameter;
        for (; zeros >= 16; zeros -= 16) Write(0, 16);
        Write(1, (int)zeros + 1);
        Write(value, parameter);
    }

    /// <summary>A frame's number in UTF-8's form, up to 31 bits.</summary>
    public void WriteNumber(uint value)
    {
        if (value < 0x80)
        {
            Write(value, 8);
            return;
        }
        int more = 1;
        while (value >> 6 * more >= 1u << 6 - more) more++;
        Write((0xFF80u >> more & 0xFF) | value >> 6 * more, 8);
        for (int i = more - 1; i >= 0; i--) Write(0x80 | value >> 6 * i & 0x3F, 8);
    }

    /// <summary>The sum of what is there: polynomial x^8 + x^2 + x + 1.</summary>
    public void WriteHeaderSum()
    {
        uint sum = 0;
        foreach (byte part in Bytes)
        {
            sum ^= part;
            for (int bit = 0; bit < 8; bit++) sum = sum << 1 ^ ((sum & 0x80) != 0 ? 0x107u : 0);
        }
        Write(sum, 8);
    }

    /// <summary>Fills the last byte with zeros and adds the sum of all: polynomial x^16 + x^15 + x^2 + 1.</summary>
    public void WriteFrameSum()
    {
        if (_lastBits > 0) Write(0, 8 - _lastBits);
        uint sum = 0;
        foreach (byte part in Bytes)
        {
            sum ^= (uint)part << 8;
            for (int bit = 0; bit < 8; bit++) sum = sum << 1 ^ ((sum & 0x8000) != 0 ? 0x18005u : 0);
        }
        Write(sum, 16);
    }
}
