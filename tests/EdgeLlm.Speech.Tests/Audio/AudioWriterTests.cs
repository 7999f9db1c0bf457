using System.Buffers.Binary;
using System.Diagnostics;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Tests.Audio;

public sealed class AudioWriterTests
{
    [Fact]
    public void A_WAV_file_has_the_right_sizes_where_it_can_go_back_and_the_largest_ones_where_it_can_not()
    {
        float[] samples = [0, 1, -1, 2, -2, 0.5f];
        byte[] file = Wav(samples);
        Assert.Equal(44 + 12, file.Length);
        Assert.Equal(12u, BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(40)));
        Assert.Equal(48u, BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(4)));
        Assert.Equal(24000, BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(24)));
        short[] numbers = [.. Enumerable.Range(0, 6).Select(i => BinaryPrimitives.ReadInt16LittleEndian(file.AsSpan(44 + 2 * i)))];
        Assert.Equal([0, 32767, -32767, 32767, -32767, 16384], numbers);

        var pipe = new OneWay();
        var writer = new WavWriter(pipe, 24000);
        writer.Write(samples);
        writer.Finish();
        byte[] streamed = pipe.Written.ToArray();
        Assert.Equal(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(streamed.AsSpan(40)));
        Assert.Equal(file[44..], streamed[44..]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1152)]
    [InlineData(1155)]
    [InlineData(5000)]
    [InlineData(300_000)]
    public void Debians_flac_decodes_ours_to_the_same_samples(int count)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/flac"), "needs /usr/bin/flac");
        var random = new Random(count);
        float[] samples = new float[count];
        for (int i = 0; i < count; i++)
        {
            samples[i] =
                (float)(Math.Sin(i * .05) * Math.Sin(i * .0003) * .5 + (random.NextDouble() - .5) * (i / 2000 % 3 == 0 ? .002 : .1));
            if (i / 3000 % 2 == 1) samples[i] = i % 2 == 0 ? 0 : i / 3000 % 4 == 1 ? 0 : 1 - i % 3;
        }
        foreach (bool goesBack in new[] { true, false })
        {
            string folder = Directory.CreateTempSubdirectory("edgellm-flac").FullName, file = Path.Combine(folder, "a.flac"),
                wav = Path.Combine(folder, "a.wav");
            using Stream output = goesBack ? new MemoryStream() : new OneWay();
            using (var writer = new FlacWriter(output, 24000))
            {
                foreach (float[] piece in samples.Chunk(700)) writer.Write(piece);
                writer.Finish();
            }
            File.WriteAllBytes(file, (output as MemoryStream ?? ((OneWay)output).Written).ToArray());
            if (count > 0 || goesBack) Assert.Equal(0, Run("-t", "-s", file));
            if (count > 0)
            {
                Assert.Equal(0, Run("-d", "-s", "-o", wav, file));
                Assert.Equal(Wav(samples)[44..], File.ReadAllBytes(wav)[44..]);
            }
            Directory.Delete(folder, recursive: true);
        }

        static int Run(params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo("/usr/bin/flac", arguments) { RedirectStandardError = true })!;
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, error);
            return process.ExitCode;
        }
    }

    private static byte[] Wav(float[] samples)
    {
        var stream = new MemoryStream();
        var writer = new WavWriter(stream, 24000);
        writer.Write(samples);
        writer.Finish();
        return stream.ToArray();
    }

    /// <summary>A stream that can't go back.</summary>
    private sealed class OneWay : Stream
    {
        public MemoryStream Written { get; } = new();

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(byte[] buffer, int offset, int count) => Written.Write(buffer, offset, count);

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
