using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Tests.Models;

/// <summary>Windows in rings and recurrent states: the bits of a cache that holds all, and lengths that it can go back to.</summary>
public sealed unsafe class KvCacheTests
{
    private const int Window = 16;

    private static readonly int[] Ids = [.. Enumerable.Range(0, 230).Select(i => 3 + i * 37 % 490)];

    [Theory]
    [InlineData(KeyValueType.F16)]
    [InlineData(KeyValueType.F32)]
    [InlineData(KeyValueType.I8)]
    public void A_window_takes_a_ring_of_positions_and_gives_the_bits_of_all(KeyValueType type)
    {
        using var folder = new TestFolder();
        string path = WindowModel(folder);
        using LanguageModel all = Open(path, type, chunk: 256), few = Open(path, type, chunk: 5), one = Open(path, type, chunk: 1);
        using KvCache allCache = all.CreateCache(), fewCache = few.CreateCache(), oneCache = one.CreateCache();
        Assert.True(fewCache.AllocatedBytes < allCache.AllocatedBytes / 3, $"{fewCache.AllocatedBytes} of {allCache.AllocatedBytes}");
        Assert.Equal(few.Plan.Cache, fewCache.AllocatedBytes);
        float[] expected = all.Forward(Ids, allCache).ToArray();
        Assert.Equal(expected, few.Forward(Ids, fewCache).ToArray());
        Assert.Equal(expected, one.Forward(Ids, oneCache).ToArray());
    }

    [Fact]
    public void A_cut_conversation_goes_on_with_the_bits_of_one_that_was_not_cut()
    {
        using var folder = new TestFolder();
        using LanguageModel model = Open(WindowModel(folder), KeyValueType.F16, chunk: 32);
        using KvCache whole = model.CreateCache(), cut = model.CreateCache();
        float[] expected = model.Forward(Ids, whole).ToArray();
        foreach (int length in new[] { 229, 225, 150, 20, 0 })
        {
            cut.Truncate(0);
            model.Forward(Ids, cut);
            int keeps = cut.Keeps(length), kept = cut.Truncate(length);
            Assert.Equal((keeps, kept), (kept, cut.Length));
            Assert.InRange(kept, length >= 225 ? length : 0, length); // the last few are in the ring's spare positions
            Assert.Equal(expected, model.Forward(Ids.AsSpan(kept), cut).ToArray());
        }
    }

    [Fact]
    public void A_saved_conversation_holds_what_the_window_sees_and_goes_on_with_the_same_bits()
    {
        using var folder = new TestFolder();
        using LanguageModel model = Open(WindowModel(folder), KeyValueType.I8, chunk: 32);
        using KvCache whole = model.CreateCache(), saved = model.CreateCache(), loaded = model.CreateCache();
        float[] expected = model.Forward(Ids, whole).ToArray();
        model.Forward(Ids.AsSpan(0, 200), saved);
        using var stream = new MemoryStream();
        saved.Save(stream);
        stream.Position = 0;
        loaded.Load(stream);
        Assert.Equal(200, loaded.Length);
        Assert.Equal(expected, model.Forward(Ids.AsSpan(200), loaded).ToArray());
        int kept = loaded.Truncate(100);
        Assert.Equal(expected, model.Forward(Ids.AsSpan(kept), loaded).ToArray());
    }

    [Fact]
    public void States_go_back_to_before_the_last_pass_and_to_checkpoints()
    {
        using var cache = new KvCache([new KeyValueSpec(2, 8), new StateSpec(3)], 10_000, 64, KeyValueType.F32, 1);
        Compute(cache, 10);
        Compute(cache, 10);
        cache.Checkpoint();
        Compute(cache, 5);
        Assert.Equal((20, 25), (State(cache).Before, cache.Length));
        Assert.Equal(20, cache.Truncate(22));
        Assert.Equal(20, State(cache).Sum);
        Compute(cache, 1);
        Compute(cache, 1);
        Assert.Equal(21, cache.Truncate(21)); // before the last pass
        Assert.Equal(21, State(cache).Sum);
        cache.BeginPass(7); // and it ended with an error
        *(float*)cache.State(1).After = -1;
        Assert.Equal(21, State(cache).Sum);
        Assert.Equal(0, cache.Truncate(19));
        Assert.Equal(0, cache.State(1).Before);
    }

    [Fact]
    public void Of_more_checkpoints_than_there_is_room_for_those_that_are_closest_to_others_go()
    {
        using var cache = new KvCache([new KeyValueSpec(1, 8), new StateSpec(1600)], 10_000, 64, KeyValueType.F32, 1);
        long entries = 10_016L * 8 * 4 * 2 + 2 * 6400;
        Assert.Equal(entries + entries / 10 / 6400 * 6400, cache.AllocatedBytes);
        foreach (int tokens in Enumerable.Range(1, 200))
        {
            Compute(cache, tokens % 7 == 0 ? 30 : 2);
            cache.Checkpoint();
        }
        int[] lengths = [.. Enumerable.Range(1, cache.Length - 1).Select(cache.Keeps).Where(length => length > 0).Distinct()];
        Assert.InRange(lengths.Length, 8, 18);
        Assert.True(lengths.Zip(lengths.Skip(1)).Max(pair => pair.Second - pair.First) < cache.Length / 4);
        foreach (int length in lengths.OrderDescending())
        {
            Assert.Equal(length, cache.Truncate(length));
            Assert.Equal(length, State(cache).Sum);
        }
    }

    [Fact]
    public void A_sequence_computes_again_what_its_cache_could_not_keep()
    {
        using var cache = new KvCache([new StateSpec(100_000)], 100, 64, KeyValueType.F32, 1);
        Assert.Equal(2 * 400_000, cache.AllocatedBytes); // a checkpoint has no place in a tenth of it
        Compute(cache, 10);
        cache.Checkpoint();
        Compute(cache, 10);
        Compute(cache, 10);
        Assert.Equal((0, 20), (cache.Keeps(12), cache.Keeps(20)));
        Assert.Equal(0, cache.Truncate(12));
    }

    private static void Compute(KvCache cache, int tokens)
    {
        int entry = cache.AllocatedBytes == 800_000 ? 0 : 1;
        cache.BeginPass(tokens);
        (nint before, nint after) = cache.State(entry);
        *(float*)after = (before == 0 ? 0 : *(float*)before) + tokens;
        cache.Advance(tokens);
    }

    /// <summary>The number of tokens that the state was carried over.</summary>
    private static (float Sum, int Before) State(KvCache cache) => (*(float*)cache.State(1).Before, cache.Keeps(cache.Length - 1));

    private static LanguageModel Open(string path, KeyValueType type, int chunk) =>
        LanguageModel.Load(path, new ModelOptions { ContextLength = 256, Threads = 2, CacheType = type, PrefillChunk = chunk });

    private static string WindowModel(TestFolder folder)
    {
        string path = folder.PathOf("window.gguf");
        using GgufFile file = GgufFile.Open(SharedFolder.Require("golden", "logits", "mistral-window", "model.gguf"));
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.Set("llama.attention.sliding_window", GgufValue.Of((uint)Window));
        writer.Save(path);
        return path;
    }
}
