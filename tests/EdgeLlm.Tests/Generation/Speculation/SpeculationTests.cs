using EdgeLlm.Generation;
using EdgeLlm.Generation.Speculation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tests.Models;

namespace EdgeLlm.Tests.Generation.Speculation;

/// <summary>Drafts that are verified in one pass: the tokens of an answer that was decoded one by one.</summary>
public sealed class SpeculationTests
{
    public static TheoryData<string> Families() => [.. GoldenLogitsTests.Decoders];

    [Theory]
    [MemberData(nameof(Families))]
    public void Answers_are_the_same_with_and_without_drafts_at_any_temperature(string family)
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", family, "model.gguf"),
            new ModelOptions { Threads = 2, ContextLength = 150, PrefillChunk = 16 });
        int drafted = 0, accepted = 0;
        var few = Enumerable.Range(10, 4).ToDictionary(id => id, _ => 100f); // so that what was said comes again
        for (int i = 0; i < 12; i++)
        {
            int[] words = [.. Enumerable.Range(0, 9).Select(k => 3 + (k + i) * 37 % 490)];
            int[] prompt = [.. words, .. words, .. words[..(i % 9)]];
            var options = new GenerationOptions
            {
                MaxTokens = 60 + i,
                IgnoreEndOfText = true,
                DraftTokens = 1 + i % 7,
                Sampling = i % 3 == 0 ? SamplingOptions.Greedy with { LogitBias = few } : new SamplingOptions
                {
                    Seed = (ulong)i,
                    Temperature = i % 3 == 1 ? 0.2f : 1,
                    LogitBias = few,
                    RepeatPenalty = i % 2 == 0 ? 1 : 1.1f
                },
            };
            (List<int> alone, _) = Run(model, prompt, options with { Speculates = false });
            (List<int> with, GenerationStatistics statistics) = Run(model, prompt, options);
            Assert.Equal(alone, with);
            drafted += statistics.DraftedTokens;
            accepted += statistics.AcceptedTokens;
        }
        Assert.InRange(accepted, 1, drafted);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_draft_model_changes_no_answer(string family)
    {
        string path = SharedFolder.Require("golden", "logits", family, "model.gguf");
        var modelOptions = new ModelOptions { Threads = 2, ContextLength = 150, PrefillChunk = 16 };
        using LanguageModel model = LanguageModel.Load(path, modelOptions with { DraftModel = path });
        using var cache = new SequenceCache(model); // one after the other: what the draft model holds of the last answer is of no use
        int drafted = 0, accepted = 0;
        for (int i = 0; i < 6; i++)
        {
            int[] prompt = [.. Enumerable.Range(0, 7 + 9 * i).Select(k => 3 + (k * k + i) * 37 % 490)];
            var options = new GenerationOptions
            {
                MaxTokens = 40,
                IgnoreEndOfText = true,
                DraftTokens = 1 + i % 5,
                Sampling = i % 3 == 0 ? SamplingOptions.Greedy
                    : new SamplingOptions { Seed = (ulong)i, Temperature = i % 3 == 1 ? 0.5f : 1.5f },
            };
            (List<int> alone, _) = Run(model, prompt, options with { Speculates = false });
            (List<int> with, GenerationStatistics statistics) = Run(cache, prompt, options);
            Assert.Equal(alone, with);
            drafted += statistics.DraftedTokens;
            accepted += statistics.AcceptedTokens;
        }
        // The same model with the same random numbers guesses right, but for what was looked up in the text.
        Assert.True(accepted > drafted * 3 / 4, $"{accepted} of {drafted}");
    }

    [Fact]
    public void A_draft_model_guesses_only_what_the_form_allows()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        using LanguageModel model = LanguageModel.Load(path, new ModelOptions { Threads = 2, ContextLength = 256, DraftModel = path });
        OutputConstraint[] forms =
        [
            OutputConstraint.Regex("[a-z ]{60,}"), OutputConstraint.Regex("(no|yes|perhaps)(, (no|yes|perhaps|[0-9]{3})){9}"),
            OutputConstraint.JsonSchema(
                """{"type":"array","items":{"type":"array","items":{"type":"integer"},"minItems":2},"minItems":5}"""),
        ];
        int drafted = 0, accepted = 0;
        for (int i = 0; i < 12; i++)
        {
            int[] prompt = model.Tokenizer.Encode($"Once upon a time there were {i} of them", addSpecial: true);
            var options = new GenerationOptions
            {
                MaxTokens = 70,
                Constraint = forms[i % 3],
                DraftTokens = 1 + i % 5,
                Sampling = i == 0 ? SamplingOptions.Greedy : new SamplingOptions { Seed = (ulong)i, Temperature = 0.5f + i % 4 * 0.3f },
            };
            (List<int> alone, _) = Run(model, prompt, options with { Speculates = false });
            (List<int> with, GenerationStatistics statistics) = Run(model, prompt, options);
            Assert.Equal(alone, with);
            if (i % 3 > 0) continue; // much of these is looked up, or forced
            drafted += statistics.DraftedTokens;
            accepted += statistics.AcceptedTokens;
        }
        // The same model guesses right where it sees the same mask, but for forced text, look-up and the room's end.
        Assert.True(accepted > drafted * 3 / 5, $"{accepted} of {drafted}");
    }

    [Fact]
    public void What_was_looked_up_is_cut_where_the_form_forbids_it()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"),
            new ModelOptions { Threads = 2, ContextLength = 256 });
        TokenConstraint constraint = OutputConstraint.Regex(" ?one two (one )*2").Begin(ConstraintVocabulary.Of(model.Tokenizer));
        int[] draft = model.Tokenizer.Encode("one two one three", addSpecial: false);
        int allowed = constraint.CountAllowed(draft);
        Assert.InRange(allowed, 3, draft.Length - 1);
        Assert.Equal(allowed, constraint.CountAllowed(draft)); // it left no trace
    }

    [Fact]
    public void A_draft_model_of_another_vocabulary_is_refused()
    {
        string llama = SharedFolder.Require("golden", "logits", "llama", "model.gguf"),
            other = SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf");
        ModelException refusal = Assert.Throws<ModelException>(() => LanguageModel.Load(llama, new ModelOptions { DraftModel = other }));
        Assert.Contains("49152 tokens", refusal.Message);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(4)]
    public void Text_that_a_form_forces_is_a_draft(int? draftTokens)
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            new ModelOptions { Threads = 2, ContextLength = 256 });
        var constraint = OutputConstraint.JsonSchema("""
            {"type":"array","minItems":3,"maxItems":3,"items":{"type":"object","properties":{"temperature_of_the_room":{"type":"integer"},"is_the_window_open":{"type":"boolean"},"name_of_the_room":{"enum":["kitchen","hall"]}},
            "required":["temperature_of_the_room","is_the_window_open","name_of_the_room"],"additionalProperties":false}}
            """);
        int[] prompt = model.Tokenizer.Encode("The kitchen has 21 degrees, and its window is closed. As JSON: ", addSpecial: true);
        foreach (SamplingOptions sampling in new[] { SamplingOptions.Greedy, new SamplingOptions { Seed = 3, Temperature = 1.5f },
            new SamplingOptions { Seed = 1, Temperature = 0.8f } })
        {
            var options =
                new GenerationOptions { MaxTokens = 150, Sampling = sampling, Constraint = constraint, DraftTokens = draftTokens };
            (List<int> alone, _) = Run(model, prompt, options with { Speculates = false });
            (List<int> with, GenerationStatistics statistics) = Run(model, prompt, options);
            Assert.Equal(alone, with);
            if (draftTokens is not null)
                Assert.True(statistics.AcceptedTokens > with.Count / 3,
                    $"{statistics.AcceptedTokens} of {statistics.DraftedTokens} right in {with.Count}");
        }
    }

    [Fact]
    public void An_answer_that_speculated_is_gone_on_from_with_the_same_bits()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", "lfm2", "model.gguf"),
            new ModelOptions { Threads = 2, ContextLength = 200, PrefixBytes = 16_000_000 });
        using SequenceCache cache = new(model);
        using KvCache plain = model.CreateCache();
        int[] prompt = [.. Enumerable.Range(0, 30).Select(i => 3 + i % 5 * 37)];
        for (int turn = 0; turn < 4; turn++)
        {
            var sequence = new Sequence(cache,
                new GenerationOptions { MaxTokens = 12, IgnoreEndOfText = true, DraftTokens = 3, Sampling = SamplingOptions.Greedy });
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
        var source = new DraftSource(0.6);
        var times = new PassTimes();
        TimeSpan one = TimeSpan.FromMilliseconds(10);
        Assert.Equal(0, Next()); // nothing is known of a pass of one yet
        for (int i = 0; i < 30; i++)
        {
            int drafted = Next();
            times.Measured(1 + drafted, one * (1 + 0.05 * drafted));
            source.Measured(drafted, drafted);
        }
        Assert.Equal(7, Next());
        int tokens = 0, wasted = 0;
        for (int i = 0; i < 2000; i++)
        {
            int drafted = Next();
            times.Measured(1 + drafted, one * (1 + 0.4 * drafted));
            if (drafted > 0) source.Measured(drafted, 0);
            tokens++;
            wasted += drafted;
        }
        Assert.InRange(wasted, 0, tokens / 20); // fewer than one in twenty tokens is drafted for nothing

        int Next()
        {
            Span<int> drafted = stackalloc int[1];
            DraftOffer.Share([source.Rests() ? default : new DraftOffer(source, 7, 0)], 1, times, drafted);
            return drafted[0];
        }
    }

    [Fact]
    public void The_room_of_a_pass_goes_to_the_drafts_that_are_most_likely_right()
    {
        var times = new PassTimes();
        for (int tokens = 1; tokens <= 8; tokens++) times.Measured(tokens, TimeSpan.FromMilliseconds(10 + tokens));
        DraftSource sure = new(0.95), likely = new(0.7), never = new(0);
        int[] drafted = new int[4];
        DraftOffer.Share([new(likely, 7, 0), new(sure, 3, 0), default, new(never, 7, 0)], 4, times, drafted);
        Assert.Equal([1, 3, 0, 0], drafted);
        // a guess that takes longer than a pass
        DraftOffer.Share([new(likely, 7, 0.1), new(sure, 1, 0), default, default], 4, times, drafted);
        Assert.Equal([0, 1, 0, 0], drafted);
    }

    private static (List<int> Tokens, GenerationStatistics Statistics) Run(LanguageModel model, int[] prompt, GenerationOptions options)
    {
        using var cache = new SequenceCache(model);
        return Run(cache, prompt, options);
    }

    private static (List<int> Tokens, GenerationStatistics Statistics) Run(SequenceCache cache, int[] prompt, GenerationOptions options)
    {
        var sequence = new Sequence(cache, options);
        sequence.Begin(prompt);
        while (sequence.Next(CancellationToken.None) is not null) { }
        return ([.. sequence.Tokens], sequence.Statistics);
    }
}
