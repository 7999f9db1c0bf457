using EdgeLlm.Models;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// The third promise for each family: its caches go on where they were left, cut, saved or beside others, with the same bits.
/// </summary>
public sealed class FamilyDeterminismTests
{
    private static readonly int[] Ids = [.. Enumerable.Range(0, 70).Select(i => 3 + i * 37 % 490)];

    public static TheoryData<string> Families() => GoldenLogitsTests.Families();

    [Theory]
    [MemberData(nameof(Families))]
    public void Sequences_decoded_together_or_cut_or_loaded_get_what_each_gets_alone(string family)
    {
        using var model = LanguageModel.Load(SharedFolder.Require("golden", "logits", family, "model.gguf"),
            new ModelOptions { Threads = 2, ContextLength = 100, PrefillChunk = 16 });
        KvCache[] alone = [.. Enumerable.Range(0, 3).Select(_ => model.CreateCache())],
            together = [.. Enumerable.Range(0, 3).Select(_ => model.CreateCache())];
        Assert.Equal(model.Plan.Cache, alone[0].AllocatedBytes);
        for (int i = 0; i < 3; i++)
        {
            model.Forward(Ids.AsSpan(0, 1 + 20 * i), alone[i]);
            model.Forward(Ids.AsSpan(0, 1 + 20 * i), together[i]);
        }
        for (int step = 0; step < 3; step++)
        {
            int[] tokens = [.. Enumerable.Range(0, 3).Select(i => Ids[i * 7 + step])];
            model.ForwardBatch(tokens, together);
            for (int i = 0; i < 3; i++) Assert.Equal(model.Forward([tokens[i]], alone[i]), model.LogitsOf(together[i]));
        }
        foreach (KvCache cache in (KvCache[])[.. alone, .. together]) cache.Dispose();

        using KvCache whole = model.CreateCache(), saved = model.CreateCache(), loaded = model.CreateCache();
        float[] expected = model.Forward(Ids, whole).ToArray();
        model.Forward(Ids.AsSpan(0, 45), saved);
        using var stream = new MemoryStream();
        saved.Save(stream);
        stream.Position = 0;
        loaded.Load(stream);
        Assert.Equal(expected, model.Forward(Ids.AsSpan(45), loaded).ToArray());
        saved.Checkpoint();
        model.Forward(Ids.AsSpan(45, 9), saved);
        foreach (int length in new[] { 50, 30 })
        {
            int kept = saved.Truncate(length);
            Assert.InRange(kept, 0, length);
            Assert.Equal(expected, model.Forward(Ids.AsSpan(kept), saved).ToArray());
        }
    }
}
