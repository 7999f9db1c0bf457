using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;
using static EdgeLlm.Speech.Tests.Audio.WavBytes;

namespace EdgeLlm.Speech.Tests.Audio;

public sealed class AudioReaderTests
{
    private static readonly double[] Wave = [0, .25, -.25, .5, -.5, -1, .75, .125];

    public static TheoryData<SampleEncoding, bool> Encodings
    {
        get
        {
            var all = new TheoryData<SampleEncoding, bool>();
            foreach (SampleEncoding encoding in Enum.GetValues<SampleEncoding>())
            {
                all.Add(encoding, false);
                all.Add(encoding, true);
            }
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Encodings))]
    public void Samples_of_every_width_are_read(SampleEncoding encoding, bool isExtensible)
    {
        byte[] file = Of(new PcmFormat(16000, 1, encoding), Encode(encoding, Wave), isExtensible);
        using AudioReader reader = Open(file);
        Assert.Equal(Wave.Length, reader.Length);
        Assert.Equal(Wave.Select(sample => (float)sample), reader.ReadAll());
    }

    [Fact]
    public void Sixteen_bits_are_divided_by_32768()
    {
        short[] samples = [short.MinValue, -1, 0, 1, short.MaxValue];
        byte[] data = [.. samples.SelectMany(BitConverter.GetBytes)];
        using AudioReader reader = Open(Of(new PcmFormat(16000, 1, SampleEncoding.Signed16), data));
        Assert.Equal(samples.Select(sample => sample / 32768f), reader.ReadAll());
    }

    [Fact]
    public void Valid_bits_in_a_wider_container_are_its_highest()
    {
        byte[] format = Format(new PcmFormat(16000, 1, SampleEncoding.Signed24), bits: 20);
        using AudioReader reader = Open(File([Chunk("fmt ", format), Chunk("data", Encode(SampleEncoding.Signed24, .5, -.25))]));
        Assert.Equal([.5f, -.25f], reader.ReadAll());
    }

    [Fact]
    public void Channels_are_mixed_as_their_mean()
    {
        using AudioReader reader =
            Open(Of(new PcmFormat(16000, 2, SampleEncoding.Signed16), Encode(SampleEncoding.Signed16, .5, .25, -1, .5)));
        Assert.Equal([.375f, -.25f], reader.ReadAll());
    }

    [Theory]
    [InlineData(0.2, 16_000)]
    [InlineData(-0.05, 16_000)]
    [InlineData(0.1, 44_100)]
    public void An_offset_of_all_samples_is_taken_off_and_the_voice_stays(double offset, int rate)
    {
        double[] voice = [.. Enumerable.Range(0, 3 * rate).Select(i => 0.2 * Math.Sin(2 * Math.PI * 150 * i / rate))];
        float[] clean = ReadAll(voice), moved = ReadAll(voice.Select(sample => sample + offset));
        Assert.Equal(clean.Length, moved.Length);
        Assert.True(Math.Abs(moved[1600..^300].Average()) < 1e-3);
        Assert.True(clean.Zip(moved).Take(clean.Length - 300).Skip(1600).Max(pair => Math.Abs(pair.First - pair.Second)) < 2e-3);
        using AudioReader reader =
            Open(Of(new PcmFormat(rate, 1, SampleEncoding.Float32),
                Encode(SampleEncoding.Float32, voice.Select(sample => sample + offset))));
        reader.ReadAll(7);
        Assert.Equal(offset, reader.Offset, 2e-3);

        float[] ReadAll(IEnumerable<double> samples)
        {
            byte[] file = Of(new PcmFormat(rate, 1, SampleEncoding.Float32), Encode(SampleEncoding.Float32, samples));
            using AudioReader whole = Open(file), pieces = AudioReader.Open(new PieceStream(file, 3), "pieces");
            float[] all = whole.ReadAll();
            Assert.Equal(all, pieces.ReadAll(33));
            return all;
        }
    }

    [Fact]
    public void Sound_without_an_offset_is_given_bit_for_bit()
    {
        // A step of 1 % that does not last, and a tenth of a second that is not whole.
        double[] sound = [.. Enumerable.Range(0, 1599).Select(_ => 0.5)],
            step = [.. Enumerable.Range(0, 4000).Select(i => i < 1200 ? 0.05 : -0.001)];
        foreach (double[] samples in new[] { sound, step })
        {
            using AudioReader reader = Open(Of(new PcmFormat(16_000, 1, SampleEncoding.Float32), Encode(SampleEncoding.Float32, samples)));
            Assert.Equal(samples.Select(sample => (float)sample), reader.ReadAll());
            Assert.Equal(0, reader.Offset);
        }
    }

    [Fact]
    public void What_is_not_finite_is_silence_and_what_is_beyond_full_scale_is_cut()
    {
        using AudioReader reader =
            Open(Of(new PcmFormat(16000, 1, SampleEncoding.Float32),
                Encode(SampleEncoding.Float32, double.NaN, double.PositiveInfinity, 3, -3, .5)));
        Assert.Equal([0, 0, 1, -1, .5f], reader.ReadAll());
        Assert.Equal(2, reader.Clipped);
    }

    [Fact]
    public void Chunks_beside_the_samples_are_left_out()
    {
        byte[] data = Encode(SampleEncoding.Signed16, Wave);
        byte[] file = File([Chunk("LIST", [1, 2, 3]), Chunk("fmt ", Format(new PcmFormat(16000, 1, SampleEncoding.Signed16))),
            Chunk("fact", new byte[70_001]), Chunk("data", data), Chunk("LIST", new byte[100])]);
        using AudioReader reader = Open(file);
        Assert.Equal(Wave.Length, reader.ReadAll().Length);
    }

    [Theory]
    [InlineData(0xFFFFFFFF, 0xFFFFFFFF)] // ffmpeg to a pipe
    [InlineData(0x7FFFF000, 0x7FFFF024)] // espeak-ng
    [InlineData(0x7FFFFFFF, 0x7FFFFFFF)] // SoX
    [InlineData(0, 0)] // a recorder that was killed
    [InlineData(0, 36)]
    [InlineData(1_000_000, 1_000_036)] // cut off
    public void Samples_of_unknown_length_end_with_the_stream(uint dataSize, uint riffSize)
    {
        byte[] file =
            File([Chunk("fmt ", Format(new PcmFormat(16000, 1, SampleEncoding.Signed16))),
                Chunk("data", Encode(SampleEncoding.Signed16, Wave), dataSize)], riffSize);
        using AudioReader reader = Open(file);
        Assert.Equal(Wave.Length, reader.ReadAll().Length);
    }

    [Fact]
    public void A_file_without_samples_is_silence_even_if_other_chunks_follow()
    {
        using AudioReader reader =
            Open(
                File([Chunk("fmt ", Format(new PcmFormat(16000, 1, SampleEncoding.Signed16))), Chunk("data", []),
                    Chunk("LIST", new byte[100])]));
        Assert.Equal(0, reader.Length);
        Assert.Empty(reader.ReadAll());
    }

    [Fact]
    public void Sizes_beyond_32_bits_are_read_from_ds64()
    {
        byte[] sizes = [.. BitConverter.GetBytes(100L), .. BitConverter.GetBytes(6L), .. BitConverter.GetBytes(3L), 0, 0, 0, 0];
        byte[] file = File([Chunk("ds64", sizes), Chunk("fmt ", Format(new PcmFormat(16000, 1, SampleEncoding.Signed16))),
            Chunk("data", Encode(SampleEncoding.Signed16, Wave), uint.MaxValue)], uint.MaxValue, "RF64");
        using AudioReader reader = Open(file);
        Assert.Equal(3, reader.Length);
        Assert.Equal(3, reader.ReadAll().Length);
    }

    [Theory]
    [InlineData(8000, 1, SampleEncoding.Signed16)]
    [InlineData(44100, 2, SampleEncoding.Signed24)]
    [InlineData(16000, 1, SampleEncoding.Float32)]
    public void The_samples_do_not_depend_on_the_pieces(int rate, int channels, SampleEncoding encoding)
    {
        var random = new Random(rate);
        byte[] file = Of(new PcmFormat(rate, channels, encoding),
            Encode(encoding, Enumerable.Range(0, 20_001 * channels).Select(_ => random.NextDouble() - .5)));
        using AudioReader whole = Open(file);
        float[] expected = whole.ReadAll(1 << 20);
        Assert.Equal(whole.Length, expected.Length);
        foreach (int piece in (int[])[1, 7, 160, 5000])
        {
            using var reader = AudioReader.Open(new PieceStream(file, piece), "sound");
            Assert.Equal(expected, reader.ReadAll(piece));
        }
    }

    [Fact]
    public void Two_hours_are_read_in_flat_memory()
    {
        const int Seconds = 7200, Rate = 8000;
        byte[] header = File([Chunk("fmt ", Format(new PcmFormat(Rate, 1, SampleEncoding.Unsigned8))), Chunk("data", [], uint.MaxValue)],
            uint.MaxValue);
        using var reader = AudioReader.Open(new EndlessStream(header, header.Length + (long)Seconds * Rate), "sound");
        float[] samples = new float[8000];
        reader.Read(samples);
        long before = GC.GetAllocatedBytesForCurrentThread(), count = 0;
        for (int got; (got = reader.Read(samples)) > 0;) count += got;
        Assert.Equal(Seconds * 16000L, reader.Position);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 16, $"{GC.GetAllocatedBytesForCurrentThread() - before} bytes");
    }

    [Fact]
    public void Raw_samples_are_read_to_the_end_of_the_stream()
    {
        byte[] data = [.. Encode(SampleEncoding.Signed16, Wave), 1];
        using var reader = AudioReader.OpenPcm(new PieceStream(data, 1, 3), "sound", new PcmFormat(16000, 1, SampleEncoding.Signed16));
        Assert.Null(reader.Length);
        Assert.Equal(Wave.Select(sample => (float)sample), reader.ReadAll(3));
        Assert.Throws<ArgumentException>(() => AudioReader.OpenPcm(Stream.Null, "sound", new PcmFormat(0, 1, SampleEncoding.Signed16)));
    }

    [Fact]
    public void What_is_left_is_read_at_once_up_to_a_limit()
    {
        byte[] file = Of(new PcmFormat(8000, 1, SampleEncoding.Signed16), new byte[20_000]);
        using AudioReader reader = Open(file), tooLong = Open(file);
        Assert.Equal(20_000, reader.ReadToEnd(20_000)!.Length);
        Assert.Null(tooLong.ReadToEnd(19_999));
    }

    public static TheoryData<string, byte[], string> Refused => new()
    {
        { "empty", [], "is empty" },
        { "text", "What is this?"u8.ToArray(), "not a sound file" },
        { "Ogg", "OggS\0\0\0\0\0\0\0\0"u8.ToArray(), "an Ogg file" },
        { "MP3", "ID3\x04"u8.ToArray(), "an MP3 file" },
        { "AVI", "RIFF\0\0\0\0AVI LIST"u8.ToArray(), "is a RIFF file but not WAV" },
        { "cut", "RIFF\0\0\0\0WAVEfmt "u8.ToArray(), "ends before its samples" },
        { "no format", File([Chunk("data", [0, 0])]), "samples come before their format" },
        { "short format", File([Chunk("fmt ", new byte[14]), Chunk("data", [])]), "format is cut off" },
        { "mu-law", File([Chunk("fmt ", [7, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x40, 0x1F, 0, 0, 1, 0, 8, 0])]), "mu-law" },
        { "no channels", File([Chunk("fmt ", [1, 0, 0, 0, 0x40, 0x1F, 0, 0, 0x40, 0x1F, 0, 0, 0, 0, 8, 0])]), "0 channels" },
        { "65 channels", File([Chunk("fmt ", Format(new PcmFormat(8000, 65, SampleEncoding.Unsigned8)))]), "65 channels" },
        { "slow", File([Chunk("fmt ", Format(new PcmFormat(999, 1, SampleEncoding.Unsigned8)))]), "999 samples a second" },
        { "fast", File([Chunk("fmt ", Format(new PcmFormat(-1, 1, SampleEncoding.Unsigned8)))]), "samples a second" },
        { "bits", File([Chunk("fmt ", Format(new PcmFormat(8000, 1, SampleEncoding.Signed16), bits: 24))]), "24 bits in 2 bytes" },
        { "chunks", File(Enumerable.Repeat(Chunk("junk", []), 5000)), "more than 4096 chunks" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_is_not_read_is_refused_in_one_line_that_names_it(string kind, byte[] file, string problem)
    {
        _ = kind;
        FileException refusal = Assert.Throws<FileException>(() => Open(file));
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
        Assert.StartsWith("sound: ", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    private static AudioReader Open(byte[] file) => AudioReader.Open(new MemoryStream(file), "sound");

    /// <summary>A header, then bytes without end or up to a length.</summary>
    private sealed class EndlessStream(byte[] header, long length) : Stream
    {
        private long position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int got = (int)Math.Min(count, length - position);
            for (int i = 0; i < got; i++)
                buffer[offset + i] = position + i < header.Length ? header[position + i] : (byte)((position + i) * 7 >> 2);
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
}
