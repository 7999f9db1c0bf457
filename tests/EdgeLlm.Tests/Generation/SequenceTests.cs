using System.Text;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Generation;

/// <summary>The state of an answer, driven alone and beside others.</summary>
public sealed class SequenceTests
{
    private static readonly string[] Prompts = ["Once upon a time", "The dog", "One day, Lily went to the park and"];

    [Fact]
    public void Sequences_that_decode_together_give_the_text_that_each_gives_alone()
    {
        using LanguageModel model = Open();
        string[] alone = [.. Prompts.Select((prompt, i) => Alone(model, prompt, Options(i)))];
        SequenceCache[] caches = [.. Prompts.Select(_ => new SequenceCache(model))];
        Sequence[] sequences = [.. caches.Select((cache, i) => new Sequence(cache, Options(i)))];
        StringBuilder[] texts = [.. Prompts.Select(_ => new StringBuilder())];
        for (int i = 0; i < sequences.Length; i++)
        {
            sequences[i].Begin(model.Tokenizer.Encode(Prompts[i], addSpecial: true));
            texts[i].Append(sequences[i].Next(CancellationToken.None)); // prompts one after the other
        }
        while (true)
        {
            int[] running =
                [.. Enumerable.Range(0, sequences.Length).Where(i => sequences[i].Statistics.FinishReason == FinishReason.None)];
            if (running.Length == 0) break;
            Assert.All(running, i => Assert.True(sequences[i].Prepare()));
            model.ForwardBatch([.. running.Select(i => sequences[i].Pending[0])], [.. running.Select(i => sequences[i].Memory)]);
            foreach (int i in running) texts[i].Append(sequences[i].Accept(model.LogitsOf(sequences[i].Memory)));
        }
        Assert.Equal(alone, texts.Select(text => text.ToString()));
        foreach (SequenceCache cache in caches) cache.Dispose();
    }

    [Fact]
    public void A_cache_says_what_it_holds_of_a_prompt_and_computes_the_last_token_in_any_case()
    {
        using LanguageModel model = Open();
        using var cache = new SequenceCache(model);
        model.Forward([1, 2, 3, 4], cache.Memory);
        cache.Append([1, 2, 3, 4]);
        Assert.Equal(2, cache.CommonWith([1, 2, 9]));
        Assert.Equal(4, cache.CommonWith([1, 2, 3, 4]));
        Assert.Equal(3, cache.Reuse([1, 2, 3, 4]));
        Assert.Equal((3, 3), (cache.Tokens.Count, cache.Memory.Length));
        Assert.Equal(0, cache.Reuse([7]));
        Assert.Empty(cache.Tokens);
    }

    [Fact]
    public void A_cancelled_prompt_is_not_taken_for_computed()
    {
        using LanguageModel model = Open();
        using var cache = new SequenceCache(model);
        int[] prompt = model.Tokenizer.Encode(Prompts[2], addSpecial: true);
        var cut = new Sequence(cache, Options(0));
        cut.Begin(prompt);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Null(cut.Next(stop.Token));
        Assert.Equal(FinishReason.Cancelled, cut.Statistics.FinishReason);
        Assert.Empty(cache.Tokens);
        Assert.Equal(Alone(model, Prompts[2], Options(0)), Run(new Sequence(cache, Options(0)), prompt));
    }

    private static GenerationOptions Options(int i) =>
        new() { MaxTokens = 12 + 5 * i, Sampling = i == 1 ? new SamplingOptions { Seed = 7 } : SamplingOptions.Greedy };

    private static string Alone(LanguageModel model, string prompt, GenerationOptions options)
    {
        using var cache = new SequenceCache(model);
        return Run(new Sequence(cache, options), model.Tokenizer.Encode(prompt, addSpecial: true));
    }

    private static string Run(Sequence sequence, int[] prompt)
    {
        var text = new StringBuilder();
        sequence.Begin(prompt);
        while (sequence.Next(CancellationToken.None) is { } piece) text.Append(piece);
        return text.ToString();
    }

    private static LanguageModel Open() =>
        LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"), new ModelOptions { Threads = 2, ContextLength = 128 });
}
