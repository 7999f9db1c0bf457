using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Tests.Gguf;

namespace EdgeLlm.Tests.Models;

/// <summary>The third promise: the same bits on every kernel, thread count and prefill chunk.</summary>
public sealed class DeterminismTests
{
    private static readonly int[] Ids = [.. Enumerable.Range(0, 70).Select(i => 3 + i * 37 % 490)];

    public static TheoryData<string, KeyValueType> Models() => new()
    {
        { "made", KeyValueType.F16 },
        { "packed", KeyValueType.F16 },
        { "packed", KeyValueType.I8 },
        { "stories260K.f32.gguf", KeyValueType.F16 },
        { "stories260K.f32.gguf", KeyValueType.F32 },
        { "stories260K.f32.gguf", KeyValueType.I8 },
        { "SmolLM2-135M-Instruct.Q4_1.gguf", KeyValueType.F16 },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void Logits_are_the_same_on_every_kernel_thread_count_and_chunk(string file, KeyValueType cacheType)
    {
        string path = TestModels.PathOf(file);
        int[] ids = file.StartsWith("SmolLM2", StringComparison.Ordinal) ? Ids[..40] : Ids;
        string expected = Hash(path, ids, new ModelOptions { Kernel = Kernel.Available[0].Name, Threads = 2, CacheType = cacheType });
        foreach (int chunk in new[] { 1, 7, 64 })
            Assert.Equal(expected, Hash(path, ids, new ModelOptions { Threads = 1, PrefillChunk = chunk, CacheType = cacheType }));
        foreach (Kernel kernel in Kernel.Available.Skip(1))
            Assert.Equal(expected,
                Hash(path, ids, new ModelOptions { Kernel = kernel.Name, Threads = 2, PrefillChunk = 33, CacheType = cacheType }));
    }

    public static TheoryData<string> Families() => [.. GoldenLogitsTests.WithFile];

    [Theory]
    [MemberData(nameof(Families))]
    public void A_family_s_logits_are_the_same_on_every_kernel_thread_count_chunk_and_batch(string family)
    {
        string path = SharedFolder.Require("golden", "logits", family, "model.gguf");
        foreach (KeyValueType cacheType in new[] { KeyValueType.F16, KeyValueType.I8 })
        {
            string expected = Hash(path, Ids, new ModelOptions { Threads = 2, CacheType = cacheType });
            foreach (Kernel kernel in Kernel.Available)
            {
                foreach ((int chunk, int threads) in new[] { (1, 1), (7, 2) })
                    Assert.Equal(expected,
                        Hash(path, Ids,
                            new ModelOptions { Kernel = kernel.Name, Threads = threads, PrefillChunk = chunk, CacheType = cacheType }));
            }
        }
        using var model = LanguageModel.Load(path, new ModelOptions { Threads = 2, ContextLength = 64 });
        CheckBatches(model);
    }

    [Theory]
    [InlineData("made")]
    [InlineData("packed")]
    [InlineData("stories260K.f32.gguf")]
    [InlineData("SmolLM2-135M-Instruct.Q4_1.gguf")]
    public void Sequences_decoded_together_get_what_each_gets_alone(string file)
    {
        using var model = LanguageModel.Load(TestModels.PathOf(file), new ModelOptions { Threads = 2, ContextLength = 64 });
        CheckBatches(model);
    }

    [Theory]
    [InlineData("e4g32")]
    [InlineData("e4g16")]
    [InlineData("e5g32")]
    [InlineData("e3g32")]
    public void Sequences_of_a_packed_model_decoded_together_get_what_each_gets_alone(string kind)
    {
        using var folder = new TemporaryFolder();
        string path = folder.PathOf("packed.gguf");
        using (GgufFile file = GgufFile.Open(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf")))
            new FastQuantizer(new QuantizationPlan(file, PackedTensor.PackingOf(kind), Packing.E8Group32))
                .Save(path, (_, _) => { }, CancellationToken.None);
        using var model = LanguageModel.Load(path, new ModelOptions { Threads = 2, ContextLength = 64 });
        CheckBatches(model);
    }

    /// <summary>Two to eight sequences of different lengths, three tokens each.</summary>
    private static void CheckBatches(LanguageModel model)
    {
        for (int width = 2; width <= LanguageModel.MostSequences; width += 3)
        {
            KvCache[] alone = [.. Enumerable.Range(0, width).Select(_ => model.CreateCache())],
                together = [.. Enumerable.Range(0, width).Select(_ => model.CreateCache())];
            for (int i = 0; i < width; i++)
            {
                model.Forward(Ids.AsSpan(0, 1 + 5 * i), alone[i]);
                model.Forward(Ids.AsSpan(0, 1 + 5 * i), together[i]);
            }
            for (int step = 0; step < 3; step++)
            {
                int[] tokens = [.. Enumerable.Range(0, width).Select(i => Ids[(i * 7 + step) % Ids.Length])];
                model.ForwardBatch(tokens, together);
                for (int i = 0; i < width; i++)
                {
                    Assert.Equal(model.Forward([tokens[i]], alone[i]), model.LogitsOf(together[i]));
                    Assert.Equal(alone[i].Length, together[i].Length);
                }
            }
            foreach (KvCache cache in (KvCache[])[.. alone, .. together]) cache.Dispose();
        }
    }

    [Fact]
    public void A_pass_after_others_were_forgotten_is_as_the_first()
    {
        using var model = LanguageModel.Load(TestModels.Stories, new ModelOptions { Threads = 2 });
        using KvCache cache = model.CreateCache();
        float[] first = model.Forward(Ids, cache).ToArray();
        cache.Truncate(20);
        Assert.Equal(first, model.Forward(Ids.AsSpan(20), cache).ToArray());
        cache.Truncate(0);
        model.Forward([5, 6, 7], cache);
        cache.Truncate(0);
        Assert.Equal(first, model.Forward(Ids, cache).ToArray());
    }

    [Fact]
    public void A_cancelled_pass_leaves_the_cache_as_it_was()
    {
        using var model = LanguageModel.Load(TestModels.Stories, new ModelOptions { Threads = 1 });
        using KvCache cache = model.CreateCache();
        model.Forward(Ids.AsSpan(0, 30), cache);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => model.Forward(Ids.AsSpan(30), cache, cancelled.Token));
        Assert.Equal(30, cache.Length);
        float[] after = model.Forward(Ids.AsSpan(30), cache).ToArray();
        using KvCache other = model.CreateCache();
        Assert.Equal(model.Forward(Ids, other).ToArray(), after);
    }

    [Fact]
    public void Threads_that_share_a_model_get_what_each_gets_alone()
    {
        using var model = LanguageModel.Load(TestModels.Stories, new ModelOptions { Threads = 2 });
        float[][] alone = [.. Enumerable.Range(0, 4).Select(Run)];
        float[][] together = new float[4][];
        Parallel.For(0, 4, i => together[i] = Run(i));
        for (int i = 0; i < 4; i++) Assert.Equal(alone[i], together[i]);

        float[] Run(int start)
        {
            using KvCache cache = model.CreateCache();
            float[] last = [];
            for (int i = start; i < start + 20; i++) last = model.Forward([Ids[i]], cache).ToArray();
            return last;
        }
    }

    private static string Hash(string path, int[] ids, ModelOptions options)
    {
        using var model = LanguageModel.Load(path, options with { ContextLength = 128 });
        float[] logits = new float[ids.Length * model.Info.VocabularySize];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(ids, cache, logits);
        return Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(logits.AsSpan())));
    }
}
