using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Tests.Models;

/// <summary>Sizes that a file or a caller chooses can't overflow what is allocated.</summary>
public sealed class SizeBoundsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-sizes").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>134,217,728 + 1,024 heads of 32 numbers are 32,768 in an int, which the shapes of a small file match.</summary>
    [Theory]
    [InlineData(134_218_752u, 32u)]
    [InlineData(1u << 24, 1u << 8)]
    [InlineData(1u << 16, 1u << 16)]
    [InlineData(8u, 1u << 22)]
    [InlineData(1u << 17, 1u)]
    public void Heads_times_their_numbers_may_not_overflow(uint heads, uint dimension)
    {
        string path = Changed(("llama.attention.head_count", heads), ("llama.attention.head_count_kv", heads),
            ("llama.attention.key_length", dimension), ("llama.attention.value_length", dimension));
        string message = Assert.Throws<ModelException>(() => LanguageModel.Load(path)).Message;
        Assert.Contains("llama.attention.head_count", message);
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [InlineData(2_147_483_616)]
    [InlineData(ModelOptions.MaximumContextLength + 1)]
    [InlineData(-1)]
    public void A_context_out_of_bounds_is_named(int context)
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        Assert.Contains("ContextLength",
            Assert.Throws<ArgumentOutOfRangeException>(() =>
                LanguageModel.Load(path, new ModelOptions { ContextLength = context })).Message);
    }

    [Fact]
    public void Threads_chunks_and_contexts_out_of_bounds_are_named()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        foreach (ModelOptions options in new ModelOptions[] { new() { Threads = -1 }, new() { Threads = 1 << 20 },
            new() { PrefillChunk = 0 }, new() { PrefillChunk = int.MaxValue }, new() { Contexts = 0 }, new() { MemoryLimit = -1 } })
            Assert.DoesNotContain("Parameter", Assert.Throws<ArgumentOutOfRangeException>(() => LanguageModel.Load(path, options)).Message);
    }

    [Fact]
    public void The_largest_context_of_the_largest_model_is_a_plan_that_is_refused_and_no_overflow()
    {
        const int Most = 1 << 24;
        ModelSpec model = TestSpecs.Llama(layers: 1000, width: Most, heads: 1, dimension: Most, feedForward: Most, vocabulary: Most);
        var options = new ModelOptions
        {
            ContextLength = ModelOptions.MaximumContextLength,
            Contexts = ModelOptions.MaximumThreads,
            Threads = ModelOptions.MaximumThreads,
            PrefillChunk = ModelOptions.MaximumChunk,
            CacheType = KeyValueType.F32,
        };
        MemoryPlan plan = LanguageModel.PlanMemory(LayerBuilder.Build(model), long.MaxValue / 8, options);
        Assert.True(plan.Cache > 1L << 60 && plan.Working > 0 && plan.Total > 0);
        Assert.NotNull(plan.Refusal(1L << 50, 1L << 50));
    }

    [Fact]
    public void The_bytes_of_a_cache_of_any_capacity_do_not_wrap()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"));
        Assert.Equal((1L << 31) * 4 * 8 * 2 * 2 * 5, model.CacheBytes(int.MaxValue)); // heads, numbers, bytes, keys and values, layers
    }

    [Fact]
    public void A_buffer_of_negative_size_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => new AlignedBuffer(-1));

    [Theory]
    [InlineData(KeyValueType.F16, 300, 64, 1, 1)]
    [InlineData(KeyValueType.I8, 77, 16, 3, 1)]
    [InlineData(KeyValueType.F32, 40, 256, 2, 3)]
    public void The_plan_is_the_sum_of_all_buffers_that_are_allocated(KeyValueType type, int context, int chunk, int threads, int contexts)
    {
        var options =
            new ModelOptions { ContextLength = context, PrefillChunk = chunk, Threads = threads, CacheType = type, Contexts = contexts };
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"), options);
        KvCache[] caches = [.. Enumerable.Range(0, contexts).Select(_ => model.CreateCache())];
        model.Forward([.. Enumerable.Range(1, context / 2)], caches[0]);
        if (contexts > 1) model.ForwardBatch([.. caches.Select(_ => 1)], caches);
        Assert.Equal(caches.Sum(cache => cache.AllocatedBytes), model.Plan.Cache);
        long drafts = 4L * EdgeLlm.Generation.Speculation.DraftPasses.MostTokens * model.Info.VocabularySize;
        Assert.Equal(model.AllocatedBytes + drafts + caches.Sum(cache => 4L * cache.Logits.Length),
            model.Plan.Working - MemoryPlan.ProgramBytes(model.Info.VocabularySize));
        foreach (KvCache cache in caches) cache.Dispose();
    }

    private string Changed(params (string Key, uint Value)[] values)
    {
        string path = Path.Combine(_folder, "changed.gguf");
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        GgufWriter writer = GgufWriter.CopyOf(file);
        foreach ((string key, uint value) in values) writer.Set(key, GgufValue.Of(value));
        writer.Save(path);
        return path;
    }
}
