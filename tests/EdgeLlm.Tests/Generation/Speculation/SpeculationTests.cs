using EdgeLlm.Generation;
using EdgeLlm.Generation.Speculation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Generation.Speculation;

/// <summary>Drafts that are verified in one pass: the tokens of an answer that was decoded one by one.</summary>
public sealed class SpeculationTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("gemma3")]
    [InlineData("lfm2")]
    [InlineData("qwen3-5")]
    [InlineData("mistral-window")]
    public void Answers_are_the_same_with_and_without_drafts_at_any_temperature(string family)
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", family, "model.gguf"), new ModelOptions { Threads = 2, ContextLength = 150, PrefillChunk = 16 });
        int drafted = 0, accepted = 0;
        var few = Enumerable.Range(10, 4).ToDictionary(id => id, _ => 100f); // so that what was said comes again
        for (int i = 0; i < 12; i++)
        {
            int[] words = [.. Enumerable.Range(0, 9).Select(k => 3 + (k + i) * 37 % 490)];
            int[] prompt = [.. words, .. words, .. words[..(i % 9)]];
            var options = new GenerationOptions
            {
                MaxTokens = 60 + i, IgnoreEndOfText = true, DraftTokens = 1 + i % 7,
                Sampling = i % 3 == 0 ? SamplingOptions.Greedy with { LogitBias = few } : new SamplingOptions { Seed = (ulong)i, Temperature = i % 3 == 1 ? 0.2f : 1, LogitBias = few, RepeatPenalty = i % 2 == 0 ? 1 : 1.1f },
            };
            (List<int> alone, _) = Run(model, prompt, options with { Speculates = false });
            (List<int> with, GenerationStatistics statistics) = Run(model, prompt, options);
            Assert.Equal(alone, with);
            drafted += statistics.DraftedTokens;
            accepted += statistics.AcceptedTokens;
        }
        Assert.InRange(accepted, 1, drafted);
    }

    [Fact]
    public void An_answer_that_speculated_is_gone_on_from_with_the_same_bits()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", "lfm2", "model.gguf"), new ModelOptions { Threads = 2, ContextLength = 200, PrefixBytes = 16_000_000 });
        using SequenceCache cache = new(model);
        using KvCache plain = model.CreateCache();
        int[] prompt = [.. Enumerable.Range(0, 30).Select(i => 3 + i % 5 * 37)];
        for (int turn = 0; turn < 4; turn++)
        {
            var sequence = new Sequence(cache, new GenerationOptions { MaxTokens = 12, IgnoreEndOfText = true, DraftTokens = 3, Sampling = SamplingOptions.Greedy });
            sequence.Begin(prompt);
            while (sequence.Next(CancellationToken.None) is not null) { }
            prompt = [.. prompt, .. sequence.Tokens, 50, 60, 70];
            int reused = cache.Reuse(prompt);
            plain.Truncate(0);
            Assert.Equal(model.Forward(prompt, plain).ToArray(), model.Forward(prompt.AsSpan(reused), cache.Memory).ToArray());
            cache.Append(prompt.AsSpan(reused));
        }
    }

    [Fact]
    public void What_followed_the_last_three_tokens_before_is_the_draft_and_a_repetition_goes_on()
    {
        var lookup = new NgramLookup(40);
        foreach (int token in new[] { 1, 2, 3, 4, 5, 6, 9, 1, 2 }) lookup.Add(token);
        int[] draft = new int[7];
        Assert.Equal(0, lookup.Propose(draft));
        lookup.Add(3);
        Assert.Equal(7, lookup.Propose(draft));
        Assert.Equal([4, 5, 6, 9, 1, 2, 3], draft);
        lookup = new NgramLookup(8);
        foreach (int token in new[] { 7, 8, 7, 8, 7, 8 }) lookup.Add(token);
        Assert.Equal(7, lookup.Propose(draft));
        Assert.Equal([7, 8, 7, 8, 7, 8, 7], draft);
        for (int i = 0; i < 9; i++) lookup.Add(i); // beyond its capacity
    }

    [Fact]
    public void Drafts_grow_while_they_are_right_and_stop_while_they_cost_more_than_they_give()
    {
        var length = new DraftLength();
        TimeSpan one = TimeSpan.FromMilliseconds(10);
        Assert.Equal(0, length.Next(1)); // nothing is known of a pass of one yet
        for (int i = 0; i < 30; i++)
        {
            int drafted = length.Next(1);
            length.Measured(1 + drafted, one * (1 + 0.05 * drafted), drafted, drafted);
        }
        Assert.Equal(7, length.Next(1));
        int tokens = 0, wasted = 0;
        for (int i = 0; i < 2000; i++)
        {
            int drafted = length.Next(1);
            length.Measured(1 + drafted, one * (1 + 0.4 * drafted), drafted, 0);
            tokens++;
            wasted += drafted;
        }
        Assert.InRange(wasted, 0, tokens / 20); // fewer than one in twenty tokens is drafted for nothing
    }

    private static (List<int> Tokens, GenerationStatistics Statistics) Run(LanguageModel model, int[] prompt, GenerationOptions options)
    {
        using var cache = new SequenceCache(model);
        var sequence = new Sequence(cache, options);
        sequence.Begin(prompt);
        while (sequence.Next(CancellationToken.None) is not null) { }
        return ([.. sequence.Tokens], sequence.Statistics);
    }
}
