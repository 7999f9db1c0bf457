using System.ComponentModel;
using System.Diagnostics;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Tests.Audio;

public sealed class FlacSourceTests
{
    public static TheoryData<int, SampleEncoding, int, string> Files
    {
        get
        {
            var files = new TheoryData<int, SampleEncoding, int, string>();
            foreach (string options in (string[])["-0", "-3", "-5", "-8", "-8 -e -p", "-5 --no-mid-side -b 4608 --lax", "-8 -b 16 --lax",
                "-0 -r 8", "-8 -l 32 --lax"])
            {
                files.Add(16000, SampleEncoding.Signed16, 1, options);
                files.Add(44100, SampleEncoding.Signed16, 2, options);
            }
            files.Add(48000, SampleEncoding.Signed24, 2, "-8");
            files.Add(96000, SampleEncoding.Signed24, 6, "-5 --channel-map=none");
            files.Add(11025, SampleEncoding.Unsigned8, 1, "-5");
            files.Add(12345, SampleEncoding.Signed16, 3, "-6 --channel-map=none");
            return files;
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Files_of_the_reference_encoder_give_the_samples_that_went_in(int rate, SampleEncoding encoding,
        int channels, string options)
    {
        var format = new PcmFormat(rate, channels, encoding);
        byte[] wav = WavBytes.Of(format, WavBytes.Encode(encoding, Sound(rate, channels)),
            isExtensible: channels > 2 || encoding == SampleEncoding.Signed24);
        byte[] flac = Encode(wav, options);
        using AudioReader expected = AudioReader.Open(new MemoryStream(wav), "wav", rate),
            actual = AudioReader.Open(new PieceStream(flac, rate), "flac", rate);
        Assert.Equal(expected.Length, actual.Length);
        Assert.Equal((rate, channels), (actual.SourceRate, actual.SourceChannels));
        Assert.Equal(expected.ReadAll(), actual.ReadAll());
    }

    [Fact]
    public void What_our_writer_writes_is_read_back()
    {
        float[] samples = [.. Sound(16000, 1).Select(sample => MathF.Round((float)sample * 32767) / 32768)];
        using AudioReader reader = AudioReader.Open(new MemoryStream(Written(samples)), "flac");
        float[] back = reader.ReadAll();
        Assert.Equal(samples.Length, back.Length);
        for (int i = 0; i < back.Length; i++) Assert.Equal(samples[i], back[i], 1.01 / 32768);
    }

    [Fact]
    public void A_file_that_is_cut_off_ends_with_its_last_whole_frame()
    {
        byte[] flac = Written([.. Sound(16000, 1).Select(sample => (float)sample)]);
        using AudioReader whole = AudioReader.Open(new MemoryStream(flac), "flac");
        float[] expected = whole.ReadAll();
        for (int length = 100; length < flac.Length; length += 997)
        {
            using AudioReader cut = AudioReader.Open(new MemoryStream(flac[..length]), "flac");
            float[] samples = cut.ReadAll();
            Assert.True(samples.Length < expected.Length);
            Assert.Equal(expected[..samples.Length], samples);
        }
    }

    [Fact]
    public void A_bit_that_is_wrong_is_noticed()
    {
        byte[] flac = Written([.. Sound(16000, 1).Select(sample => (float)sample)]);
        var random = new Random(1);
        for (int i = 0; i < 50; i++)
        {
            byte[] damaged = [.. flac];
            damaged[random.Next(50, flac.Length - 2000)] ^= (byte)(1 << random.Next(8));
            using AudioReader reader = AudioReader.Open(new MemoryStream(damaged), "flac");
            Assert.Contains("damaged", Assert.Throws<FileException>(() => reader.ReadAll()).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("664C6143", "ends before its samples")]
    [InlineData("664C614384000000", "without its format")]
    [InlineData("664C614380000005" + "0000000000", "format is cut off")]
    [InlineData("664C614380000022" + "10001000000000000000" + "000000F000000000" + "00000000000000000000000000000000",
        "0 samples a second")]
    public void A_header_that_can_not_be_is_refused(string hex, string problem) =>
        Assert.Contains(problem,
            Assert.Throws<FileException>(() => AudioReader.Open(new MemoryStream(Convert.FromHexString(hex)), "flac")).Message,
            StringComparison.Ordinal);

    /// <summary>
    /// Silence, tones and noise, each channel another: constant, predicted and verbatim blocks; the first half in steps of 16.
    /// </summary>
    private static IEnumerable<double> Sound(int rate, int channels)
    {
        var random = new Random(rate);
        for (int i = 0; i < 20_000; i++)
        {
            for (int c = 0; c < channels; c++)
            {
                double tone = .4 * Math.Sin(i * (.01 + .003 * c)) + .3 * Math.Sin(i * .11), noise = random.NextDouble() * 1.9 - .95;
                yield return i < 5000 ? 0 : i < 10_000 ? Math.Round(tone * 128) / 128 : i < 15_000 ? tone + .001 * noise : noise;
            }
        }
    }

    private static byte[] Written(float[] samples)
    {
        using var file = new MemoryStream();
        using (var writer = new FlacWriter(file, 16000))
        {
            writer.Write(samples);
            writer.Finish();
        }
        return file.ToArray();
    }

    private static byte[] Encode(byte[] wav, string options)
    {
        string folder = Directory.CreateTempSubdirectory("edgellm-flac-").FullName;
        try
        {
            string input = Path.Combine(folder, "in.wav"), output = Path.Combine(folder, "out.flac");
            File.WriteAllBytes(input, wav);
            using Process flac = Process.Start(new ProcessStartInfo("flac", ["--silent", .. options.Split(' '), "-o", output, input]))!;
            Assert.True(flac.WaitForExit(60_000));
            Assert.Equal(0, flac.ExitCode);
            return File.ReadAllBytes(output);
        }
        catch (Win32Exception)
        {
            Assert.Skip("needs the encoder (apt install flac)");
            throw;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
