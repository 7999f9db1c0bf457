using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Tests.Models;

namespace EdgeLlm.Tests.Generation.Prefixes;

/// <summary>Beginnings of prompts that one context computed and another goes on from, with the same bits.</summary>
public sealed class PrefixCacheTests
{
    private const int Instructions = 45;

    private static readonly int[] Ids = [.. Enumerable.Range(0, 150).Select(i => 3 + i * 37 % 490)];
    private static readonly int[] First = [.. Ids[..80]];
    private static readonly int[] Other = [.. Ids[..Instructions], .. Ids[100..130]];

    public static TheoryData<string> Families() => GoldenLogitsTests.Families();

    [Theory]
    [MemberData(nameof(Families))]
    public void Other_contexts_go_on_from_instructions_and_prompts_with_the_bits_of_one_that_computes_all(string family)
    {
        using LanguageModel plain = Open(family, 0), model = Open(family, 64_000_000);
        using SequenceCache first = new(model), second = new(model), third = new(model);
        Assert.Equal(0, Compute(model, first, First).Reused);
        (int reused, float[] logits) = Compute(model, second, Other);
        Assert.Equal(Instructions, reused);
        Assert.Equal(Expected(plain, Other), logits);
        int[] longer = [.. First, .. Ids[90..110]];
        (reused, logits) = Compute(model, third, longer);
        Assert.Equal(First.Length, reused);
        Assert.Equal(Expected(plain, longer), logits);
        // What was extended, loaded and kept again is still what it was.
        (reused, logits) = Compute(model, first, Other);
        Assert.Equal(Other.Length - 1 - (HasCheckpoints(model) ? Other.Length - 1 - Instructions : 0), reused);
        Assert.Equal(Expected(plain, Other), logits);
    }

    [Theory]
    [InlineData("llama", KeyValueType.I8)]
    [InlineData("gemma3", KeyValueType.I8)]
    [InlineData("lfm2", KeyValueType.F32)]
    public void Pages_and_checkpoints_of_every_type_of_cache_give_the_same_bits(string family, KeyValueType type)
    {
        using LanguageModel plain = Open(family, 0, type), model = Open(family, 64_000_000, type);
        using SequenceCache first = new(model), second = new(model);
        Compute(model, first, First);
        Assert.Equal(Expected(plain, Other), Compute(model, second, Other).Logits);
    }

    [Fact]
    public void Where_a_length_is_not_enough_to_go_on_from_one_is_kept_where_two_prompts_part()
    {
        using LanguageModel plain = Open("lfm2", 0), model = Open("lfm2", 64_000_000);
        using SequenceCache first = new(model), second = new(model), third = new(model);
        Compute(model, first, First, instructions: 0);
        Assert.Equal(0, Compute(model, second, Other, instructions: 0).Reused); // neither has told where the instructions end
        int[] another = [.. Ids[..Instructions], .. Ids[130..]];
        (int reused, float[] logits) = Compute(model, third, another, instructions: 0);
        Assert.Equal(Instructions, reused);
        Assert.Equal(Expected(plain, another), logits);
    }

    [Fact]
    public void A_prefix_is_found_in_its_own_scope_and_among_what_is_shared_only()
    {
        using LanguageModel model = Open("llama", 64_000_000);
        PrefixScope one = new("one"), other = new("other");
        using SequenceCache cache = new(model) { Scope = one };
        Compute(model, cache, First);
        using (SequenceCache own = new(model) { Scope = one }) Assert.Equal(First.Length - 1, own.Reuse(First));
        foreach (PrefixScope scope in new[] { other, PrefixScope.Service, one with { Variant = "adapter 1" } })
        {
            using SequenceCache foreign = new(model) { Scope = scope };
            Assert.Equal(0, foreign.Reuse(First));
        }
        cache.Scope = other; // the context itself is another's now
        Assert.Equal((0, 0), (cache.Reuse(First), cache.Tokens.Count));
        cache.Scope = new PrefixScope(PrefixScope.Shared);
        Compute(model, cache, Other);
        using (SequenceCache foreign = new(model) { Scope = other }) Assert.Equal(Other.Length - 1, foreign.Reuse(Other));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gemma3")]
    [InlineData("qwen3-5")]
    public void What_was_used_last_stays_within_the_budget_and_beginnings_stay_longest(string family)
    {
        using LanguageModel plain = Open(family, 0);
        using SequenceCache probe = new(plain);
        long budget = 5 * probe.Memory.Pages.PageBytes + 3 * probe.Memory.Pages.CheckpointBytes;
        using LanguageModel model = Open(family, budget);
        PrefixCache prefixes = PrefixCache.Of(model)!;
        var random = new Random(5);
        using SequenceCache cache = new(model);
        for (int i = 0; i < 60; i++)
        {
            int[] prompt =
                [.. Ids[..(20 * random.Next(0, 4))], .. Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(3, 490))];
            cache.Clear();
            Assert.Equal(Expected(plain, prompt), Compute(model, cache, prompt, instructions: 0).Logits);
            Assert.InRange(prefixes.Bytes, 0, budget);
        }
        prefixes.Clear();
        Assert.Equal(0, prefixes.Bytes);
    }

    [Fact]
    public void A_disposed_model_gives_the_memory_back_and_takes_nothing_more()
    {
        PrefixCache prefixes;
        using (LanguageModel model = Open("llama", 64_000_000))
        {
            using SequenceCache cache = new(model);
            Compute(model, cache, First);
            prefixes = PrefixCache.Of(model)!;
            Assert.True(prefixes.Bytes > 0);
            Assert.Equal(64_000_000, model.Plan.Prefixes);
        }
        Assert.Equal(0, prefixes.Bytes);
    }

    private static (int Reused, float[] Logits) Compute(LanguageModel model, SequenceCache cache, int[] prompt,
        int instructions = Instructions)
    {
        int reused = cache.Reuse(prompt, instructions);
        float[] logits = model.Forward(prompt.AsSpan(reused), cache.Memory).ToArray();
        cache.Append(prompt.AsSpan(reused));
        cache.Keep();
        return (reused, logits);
    }

    private static float[] Expected(LanguageModel plain, int[] prompt)
    {
        using KvCache cache = plain.CreateCache();
        return plain.Forward(prompt, cache).ToArray();
    }

    private static bool HasCheckpoints(LanguageModel model) => model.Pages.CheckpointBytes > 0;

    private static LanguageModel Open(string family, long bytes, KeyValueType type = KeyValueType.F16) => LanguageModel.Load(
        SharedFolder.Require("golden", "logits", family, "model.gguf"),
        new ModelOptions { Threads = 2, ContextLength = 200, PrefillChunk = 16, PrefixBytes = bytes, CacheType = type });
}
