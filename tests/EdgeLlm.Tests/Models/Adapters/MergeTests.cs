using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Quantization.Merge;

namespace EdgeLlm.Tests.Models.Adapters;

/// <summary>Models with adapters, or a delta, written into their weights: `golden/adapters/README.md`.</summary>
public sealed class MergeTests
{
    private static readonly ModelOptions Options = new() { CacheType = KeyValueType.F32, ContextLength = 64, Threads = 2 };

    public static TheoryData<string, string> Bases() =>
        new() { { "", "llama" }, { "phi3", "phi3" }, { "qwen3", "qwen3" }, { "gpt2", "gpt2" }, { "qwen3-5", "qwen3-5" } };

    [Theory]
    [MemberData(nameof(Bases))]
    public void A_merged_file_gives_the_logits_of_peft(string folder, string name)
    {
        string adapters = SharedFolder.Require("golden", "adapters", folder);
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(adapters, "expected.json")));
        Dictionary<string, (int[] Shape, float[] Values)> reference = Safetensors.Read(Path.Combine(adapters, "expected.safetensors"));
        using var files = new TestFolder();
        foreach (JsonElement combination in expected.RootElement.GetProperty("combinations").EnumerateArray())
        {
            string merged = files.PathOf("merged.gguf");
            using (GgufFile file = GgufFile.Open(SharedFolder.Require("golden", "logits", name, "model.gguf")))
            {
                var paths = combination.GetProperty("scales").EnumerateObject()
                    .Select(entry => new ScaledPath(Path.Combine(adapters, entry.Name), entry.Value.GetSingle()));
                using var changes = new ChangedWeights(file, ModelLoader.ReadSpec(file), paths);
                new ModelMerger(file, ElementType.F32).Save(merged, changes, _ => { }, default);
            }
            Check(merged, expected.RootElement, reference, combination.GetProperty("name").GetString()!);
        }
    }

    [Fact]
    public void A_delta_added_to_its_base_gives_the_logits_of_the_trained_model()
    {
        string adapters = SharedFolder.Require("golden", "adapters");
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(adapters, "expected.json")));
        Dictionary<string, (int[] Shape, float[] Values)> reference =
            Safetensors.Read(Path.Combine(adapters, "delta", "expected.safetensors"));
        using var files = new TestFolder();
        string merged = files.PathOf("merged.gguf");
        using (GgufFile file = GgufFile.Open(SharedFolder.Require("golden", "logits", "llama", "model.gguf")))
        {
            using var delta = WeightDelta.Open(Path.Combine(adapters, "delta"), ModelLoader.ReadSpec(file));
            new ModelMerger(file, ElementType.F32).Save(merged, delta, _ => { }, default);
        }
        string first = reference.Keys.Order().First();
        Check(merged, expected.RootElement, reference, first[..first.LastIndexOf('_')]);
    }

    private static void Check(string path, JsonElement expected, Dictionary<string, (int[] Shape, float[] Values)> reference, string name)
    {
        using LanguageModel model = LanguageModel.Load(path, Options);
        int number = 0;
        foreach (JsonElement prompt in expected.GetProperty("prompts").EnumerateArray())
        {
            int[] ids = [.. prompt.EnumerateArray().Select(id => id.GetInt32())];
            float[] wanted = reference[$"{name}_{number++}"].Values, logits = new float[ids.Length * model.Info.VocabularySize];
            using KvCache cache = model.CreateCache();
            model.ForwardAll(ids, cache, logits);
            double worst = 0;
            for (int i = 0; i < wanted.Length; i++) worst = Math.Max(worst, Math.Abs(wanted[i] - (double)logits[i]));
            Assert.True(worst <= 2e-4, $"{name}, prompt {number - 1}: a logit is off by {worst}");
        }
    }
}
