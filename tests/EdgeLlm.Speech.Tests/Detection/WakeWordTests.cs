using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Detection;

public sealed class WakeWordTests
{
    private static readonly string[] Sounds = ["alexa_1", "alexa_2", "hey_jarvis_1", "hey_jarvis_2", "okay_nabu_1", "okay_nabu_2",
        "two_cities_5s", "two_cities_12s", "two_cities_44s", "synthetic"];

    public static TheoryData<string> AllSounds => [.. Sounds, .. Sounds[..6].Select(name => name + "_noise_10dB")];

    [Fact]
    public void The_front_ends_tables_are_those_of_the_reference()
    {
        using JsonDocument golden = Golden("micro_frontend.json");
        JsonElement tables = golden.RootElement.GetProperty("tables");
        var ours = new MicroFrontEnd().Tables;
        Assert.Equal(Numbers(tables, "window"), ours.Window);
        Assert.Equal(Numbers(tables, "weights"), ours.Weights);
        Assert.Equal(Numbers(tables, "unweights"), ours.Unweights);
        Assert.Equal(Numbers(tables, "pcan_gain_lut"), ours.Gains);
        Assert.Equal(Numbers(tables, "log_lut")[..129], ours.Logs);
    }

    [Theory]
    [MemberData(nameof(AllSounds))]
    public void Features_are_those_of_the_reference(string name)
    {
        using JsonDocument golden = Golden("wake.json");
        JsonElement expected = golden.RootElement.GetProperty("front_end").GetProperty(name);
        List<ushort> features = Features(Sound(name, golden), 160);
        Assert.Equal(expected.GetProperty("frames").GetInt32(), features.Count / MicroFrontEnd.Features);
        Assert.Equal(expected.GetProperty("sha256_of_little_endian_uint16").GetString(), Hash(features));
    }

    [Fact]
    public void Features_of_full_scale_steps_and_silence_are_those_of_the_reference()
    {
        using JsonDocument golden = Golden("wake.json");
        List<ushort> features = Features(Recordings.Samples("extremes"), 160);
        int frame = 0;
        foreach (JsonElement expected in golden.RootElement.GetProperty("extremes").GetProperty("every_5th").EnumerateArray())
        {
            Assert.Equal(expected.EnumerateArray().Select(value => (int)value.GetDouble()),
                features.GetRange(frame * MicroFrontEnd.Features, MicroFrontEnd.Features).Select(value => (int)value));
            frame += 5;
        }
        Assert.Equal(golden.RootElement.GetProperty("extremes").GetProperty("sha256_of_features").GetString(), Hash(features));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(137)]
    [InlineData(1000)]
    [InlineData(1 << 20)]
    public void Features_do_not_depend_on_the_pieces(int piece)
    {
        short[] samples = Recordings.Samples("okay_nabu_2");
        Assert.Equal(Features(samples, 160), Features(samples, piece));
    }

    [Theory]
    [InlineData("okay_nabu")]
    [InlineData("hey_jarvis")]
    [InlineData("alexa")]
    [InlineData("vad")]
    public void Every_inference_and_detection_is_that_of_the_reference(string name)
    {
        using JsonDocument golden = Golden("wake.json");
        WakeWordModel model = Load(name);
        foreach (JsonProperty sound in golden.RootElement.GetProperty("outputs").GetProperty(name).EnumerateObject())
        {
            var listener = new WakeWordListener([model]);
            var inferences = new List<int>();
            var detections = new List<WakeWordDetection>();
            int above = 0;
            listener.Inferred = (_, probability) =>
            {
                inferences.Add(probability);
                if (model.IsAboveCutoff) above++;
            };
            listener.Write(Sound(sound.Name, golden), detections.Add);
            int[] reference = [.. sound.Value.GetProperty("q").EnumerateArray().Select(q => q.GetInt32())];
            Assert.Equal(reference, inferences);
            JsonElement expected = sound.Value.GetProperty("detected");
            if (expected.ValueKind == JsonValueKind.Null) Assert.Empty(detections);
            else
            {
                Assert.Equal(new WakeWordDetection(0, expected.GetProperty("inference").GetInt32(),
                    expected.GetProperty("frame").GetInt32(), expected.GetProperty("samples").GetInt64()), detections[0]);
                Assert.Equal(expected.GetProperty("inferences_above").GetInt32(), above);
                if (name != "vad") Assert.Single(detections);
            }
            listener.Reset();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4097)]
    public void Several_words_are_heard_at_once_whatever_the_pieces(int piece)
    {
        var listener = new WakeWordListener([Load("okay_nabu"), Load("hey_jarvis"), Load("alexa")]);
        var words = new List<(int, long)>();
        float[] samples = [.. Recordings.Floats("alexa_2"), .. Recordings.Floats("okay_nabu_2"), .. Recordings.Floats("hey_jarvis_1")];
        foreach (float[] part in samples.Chunk(piece)) listener.Write(part, detection => words.Add((detection.Word, detection.Samples)));
        Assert.Equal([2, 0, 1], words.Select(word => word.Item1));
    }

    [Fact]
    public void A_listener_that_is_reset_knows_nothing_of_before()
    {
        var listener = new WakeWordListener([Load("alexa")]);
        var detections = new List<WakeWordDetection>();
        short[] samples = Recordings.Samples("alexa_1");
        for (int i = 0; i < 2; i++)
        {
            listener.Write(samples, detections.Add);
            listener.Reset();
        }
        Assert.Equal(2, detections.Count);
        Assert.Equal(detections[0], detections[1]);
    }

    [Fact]
    public void Hearing_allocates_nothing()
    {
        var listener = new WakeWordListener([Load("alexa")]);
        short[] samples = Recordings.Samples("two_cities_5s")[..16000];
        Action<WakeWordDetection> ignore = _ => { };
        listener.Write(samples, ignore);
        long before = GC.GetAllocatedBytesForCurrentThread();
        listener.Write(samples, ignore);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_file_that_is_cut_off_is_refused()
    {
        WakeWordSettings settings = WakeWordSettings.Read(Path("alexa.json"));
        byte[] file = File.ReadAllBytes(Path("alexa.tflite"));
        foreach (int length in (int[])[0, 4, 8, 100, 5000, 30_000, file.Length - 1000])
            Assert.Throws<FileException>(() => WakeWordModel.Read(settings, file.AsMemory(0, length), "model"));
    }

    [Theory]
    [InlineData("{", "is not JSON")]
    [InlineData("[]", "'micro'")]
    [InlineData("{\"type\":\"x\",\"micro\":{}}", "'type'")]
    [InlineData("{\"type\":\"micro\",\"version\":1,\"micro\":{}}", "version 1")]
    [InlineData(
        "{\"type\":\"micro\",\"version\":2,\"wake_word\":\"x\",\"model\":\"../x\",\"micro\":{\"feature_step_size\":10,\"probability_cutoff\":1,\"sliding_window_size\":5}}",
        "'model'")]
    [InlineData(
        "{\"type\":\"micro\",\"version\":2,\"wake_word\":\"x\",\"model\":\"x\",\"micro\":{\"feature_step_size\":20,\"probability_cutoff\":1,\"sliding_window_size\":5}}",
        "'feature_step_size'")]
    [InlineData(
        "{\"type\":\"micro\",\"version\":2,\"wake_word\":\"x\",\"model\":\"x\",\"micro\":{\"feature_step_size\":10,\"probability_cutoff\":2,\"sliding_window_size\":5}}",
        "'probability_cutoff'")]
    [InlineData(
        "{\"type\":\"micro\",\"version\":2,\"wake_word\":\"x\",\"model\":\"x\",\"micro\":{\"feature_step_size\":10,\"probability_cutoff\":1,\"sliding_window_size\":0}}",
        "'sliding_window_size'")]
    public void Settings_that_can_not_be_are_refused_by_their_field(string json, string problem)
    {
        string path = System.IO.Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, json);
            Assert.Contains(problem, Assert.Throws<FileException>(() => WakeWordSettings.Read(path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    internal static WakeWordModel Load(string name) => WakeWordModel.Load(Path(name + ".json"));

    private static string Path(string name) => SharedFolder.Require("models", "speech", name);

    private static JsonDocument Golden(string name) =>
        JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "speech", name)));

    private static short[] Sound(string name, JsonDocument golden)
    {
        const string Noise = "_noise_10dB";
        if (!name.EndsWith(Noise, StringComparison.Ordinal)) return Recordings.Samples(name);
        JsonElement rule = golden.RootElement.GetProperty("noise").GetProperty("recordings").GetProperty(name);
        short[] noisy = Recordings.WithNoise(Recordings.Samples(name[..^Noise.Length]), rule.GetProperty("seed").GetUInt32(),
            rule.GetProperty("k").GetInt32());
        Assert.Equal(rule.GetProperty("sum").GetInt64(), noisy.Sum(sample => (long)sample));
        return noisy;
    }

    private static List<ushort> Features(short[] samples, int piece)
    {
        var frontEnd = new MicroFrontEnd();
        var all = new List<ushort>();
        ushort[] features = new ushort[MicroFrontEnd.Features];
        foreach (short[] part in samples.Chunk(piece))
        {
            for (int at = 0; at < part.Length;)
            {
                at += frontEnd.Take(part.AsSpan(at), features, out bool isFrame);
                if (isFrame) all.AddRange(features);
            }
        }
        return all;
    }

    private static string Hash(List<ushort> features) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(features))));

    private static short[] Numbers(JsonElement tables, string name) =>
        [.. tables.GetProperty(name).EnumerateArray().Select(number => number.GetInt16())];
}
