using System.Text.Json;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Tests.Models.Adapters;

/// <summary>Adapters against peft's own forward in float64: `golden/adapters/README.md`.</summary>
public sealed class GoldenAdaptersTests
{
    private const double Bound = 2e-4;

    private static readonly ModelOptions Options = new() { CacheType = KeyValueType.F32, ContextLength = 64, Threads = 2 };

    /// <summary>Folder of adapters, base, form of the base, combination.</summary>
    public static TheoryData<string, string, int> Combinations()
    {
        var data = new TheoryData<string, string, int>();
        foreach ((string folder, string _) in Bases)
        {
            foreach (string form in new[] { "model.gguf", "" })
            {
                for (int i = 0; i < 7; i++) data.Add(folder, form, i);
            }
        }
        return data;
    }

    private static readonly (string Folder, string Base)[] Bases =
        [("", "llama"), ("phi3", "phi3"), ("qwen3", "qwen3"), ("gpt2", "gpt2"), ("qwen3-5", "qwen3-5")];

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Logits_and_greedy_tokens_with_adapters_are_those_of_peft(string folder, string form, int number)
    {
        string adapters = SharedFolder.Require("golden", "adapters", folder), name = Bases.First(pair => pair.Folder == folder).Base;
        if (form.Length == 0 && name is "gpt2" or "qwen3-5" && form.Length == 0) return; // folders that do not run as they are
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(adapters, "expected.json")));
        JsonElement[] combinations = [.. expected.RootElement.GetProperty("combinations").EnumerateArray()];
        if (number >= combinations.Length) return;
        Dictionary<string, (int[] Shape, float[] Values)> reference = Safetensors.Read(Path.Combine(adapters, "expected.safetensors"));
        JsonElement combination = combinations[number];
        (string Name, float Scale)[] scales =
            [.. combination.GetProperty("scales").EnumerateObject().Select(entry => (entry.Name, entry.Value.GetSingle()))];
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", name, form), Options);
        Check(model, expected, combination, reference,
            [.. scales.Select(scale => new AdapterUse(model.OpenAdapter(Path.Combine(adapters, scale.Name)), scale.Scale))]);
        if (scales.Length == 0 || !scales.All(scale => File.Exists(Path.Combine(adapters, scale.Name, "adapter.gguf")))) return;
        Check(model, expected, combination, reference,
            [.. scales.Select(scale =>
                new AdapterUse(model.OpenAdapter(Path.Combine(adapters, scale.Name, "adapter.gguf")), scale.Scale))]);
    }

    public static TheoryData<string> Refused() =>
        [.. "ia3 loha lokr vera oft activated token-deltas replicated lora-bias parameters qalora no-b rank shape nan layer-7 unknown".Split(
            ' ')];

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_is_not_understood_is_refused_with_its_field_or_tensor(string name)
    {
        string folder = SharedFolder.Require("golden", "adapters", "refuse", name);
        using JsonDocument reasons =
            JsonDocument.Parse(File.ReadAllText(SharedFolder.Require("golden", "adapters", "refuse", "reasons.json")));
        string reason = reasons.RootElement.GetProperty(name).GetString()!;
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", "qwen3", "model.gguf"), Options);
        string message = Assert.Throws<ModelException>(() => model.OpenAdapter(folder)).Message;
        string named = name switch
        {
            "no-b" => "lora_A without lora_B",
            "rank" => "has a rank of",
            "shape" => "has the shape",
            "nan" => "has a value that is not finite",
            "layer-7" => "is of layer 7, and the model has 2 layers",
            "unknown" => "lora_C",
            _ => reason.Split(' ', ':')[0],
        };
        Assert.Contains(named, message, StringComparison.Ordinal);
        if (name is "ia3" or "loha" or "lokr" or "vera" or "oft")
            Assert.Contains(name.ToUpperInvariant(), message, StringComparison.Ordinal);
        else
            Assert.Contains(named.Contains('_', StringComparison.Ordinal) && !named.StartsWith("lora_", StringComparison.Ordinal) ? named
                : "lora", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Sequences_with_and_without_adapters_in_one_batch_keep_the_bits_that_they_have_alone()
    {
        string adapters = SharedFolder.Require("golden", "adapters");
        using LanguageModel model =
            LanguageModel.Load(SharedFolder.Require("golden", "logits", "llama", "model.gguf"), Options with { Contexts = 4 });
        Adapter first = model.OpenAdapter(Path.Combine(adapters, "qv-r4")),
            second = model.OpenAdapter(Path.Combine(adapters, "all-r8", "adapter.gguf"));
        AdapterUse[][] uses = [[new(first)], [], [new(second, -0.75f)], [new(first, 0.5f), new(second)]];
        KvCache[] together = [.. uses.Select(_ => model.CreateCache())], alone = [.. uses.Select(_ => model.CreateCache())];
        for (int i = 0; i < uses.Length; i++) together[i].Adaptation = alone[i].Adaptation = model.Adapt(uses[i], []);
        for (int i = 0; i < uses.Length; i++) model.Forward([126, 333, 424], together[i]);
        int[] tokens = [1, 2, 3, 4];
        for (int step = 0; step < 3; step++)
        {
            model.ForwardBatch(tokens, together);
            for (int i = 0; i < uses.Length; i++)
            {
                // Alone, and with the prompt in pieces of one token.
                if (step == 0) foreach (int token in new[] { 126, 333, 424 }) model.Forward([token], alone[i]);
                Assert.Equal(model.Forward([tokens[i]], alone[i]).ToArray(), model.LogitsOf(together[i]).ToArray());
            }
            tokens = [.. together.Select(cache => GoldenLogitsTests.IndexOfLargest(model.LogitsOf(cache)))];
        }
        Assert.NotEqual(model.LogitsOf(together[0]).ToArray(), model.LogitsOf(together[1]).ToArray());
        Array.ForEach([.. together, .. alone], cache => cache.Dispose());
    }

    [Theory]
    [InlineData("avx-vnni"), InlineData("avx2"), InlineData("scalar")]
    public void Every_kernel_and_number_of_threads_gives_the_same_bits(string kernel)
    {
        if (!Kernel.Available.Any(available => available.Name == kernel)) return;
        string adapters = SharedFolder.Require("golden", "adapters", "qwen3");
        float[]? wanted = null;
        foreach (ModelOptions options in new[] { Options with { Kernel = "scalar", Threads = 1 },
            Options with { Kernel = kernel, Threads = 3, PrefillChunk = 5 } })
        {
            using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", "qwen3", "model.gguf"), options);
            using KvCache cache = model.CreateCache();
            cache.Adaptation =
                model.Adapt([new(model.OpenAdapter(Path.Combine(adapters, "dora-r4"))),
                    new(model.OpenAdapter(Path.Combine(adapters, "layer-1")), 2)], []);
            float[] logits = model.Forward([.. Enumerable.Range(3, 40)], cache).ToArray();
            Assert.Equal(wanted ??= logits, logits);
        }
    }

    private static void Check(LanguageModel model, JsonDocument expected, JsonElement combination,
        Dictionary<string, (int[] Shape, float[] Values)> reference, AdapterUse[] uses)
    {
        int vocabulary = model.Info.VocabularySize, number = 0;
        foreach (JsonElement prompt in expected.RootElement.GetProperty("prompts").EnumerateArray())
        {
            int[] ids = [.. prompt.EnumerateArray().Select(id => id.GetInt32())];
            float[] wanted = reference[$"{combination.GetProperty("name").GetString()}_{number}"].Values,
                logits = new float[ids.Length * vocabulary];
            using KvCache cache = model.CreateCache();
            cache.Adaptation = model.Adapt(uses, []);
            model.ForwardAll(ids, cache, logits);
            double worst = 0;
            for (int i = 0; i < wanted.Length; i++) worst = Math.Max(worst, Math.Abs(wanted[i] - (double)logits[i]));
            Assert.True(worst <= Bound, $"prompt {number}: a logit is off by {worst}");
            if (number++ != 1) continue;
            int[] greedy = [.. combination.GetProperty("greedy_of_prompt_1").EnumerateArray().Select(id => id.GetInt32())];
            var actual = new List<int>();
            ReadOnlySpan<float> last = logits.AsSpan(logits.Length - vocabulary);
            while (actual.Count < greedy.Length)
            {
                actual.Add(GoldenLogitsTests.IndexOfLargest(last));
                last = model.Forward([actual[^1]], cache);
            }
            Assert.Equal(greedy, actual);
        }
    }
}
