using System.Security.Cryptography;
using System.Runtime.InteropServices;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Detection;

public sealed class SileroTests
{
    public static TheoryData<string, int, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, int, string>();
            foreach (string version in (string[])["v5", "v6"])
            {
                foreach (string name in (string[])["alexa_1", "alexa_2", "hey_jarvis_1", "hey_jarvis_2", "okay_nabu_1", "okay_nabu_2",
                    "two_cities_5s", "two_cities_12s", "two_cities_44s", "synthetic"])
                    cases.Add(version, 16000, name);
                foreach (string name in (string[])["two_cities_5s", "synthetic"]) cases.Add(version, 8000, name);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Probabilities_and_segments_are_those_of_the_reference(string version, int rate, string name)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "speech", "silero.json")));
        JsonElement expected = golden.RootElement.GetProperty($"at_{rate}").GetProperty(version)
            .GetProperty(rate == 16000 ? name : name + "_every_2nd_sample");
        float[] samples = Recordings.Floats(name);
        if (rate == 8000) samples = [.. samples.Where((_, i) => i % 2 == 0)];
        var detector = SileroDetector.Load(Model(version), rate);
        float[] probabilities = Probabilities(detector, samples);
        Assert.Equal(expected.GetProperty("probabilities").GetArrayLength(), probabilities.Length);
        double worst = expected.GetProperty("probabilities").EnumerateArray()
            .Select((probability, i) => Math.Abs(probability.GetDouble() - probabilities[i])).Max();
        Assert.True(worst < 1e-4, $"{worst}");
        Assert.Equal(expected.GetProperty("segments").EnumerateArray().Select(segment =>
            new SpeechSegment(segment[0].GetInt64(), segment[1].GetInt64())), Segments(detector, probabilities, samples.Length));
    }

    [Fact]
    public void Every_kernel_gives_the_same_bits()
    {
        string model = Model("v5");
        float[] samples = Recordings.Floats("okay_nabu_2");
        float[] expected = Probabilities(SileroDetector.Load(model, 16000, Kernel.Choose("scalar")), samples);
        foreach (Kernel kernel in Kernel.Available)
            Assert.Equal(expected, Probabilities(SileroDetector.Load(model, 16000, kernel), samples));
    }

    [Fact]
    public void A_detector_that_is_reset_knows_nothing_of_before()
    {
        var detector = SileroDetector.Load(Model("v6"));
        float[] samples = Recordings.Floats("alexa_1");
        float[] first = Probabilities(detector, samples);
        detector.Reset();
        Assert.Equal(first, Probabilities(detector, samples));
    }

    [Fact]
    public void A_window_allocates_nothing()
    {
        var detector = SileroDetector.Load(Model("v6"));
        float[] window = new float[detector.WindowSamples];
        detector.Next(window);
        long before = GC.GetAllocatedBytesForCurrentThread();
        detector.Next(window);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    [InlineData(2_000_000)]
    public void A_file_that_is_cut_off_is_refused(int length)
    {
        byte[] file = File.ReadAllBytes(Model("v5"));
        Assert.Throws<FileException>(() => SileroDetector.Read(file.AsMemory(0, length), "model"));
    }

    [Fact]
    public void An_operator_that_is_not_known_is_refused_by_its_name()
    {
        byte[] file = File.ReadAllBytes(Model("v5"));
        for (int at; (at = file.AsSpan().IndexOf("\x22\x04Sqrt"u8)) >= 0;) "Tanh"u8.CopyTo(file.AsSpan(at + 2));
        Assert.Contains("operator Tanh", Assert.Throws<FileException>(() => SileroDetector.Read(file, "model")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_sounds_of_rules_are_those_of_the_reference()
    {
        SharedFolder.Require("golden", "speech");
        Assert.Equal("f878604389189a857a279c088fd0adff6d447e068b53db9eded6855704a60b26",
            Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<short>(Recordings.Samples("synthetic")))));
        Assert.Equal("989b499650d1cafb881e3afcad5f90520f190c4b11b2f4a83bb0849fa9d2eb44",
            Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<short>(Recordings.Samples("extremes")))));
    }

    internal static string Model(string version) => SharedFolder.Require("models", "speech", $"silero_vad_{version}.onnx");

    internal static float[] Probabilities(SpeechDetector detector, float[] samples)
    {
        var all = new List<float>();
        float[] window = new float[detector.WindowSamples];
        for (int at = 0; at < samples.Length; at += window.Length)
        {
            int count = Math.Min(window.Length, samples.Length - at);
            samples.AsSpan(at, count).CopyTo(window);
            window.AsSpan(count).Clear();
            all.Add(detector.Next(window));
        }
        return [.. all];
    }

    private static List<SpeechSegment> Segments(SpeechDetector detector, float[] probabilities, int length)
    {
        var segmenter = new SpeechSegmenter(detector.SampleRate, detector.WindowSamples);
        var segments = new List<SpeechSegment>();
        foreach (float probability in probabilities)
        {
            segmenter.Add(probability);
            while (segmenter.TryTake(out SpeechSegment segment)) segments.Add(segment);
        }
        segmenter.Finish(length);
        while (segmenter.TryTake(out SpeechSegment segment)) segments.Add(segment);
        return segments;
    }
}
