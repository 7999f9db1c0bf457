using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Tests.Models;

/// <summary>Logits of tiny models against float64 transformers: the bounds of `golden/logits/README.md`.</summary>
public sealed class GoldenLogitsTests
{
    /// <summary>Checkpoints that have a file of the reference converter.</summary>
    public static readonly string[] WithFile =
    [
        "llama", "llama-linear", "llama-yarn", "llama3-rope", "llama-mha-tied-bias", "mistral-window", "qwen2", "qwen3", "stablelm2",
        "gemma", "gemma2", "gemma3", "gpt2", "gpt-neox",
        "phi2", "phi3", "phi3-longrope", "olmo2", "smollm3", "starcoder2", "falcon-7b-style", "falcon-40b-style",
        "bloom", "mpt", "mpt-clip",
        "ministral3", "starcoder", "granite",
        "qwen3-5", "lfm2", "lfm2-moe", "mixtral", "qwen2-moe", "qwen3-moe", "gpt-oss", "granite4-hybrid", "gemma4",
    ];

    /// <summary>All checkpoints of this class of models.</summary>
    public static readonly string[] Decoders = [.. WithFile, "gemma2-scale", "gpt-neox-sequential", "falcon-rw", "gptj", "gpt-neo"];

    /// <summary>Those whose folders have matrices in another form than they run in.</summary>
    public static readonly string[] Rewritten = ["gpt2", "gpt-neox", "gpt-neox-sequential", "falcon-40b-style", "falcon-rw", "bloom",
        "qwen3-5", "lfm2-moe", "mixtral", "qwen2-moe", "qwen3-moe", "gpt-oss",
        "granite4-hybrid"];

    public static TheoryData<string> Families() => [.. WithFile];

    [Theory]
    [MemberData(nameof(Families))]
    public void Logits_and_greedy_tokens_are_those_of_the_reference(string family)
    {
        string folder = SharedFolder.Require("golden", "logits", family);
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        int[] prompts = [.. expected.RootElement.GetProperty("gguf").GetProperty("prompts").EnumerateArray().Select(p => p.GetInt32())];
        // llama.cpp's converter leaves the windows of Mistral and StarCoder2 out: without it the reference holds as long as the text is no
        // longer than the window.
        CheckPrompts(Path.Combine(folder, "model.gguf"), folder, prompts, family is "mistral-window" or "starcoder2" ? 16 : int.MaxValue);
    }

    [Fact]
    public void A_sliding_window_in_the_metadata_is_honoured()
    {
        string folder = SharedFolder.Require("golden", "logits", "mistral-window");
        string copy = Path.Combine(Path.GetTempPath(), $"edgellm-window-{Environment.ProcessId}.gguf");
        try
        {
            using (GgufFile file = GgufFile.Open(Path.Combine(folder, "model.gguf")))
            {
                GgufWriter writer = GgufWriter.CopyOf(file);
                writer.Set("llama.attention.sliding_window", GgufValue.Of(16u));
                writer.Save(copy);
            }
            CheckPrompts(copy, folder, [0, 1, 2, 3], int.MaxValue);
        }
        finally
        {
            File.Delete(copy);
        }
    }

    [Fact]
    public void A_context_beyond_learned_positions_is_refused()
    {
        string path = SharedFolder.Require("golden", "logits", "gpt2", "model.gguf");
        string message = Assert.Throws<ModelException>(() => LanguageModel.Load(path, new ModelOptions { ContextLength = 257 })).Message;
        Assert.Contains("knows 256 positions (position_embd.weight): a context of 257 is too long", message, StringComparison.Ordinal);
    }

    internal static int IndexOfLargest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }

    internal static void CheckPrompts(string path, string folder, int[] prompts, int mostPositions)
    {
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        Dictionary<string, (int[] Shape, float[] Values)> reference = Safetensors.Read(Path.Combine(folder, "expected.safetensors"));
        // LongRoPE goes by the context that was asked for: its short prompts are of a short one.
        bool isLong = Path.GetFileName(folder) == "phi3-longrope";
        foreach (IGrouping<int, int> group in prompts.GroupBy(prompt => isLong && prompt < 2 ? 32 : 256))
        {
            // Experts in MXFP4 are quantized: the reference multiplies them with floats.
            bool areQuantized = Path.GetFileName(folder) == "gpt-oss";
            using var model = LanguageModel.Load(path,
                new ModelOptions { CacheType = KeyValueType.F32, ContextLength = group.Key, Threads = 2, FloatActivations = areQuantized });
            foreach (int prompt in group)
                CheckPrompt(model, prompt, expected.RootElement.GetProperty("prompts")[prompt],
                    reference[$"logits_{prompt}"].Values, mostPositions);
        }
    }

    private static void CheckPrompt(LanguageModel model, int prompt, JsonElement entry, float[] wanted, int mostPositions)
    {
        int vocabulary = model.Info.VocabularySize;
        int[] ids = [.. entry.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
        double bound = Math.Max(2e-4, 20 * entry.GetProperty("f32_error").GetDouble());
        float[] logits = new float[ids.Length * vocabulary];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(ids, cache, logits);
        double worst = 0;
        for (int i = 0; i < wanted.Length; i++)
            worst = Math.Max(worst, Math.Abs(wanted[i] - (double)logits[logits.Length - wanted.Length + i]));
        Assert.True(worst <= bound, $"prompt {prompt}: a logit is off by {worst}, the bound is {bound}");

        int[] greedy =
            [.. entry.GetProperty("greedy").EnumerateArray().Select(id => id.GetInt32()).Take(Math.Max(0, mostPositions - ids.Length))];
        var actual = new List<int>();
        ReadOnlySpan<float> last = logits.AsSpan(logits.Length - vocabulary);
        while (actual.Count < greedy.Length)
        {
            actual.Add(IndexOfLargest(last));
            last = model.Forward([actual[^1]], cache);
        }
        Assert.Equal(greedy, actual);
    }
}
