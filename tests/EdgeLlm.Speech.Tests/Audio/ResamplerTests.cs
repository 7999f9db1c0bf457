using System.ComponentModel;
using System.Diagnostics;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Tests.Audio;

public sealed class ResamplerTests
{
    public static TheoryData<int, int> Rates => new()
    {
        { 8000, 16000 }, { 11025, 16000 }, { 22050, 16000 }, { 24000, 16000 }, { 32000, 16000 }, { 44100, 16000 }, { 48000, 16000 },
        { 96000, 16000 }, { 192000, 16000 },
        { 44101, 16000 }, { 15999, 16000 }, { 16000, 24000 }, { 24000, 44100 }, { 16000, 8000 },
    };

    [Theory]
    [MemberData(nameof(Rates))]
    public void A_tone_stays_itself_and_is_not_delayed(int from, int to)
    {
        double lower = Math.Min(from, to) / 2.0;
        foreach (double share in (double[])[.01, .3, .7, .93])
        {
            double turns = 2 * Math.PI * share * lower;
            float[] result = Resample(from, to, Enumerable.Range(0, from / 4).Select(i => (float)(.5 * Math.Sin(turns * i / from))));
            double worst = 0;
            for (int n = to / 20; n < result.Length - to / 20; n++)
                worst = Math.Max(worst, Math.Abs(result[n] - .5 * Math.Sin(turns * n / to)));
            Assert.True(worst < 1e-5, $"{share}: {worst}");
        }
    }

    [Theory]
    [InlineData(48000, 16000)]
    [InlineData(44100, 16000)]
    [InlineData(44101, 16000)]
    [InlineData(768000, 16000)]
    public void What_the_lower_rate_can_not_hold_is_gone(int from, int to)
    {
        foreach (double share in (double[])[1.003, 1.2, 1.9])
        {
            double turns = Math.PI * share * to;
            float[] result = Resample(from, to, Enumerable.Range(0, from / 4).Select(i => (float)Math.Sin(turns * i / from)));
            float loudest = result[(to / 20)..^(to / 20)].Max(Math.Abs);
            Assert.True(loudest < 3e-5, $"{share}: {loudest}");
        }
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public void A_constant_stays_one_and_the_length_is_that_of_the_sound(int from, int to)
    {
        float[] result = Resample(from, to, Enumerable.Repeat(.25f, from / 10));
        Assert.Equal((from / 10L * to + from - 1) / from, result.Length);
        foreach (float sample in result[(to / 40)..^(to / 40)]) Assert.Equal(.25, sample, 1e-6);
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public void The_bits_do_not_depend_on_the_pieces(int from, int to)
    {
        var random = new Random(from);
        float[] noise = [.. Enumerable.Range(0, 5000).Select(_ => (float)random.NextDouble() - .5f)];
        float[] expected = Resample(from, to, noise);
        foreach (int piece in (int[])[1, 13, 997])
        {
            var resampler = new Resampler(from, to);
            var all = new List<float>();
            float[] buffer = new float[piece + 3];
            foreach (float[] part in noise.Chunk(piece))
            {
                resampler.Write(part);
                if (random.Next(3) > 0) Drain(resampler, buffer, all);
            }
            resampler.End();
            Drain(resampler, buffer, all);
            Assert.Equal(expected, all);
        }
    }

    [Fact]
    public void The_bits_are_the_same_on_every_machine()
    {
        long hash = 0;
        foreach ((int from, int to) in ((int, int)[])[(8000, 16000), (44100, 16000), (44101, 16000), (48000, 16000)])
        {
            uint state = 1;
            float[] noise =
                [.. Enumerable.Range(0, 3000).Select(_ => ((int)((state = state * 1103515245 + 12345) >> 16 & 0x7FFF) - 16384) / 32768f)];
            foreach (float sample in Resample(from, to, noise)) hash = unchecked(hash * 1_000_003 + BitConverter.SingleToInt32Bits(sample));
        }
        Assert.Equal(GoldenHash, hash);
    }

    private const long GoldenHash = 312866720610881224;

    /// <summary>
    /// SoX's `rate -v` is the field's measure: both filters are flat where speech is, so what they make of it differs by less than 16 bits
    /// can show.
    /// </summary>
    [Theory]
    [InlineData(44100)]
    [InlineData(48000)]
    [InlineData(22050)]
    [InlineData(8000)]
    public void It_agrees_with_SoX(int from)
    {
        // Noise below 80 % of the band, so that the filters' different edges do not count.
        double limit = .8 * Math.Min(from, 16000) / 2;
        var random = new Random(from);
        (double Frequency, double Phase)[] tones =
            [.. Enumerable.Range(0, 40).Select(_ => (limit * random.NextDouble(), 6.28 * random.NextDouble()))];
        float[] signal = [.. Enumerable.Range(0, from)
            .Select(i => (float)tones.Sum(tone => .015 * Math.Sin(2 * Math.PI * tone.Frequency * i / from + tone.Phase)))];
        float[] theirs = Sox(signal, from, 16000), ours = Resample(from, 16000, signal);
        Assert.InRange(Math.Abs(theirs.Length - ours.Length), 0, 1);
        double noise = 0, power = 0;
        for (int n = 1000; n < ours.Length - 1000; n++)
        {
            noise += (ours[n] - theirs[n]) * (double)(ours[n] - theirs[n]);
            power += (double)ours[n] * ours[n];
        }
        Assert.True(noise < 1e-9 * power, $"{10 * Math.Log10(noise / power)} dB");
    }

    private static float[] Sox(float[] signal, int from, int to)
    {
        string folder = Directory.CreateTempSubdirectory("edgellm-sox-").FullName;
        try
        {
            string input = Path.Combine(folder, "in.f32"), output = Path.Combine(folder, "out.f32");
            File.WriteAllBytes(input, [.. signal.SelectMany(BitConverter.GetBytes)]);
            using Process sox = Process.Start(
                new ProcessStartInfo("sox", ["-t", "f32", "-r", $"{from}", "-c", "1", input, "-t", "f32", output, "rate", "-v", $"{to}"]))!;
            Assert.True(sox.WaitForExit(60_000));
            Assert.Equal(0, sox.ExitCode);
            byte[] bytes = File.ReadAllBytes(output);
            return [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, 4 * i))];
        }
        catch (Win32Exception)
        {
            Assert.Skip("needs SoX (apt install sox)");
            throw;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static float[] Resample(int from, int to, IEnumerable<float> signal)
    {
        var resampler = new Resampler(from, to);
        var all = new List<float>();
        foreach (float[] part in signal.Chunk(4096))
        {
            resampler.Write(part);
            Drain(resampler, new float[4096], all);
        }
        resampler.End();
        Drain(resampler, new float[4096], all);
        return [.. all];
    }

    private static void Drain(Resampler resampler, float[] buffer, List<float> all)
    {
        for (int count; (count = resampler.Read(buffer)) > 0;) all.AddRange(buffer.AsSpan(0, count));
    }
}
