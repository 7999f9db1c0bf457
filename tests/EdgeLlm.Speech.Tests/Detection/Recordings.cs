using EdgeLlm.Speech.Audio;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Detection;

/// <summary>The sounds of golden/speech by name: recordings, and what its rules make of integers.</summary>
internal static class Recordings
{
    /// <summary>16-bit samples at 16 kHz.</summary>
    public static short[] Samples(string name)
    {
        if (name == "synthetic") return Synthetic();
        if (name == "extremes") return Extremes();
        string path = name.StartsWith("two_cities", StringComparison.Ordinal)
            ? SharedFolder.Require("golden", "whisper", name + ".wav") : SharedFolder.Require("golden", "speech", "wake", name + ".wav");
        using AudioReader reader = AudioReader.Open(path);
        return [.. reader.ReadToEnd(1 << 24)!.Select(sample => (short)(sample * 32768))];
    }

    public static float[] Floats(string name) => ToFloats(Samples(name));

    public static float[] ToFloats(IEnumerable<short> samples) => [.. samples.Select(sample => sample / 32768f)];

    /// <summary>sample = clamp(s(i) + ((noise(i) * k) >> 14)).</summary>
    public static short[] WithNoise(short[] samples, uint seed, int factor)
    {
        var random = new Generator(seed);
        return [.. samples.Select(sample =>
            (short)Math.Clamp(sample + ((((int)(random.Next() >> 16) - 16384) * factor) >> 14), short.MinValue, short.MaxValue))];
    }

    private static short[] Synthetic()
    {
        var random = new Generator(1);
        return [.. Enumerable.Range(0, 100_000).Select(i =>
        {
            int noise = (int)(random.Next() >> 16) - 16384;
            if (i < 16000) return noise >> 6;
            if (i < 32000) return noise >> 2;
            if (i < 48000) return 6000 * Square(i, 80);
            if (i < 56000) return 0;
            if (i >= 88000) return noise >> 4;
            int period = 100 + 10 * (i / 4000 % 5), amplitude = i % 4000 < 2800 ? 9000 : 300;
            return amplitude * Square(i, period) * (1 + i % period % 3) / 4 + (noise >> 7);
        }).Select(sample => (short)sample)];
    }

    private static short[] Extremes()
    {
        var random = new Generator(1);
        return [.. Enumerable.Range(0, 20_000).Select(i =>
        {
            int noise = (int)(random.Next() >> 15) - 32768;
            return i < 4000 ? i % 2 == 0 ? 32767 : -32768 : i < 8000 ? -32768 : i < 12000 ? noise : i < 16000 ? 0 : i % 100 == 0 ? 1 : 0;
        }).Select(sample => (short)sample)];
    }

    private static int Square(int i, int period) => i % period < period / 2 ? 1 : -1;

    private sealed class Generator(uint seed)
    {
        private uint state = seed;

        public uint Next() => state = (1103515245 * state + 12345) & 0x7FFFFFFF;
    }
}
