using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Models;

/// <summary>What is disposed of frees its memory under nobody: every use after it is an <see cref="ObjectDisposedException"/>.</summary>
public sealed class DisposalTests
{
    private static readonly GenerationOptions Endless =
        new() { Sampling = SamplingOptions.Greedy, IgnoreEndOfText = true, MaxTokens = 200 };

    [Fact]
    public void Every_entry_of_a_disposed_model_throws()
    {
        LanguageModel model = Load();
        KvCache cache = model.CreateCache();
        int[] tokens = model.Tokenizer.Encode("Once");
        model.Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Forward(tokens, cache));
        Assert.Throws<ObjectDisposedException>(() => model.ForwardBatch([1], [cache]));
        Assert.Throws<ObjectDisposedException>(() => model.ForwardAll([1], cache, new float[model.Info.VocabularySize]));
        Assert.Throws<ObjectDisposedException>(() => model.ForwardWithoutLogits([1], cache));
        Assert.Throws<ObjectDisposedException>(() => model.Embed(tokens, cache));
        Assert.Throws<ObjectDisposedException>(() => model.CreateCache());
        Assert.Throws<ObjectDisposedException>(() => model.Tokenizer);
        Assert.Throws<ObjectDisposedException>(() => model.MeasureRoofline());
        Assert.Throws<ObjectDisposedException>(() => new ChatSession(model));
        Assert.Throws<ObjectDisposedException>(() => new TextGenerator(model));
        cache.Dispose();
    }

    [Fact]
    public void Every_entry_of_a_disposed_context_throws()
    {
        using LanguageModel model = Load();
        KvCache cache = model.CreateCache();
        Span<float> logits = model.Forward([1], cache);
        cache.Dispose();
        cache.Dispose();
        Assert.True(float.IsFinite(logits[0])); // the span is of managed memory
        Assert.Throws<ObjectDisposedException>(() => model.Forward([1], cache));
        Assert.Throws<ObjectDisposedException>(() => model.LogitsOf(cache)[0]);
        Assert.Throws<ObjectDisposedException>(() => cache.Truncate(0));
        Assert.Throws<ObjectDisposedException>(() => cache.Save(Stream.Null));
        Assert.Throws<ObjectDisposedException>(() => cache.Load(new MemoryStream()));
    }

    [Fact]
    public async Task A_suspended_answer_hears_of_it_at_its_next_step()
    {
        LanguageModel model = Load();
        using var generator = new TextGenerator(model);
        await using IAsyncEnumerator<string> answer = generator.GenerateAsync([1], Endless, TestContext.Current.CancellationToken)
            .GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.True(await answer.MoveNextAsync());
        model.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await answer.MoveNextAsync());
    }

    [Fact]
    public async Task Disposing_from_within_an_answer_does_not_hang()
    {
        foreach (bool ofModel in new[] { true, false })
        {
            using LanguageModel model = Load();
            using var session = new ChatSession(model);
            int pieces = 0;
            await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
            {
                await foreach (string _ in session.AskAsync("Once", Endless, TestContext.Current.CancellationToken))
                {
                    if (++pieces != 2) continue;
                    if (ofModel) model.Dispose();
                    else session.Dispose();
                }
            });
            Assert.Equal(2, pieces);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Disposing_while_other_threads_compute_ends_their_passes(bool ofModel)
    {
        for (int round = 0; round < 20; round++)
        {
            using LanguageModel model = Load();
            TextGenerator[] generators = [new(model), new(model)];
            Task[] answers = [.. generators.Select(generator => Task.Run(async () =>
            {
                await foreach (string _ in generator.GenerateAsync([1],
                    Endless with { MaxTokens = 0, WhenContextIsFull = ContextPolicy.Error })) { }
            }, TestContext.Current.CancellationToken))];
            await Task.Delay(round, TestContext.Current.CancellationToken);
            if (ofModel) model.Dispose();
            else foreach (TextGenerator generator in generators) generator.Dispose();
            foreach (Task answer in answers)
            {
                Exception? error = await Record.ExceptionAsync(() => answer);
                Assert.True(error is ObjectDisposedException or ContextFullException, error?.ToString());
            }
            foreach (TextGenerator generator in generators) generator.Dispose();
        }
    }

    [Fact]
    public async Task Two_answers_of_one_session_at_once_are_refused_and_the_first_goes_on()
    {
        using LanguageModel model = Load();
        using var session = new ChatSession(model);
        await using IAsyncEnumerator<string> first = session.AskAsync("Once", Endless, TestContext.Current.CancellationToken)
            .GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.True(await first.MoveNextAsync());
        await using IAsyncEnumerator<string> second = session.AskAsync("Twice", Endless, TestContext.Current.CancellationToken)
            .GetAsyncEnumerator(TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await second.MoveNextAsync());
        Assert.Throws<InvalidOperationException>(session.Reset);
        Assert.True(await first.MoveNextAsync());
        await first.DisposeAsync();
        Assert.Equal(2, session.Messages.Count);
        await foreach (string _ in session.AskAsync("Again", Endless with { MaxTokens = 2 }, TestContext.Current.CancellationToken)) { }
        Assert.Equal(4, session.Messages.Count);
    }

    /// <summary>The vocabulary and the template are read from the map, too, when they are first asked for.</summary>
    [Fact]
    public async Task Disposing_while_another_thread_reads_the_file_unmaps_nothing_under_it()
    {
        for (int round = 0; round < 40; round++)
        {
            LanguageModel model = Load();
            using var start = new Barrier(2);
            var reader = Task.Run(() =>
            {
                start.SignalAndWait();
                _ = model.Tokenizer;
                _ = model.ChatTemplateSource;
            });
            start.SignalAndWait();
            Thread.SpinWait(round * 200);
            model.Dispose();
            Exception? error = await Record.ExceptionAsync(() => reader);
            Assert.True(error is null or ObjectDisposedException, error?.ToString());
            Assert.NotEmpty(model.Name);
            Assert.Throws<ObjectDisposedException>(() => model.ChatTemplateSource);
        }
    }

    [Fact]
    public async Task A_session_is_not_emptied_saved_or_loaded_under_its_answer()
    {
        using LanguageModel model = Load();
        using var session = new ChatSession(model);
        using var saved = new MemoryStream();
        session.Save(saved);
        await using IAsyncEnumerator<string> answer = session.AskAsync("Once", Endless).GetAsyncEnumerator();
        Assert.True(await answer.MoveNextAsync());
        saved.Position = 0;
        Assert.Throws<InvalidOperationException>(() => session.Load(saved));
        Assert.Throws<InvalidOperationException>(() => session.Save(Stream.Null));
        Assert.Throws<InvalidOperationException>(session.Reset);
        Assert.True(await answer.MoveNextAsync());
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.Load(saved));
        Assert.Throws<ObjectDisposedException>(() => session.Save(Stream.Null));
        Assert.Throws<ObjectDisposedException>(session.Reset);
    }

    [Fact]
    public void A_context_disposed_of_by_the_stream_that_it_is_saved_to_ends_the_saving()
    {
        using LanguageModel model = Load();
        KvCache cache = model.CreateCache();
        model.Forward([1, 2], cache);
        Assert.Throws<ObjectDisposedException>(() => cache.Save(new DisposingStream(cache)));
    }

    private sealed class DisposingStream(KvCache cache) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => cache.Dispose();
    }

    private static LanguageModel Load() =>
        LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"),
            new ModelOptions { Threads = 2, ChatTemplate = NamedTemplates.Find("chatml") });
}
