using System.Runtime.InteropServices;
using System.Text.Json;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Synthesis;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Synthesis;

/// <summary>The voice of `../shared`, packed once for all tests, and what its reference gives.</summary>
internal static class VoiceFixture
{
    private static readonly Lazy<VoiceModel> Opened = new(() => VoiceModel.Open(Folder));

    private static readonly Dictionary<string, float[]> Golden = [];

    public static VoiceModel Model => Opened.Value;

    public static string Folder => SharedFolder.Require("models", "voice-heart");

    /// <summary>A sentence of `golden/tts`.</summary>
    public static (string Phonemes, int[] Ids, float Speed, ulong Seed, int FirstDurationAtMost, int[] Durations) Sentence(string name)
    {
        using JsonDocument expected =
            JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "tts", name == "quick" ? "quick.json" : "expected.json")));
        JsonElement sentence = expected.RootElement.GetProperty("sentences").EnumerateArray()
            .First(item => item.GetProperty("name").GetString() == name);
        return (sentence.GetProperty("phonemes").GetString()!, Numbers("ids"), sentence.GetProperty("speed").GetSingle(),
            sentence.GetProperty("seed").GetUInt64(),
            sentence.TryGetProperty("first_duration_at_most", out JsonElement most) ? most.GetInt32() : 0, Numbers("durations"));

        int[] Numbers(string key) => [.. sentence.GetProperty(key).EnumerateArray().Select(number => number.GetInt32())];
    }

    /// <summary>The ids of all texts of `g2p.jsonl`, a sentence's each.</summary>
    public static IEnumerable<int[]> IdsOfTexts()
    {
        foreach (string line in File.ReadLines(SharedFolder.Require("golden", "tts", "g2p.jsonl")))
        {
            using var text = JsonDocument.Parse(line);
            foreach (JsonElement ids in text.RootElement.GetProperty("ids").EnumerateArray())
                yield return [.. ids.EnumerateArray().Select(id => id.GetInt32())];
        }
    }

    /// <summary>A tensor of the reference's, such as `hello.head`.</summary>
    public static float[] Expected(string name)
    {
        lock (Golden)
        {
            if (Golden.Count == 0)
            {
                foreach (string file in new[] { "expected.safetensors", "quick.safetensors" })
                {
                    using WeightFile weights = WeightFile.Open(SharedFolder.Require("golden", "tts", file));
                    foreach (FolderTensor tensor in weights.Tensors.Values)
                        Golden[tensor.Name] = MemoryMarshal.Cast<byte, float>(tensor.Bytes(0, (int)tensor.ByteCount)).ToArray();
                }
            }
            return Golden[name];
        }
    }

    /// <summary>A sentence's samples, with all that it passed.</summary>
    public static (float[] Samples, int[] Durations, StageRecorder Stages) Speak(
        string name, Kernel? kernel = null, bool floatActivations = true, int[]? durations = null, int pieceFrames = 32, int threads = 1,
        bool isWithoutNoise = false)
    {
        (_, int[] ids, float speed, ulong seed, int most, _) = Sentence(name);
        var recorder = new StageRecorder();
        using var synthesis = new SentenceSynthesis(Model, kernel ?? Kernel.Best, threads, floatActivations, recorder, isWithoutNoise);
        synthesis.Begin(ids,
            new SentenceSettings { Speed = speed, FirstDurationAtMost = most, Durations = durations, PieceFrames = pieceFrames }, seed);
        var samples = new List<float>();
        for (ReadOnlySpan<float> piece; !(piece = synthesis.Next()).IsEmpty;) samples.AddRange(piece);
        Assert.Equal(synthesis.SampleCount, samples.Count);
        return ([.. samples], synthesis.Durations, recorder);
    }

    /// <summary>The largest difference as a part of the largest expected magnitude.</summary>
    public static double Difference(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        double largest = 0, difference = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            difference = Math.Max(difference, Math.Abs(expected[i] - actual[i]));
        }
        return difference / largest;
    }

    /// <summary>Power of what is expected over that of the error, in dB.</summary>
    public static double SignalToError(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        double signal = 0, error = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            signal += (double)expected[i] * expected[i];
            error += Math.Pow(expected[i] - (double)actual[i], 2);
        }
        return 10 * Math.Log10(signal / error);
    }
}
