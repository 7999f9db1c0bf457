using System.Text.Json;
using EdgeLlm.Models;

namespace EdgeLlm.Tests.Models;

/// <summary>The real models against the float32 reference: the bounds of `golden/real/README.md`.</summary>
public sealed class RealModelTests
{
    [Fact]
    public void Stories260K_gives_the_reference_logits_and_greedy_tokens()
    {
        foreach (Prompt prompt in Prompts("stories260k"))
        {
            using var model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"),
                new ModelOptions { CacheType = Kernels.KeyValueType.F32, Threads = 2 });
            (float[] logits, int[] greedy) = Run(model, prompt);
            for (int i = 0; i < logits.Length; i++) Assert.InRange(logits[i], prompt.Logits[i] - 2e-4, prompt.Logits[i] + 2e-4);
            Assert.Equal(prompt.Greedy, greedy);
        }
    }

    [Fact]
    public void SmolLM2_with_int8_activations_is_as_near_as_llama_cpp()
    {
        using var model =
            LanguageModel.Load(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"), new ModelOptions { Threads = 2 });
        foreach (Prompt prompt in Prompts("smollm2-135m-instruct"))
        {
            (float[] logits, _) = Run(model, prompt with { Greedy = [] });
            int vocabulary = model.Info.VocabularySize;
            double kl = 0;
            for (int start = 0; start < logits.Length; start += vocabulary)
                kl += KlDivergence(prompt.Logits.AsSpan(start, vocabulary), logits.AsSpan(start, vocabulary));
            kl /= logits.Length / vocabulary;
            Assert.True(kl <= prompt.LlamaCppKl * 1.5, $"mean KL {kl}, llama.cpp's is {prompt.LlamaCppKl}");
        }
    }

    [Fact]
    public void SmolLM2_with_float_activations_gives_the_reference_logits()
    {
        using var model = LanguageModel.Load(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            new ModelOptions { Threads = 2, FloatActivations = true, CacheType = Kernels.KeyValueType.F32 });
        foreach (Prompt prompt in Prompts("smollm2-135m-instruct"))
        {
            (float[] logits, _) = Run(model, prompt with { Greedy = [] });
            double worst = 0;
            for (int i = 0; i < logits.Length; i++) worst = Math.Max(worst, Math.Abs(logits[i] - (double)prompt.Logits[i]));
            Assert.True(worst <= 2e-3, $"a logit is off by {worst}");
        }
    }

    private static (float[] Logits, int[] Greedy) Run(LanguageModel model, Prompt prompt)
    {
        int vocabulary = model.Info.VocabularySize;
        float[] all = new float[prompt.Ids.Length * vocabulary];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(prompt.Ids, cache, all);
        var greedy = new List<int>();
        ReadOnlySpan<float> last = all.AsSpan(all.Length - vocabulary);
        while (greedy.Count < prompt.Greedy.Length)
        {
            greedy.Add(GoldenLogitsTests.IndexOfLargest(last));
            last = model.Forward([greedy[^1]], cache);
        }
        return (all[^prompt.Logits.Length..], [.. greedy]);
    }

    private static double KlDivergence(ReadOnlySpan<float> reference, ReadOnlySpan<float> actual)
    {
        double referenceSum = LogSumExp(reference), actualSum = LogSumExp(actual), sum = 0;
        for (int i = 0; i < reference.Length; i++)
            sum += Math.Exp(reference[i] - referenceSum) * (reference[i] - referenceSum - (actual[i] - actualSum));
        return sum;
    }

    private static double LogSumExp(ReadOnlySpan<float> logits)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) largest = Math.Max(largest, logit);
        foreach (float logit in logits) sum += Math.Exp(logit - largest);
        return largest + Math.Log(sum);
    }

    private static IEnumerable<Prompt> Prompts(string name)
    {
        string folder = SharedFolder.Require("golden", "real", name);
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        Dictionary<string, (int[] Shape, float[] Values)> logits = Safetensors.Read(Path.Combine(folder, "expected.safetensors"));
        int i = 0;
        foreach (JsonElement prompt in expected.RootElement.GetProperty("prompts").EnumerateArray())
        {
            int[] Numbers(string key) => [.. prompt.GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];
            double kl = expected.RootElement.TryGetProperty("llama_cpp_kl", out JsonElement list) && list.ValueKind == JsonValueKind.Array
                ? list[i].GetDouble() : 0;
            yield return new Prompt(Numbers("ids"), Numbers("greedy"), logits[$"logits_{i}"].Values, kl);
            i++;
        }
    }

    private sealed record Prompt(int[] Ids, int[] Greedy, float[] Logits, double LlamaCppKl);
}
