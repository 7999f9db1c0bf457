using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Generation;

/// <summary>Many answers at once: the tokens of each, and who comes when, in passes and never in time.</summary>
public sealed class SchedulerTests
{
    private static readonly GenerationOptions Endless = new() { MaxTokens = 0, IgnoreEndOfText = true, Sampling = SamplingOptions.Greedy };

    /// <summary>EDGELLM_REQUESTS is how many (tools/test-answers: 300).</summary>
    [Fact]
    public async Task Mixed_requests_at_once_give_the_tokens_that_each_gives_alone()
    {
        using LanguageModel small = Open(contexts: 8),
            packed = LanguageModel.Load(Smol, new ModelOptions { Threads = 2, ContextLength = 256, Contexts = 4 });
        int count = int.TryParse(Environment.GetEnvironmentVariable("EDGELLM_REQUESTS"), out int asked) ? asked : 30;
        (LanguageModel Model, AnswerRequest Request)[] requests =
            [.. Enumerable.Range(0, count).Select(i => i % 5 == 4 ? (packed, Mixed(packed, i)) : (small, Mixed(small, i)))];
        int[][] alone = [.. requests.Select(one => Alone(one.Model, one.Request))];
        Assert.True(alone.Select(tokens => string.Join(' ', tokens)).Distinct().Count() > count * 2 / 3);

        int most = 0;
        using var scheduler = new Scheduler(new SchedulerOptions { Queue = count, Parallel = 12 })
        {
            Observer = (answers, _) => most = Math.Max(most, answers),
        };
        Answer[] answers = [.. requests.Select(one => scheduler.Submit(one.Model, one.Request))];
        foreach (Answer answer in answers) await answer.ReadToEndAsync();
        Assert.Equal(alone, answers.Select(answer => answer.Tokens));
        Assert.Equal(LanguageModel.MostSequences, most);
    }

    [Fact]
    public async Task The_next_turn_of_a_conversation_computes_only_what_is_new()
    {
        using LanguageModel model = Open(contexts: 2);
        using var scheduler = new Scheduler();
        int[] prompt = Tokens(model, 3, 60);
        Answer first = scheduler.Submit(model, new AnswerRequest(prompt) { Options = Greedy(5) });
        await first.ReadToEndAsync();
        await scheduler.Submit(model, new AnswerRequest(Tokens(model, 4, 40)) { Options = Greedy(5) }).ReadToEndAsync();
        var next = new AnswerRequest([.. prompt, .. first.Tokens, 7, 8, 9]) { Options = Greedy(5) };
        Answer second = scheduler.Submit(model, next);
        await second.ReadToEndAsync();
        Assert.Equal(64, second.Statistics.CachedTokens);
        Assert.Equal(Alone(model, next), second.Tokens);
    }

    [Fact]
    public async Task Short_conversations_do_not_fill_the_memory_of_long_ones()
    {
        using LanguageModel model = Open(contexts: 2);
        using var scheduler = new Scheduler();
        var left = new List<long>();
        for (int i = 0; i < 20; i++)
        {
            await scheduler.Submit(model, new AnswerRequest(Tokens(model, i, 20)) { Options = Greedy(5) }).ReadToEndAsync();
            while (scheduler.Running > 0) await Task.Delay(1);
            left.Add(scheduler.BytesLeft(model));
        }
        Assert.Equal(left[1], left[^1]); // two are kept
        Assert.True(left[0] > left[1]);
    }

    [Fact]
    public async Task A_long_prompt_is_computed_in_pieces_between_the_tokens_of_answers_that_run()
    {
        using LanguageModel model = Open(contexts: 2, context: 4096, chunk: 32);
        var passes = new List<(int Answers, int Prompt)>();
        using var scheduler = new Scheduler { Observer = (answers, prompt) => passes.Add((answers, prompt)) };
        int[] prompt = Tokens(model, 1, 3000);
        using var enough = new CancellationTokenSource();
        Answer running = scheduler.Submit(model, new AnswerRequest(Tokens(model, 2, 4)) { Options = Endless }, enough.Token);
        Assert.True(await running.HasBegunAsync(TimeSpan.FromMinutes(1)));
        var request = new AnswerRequest(prompt) { Options = Greedy(3) };
        Answer arrived = scheduler.Submit(model, request);
        await arrived.ReadToEndAsync();
        await enough.CancelAsync();
        await scheduler.StopAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(Alone(model, request), arrived.Tokens);
        int first = passes.FindIndex(1, pass => pass.Prompt > 0), last = passes.FindLastIndex(pass => pass.Prompt > 0);
        Assert.True(last - first > 150, $"{last - first} passes");
        Assert.All(passes[first..last], pass => Assert.InRange(pass.Prompt, 0, 32));
        Assert.All(Enumerable.Range(first, last - first),
            i => Assert.False(passes[i].Prompt > 0 && passes[i + 1].Prompt > 0, "two pieces without a token between"));
    }

    [Theory]
    [InlineData(0, 8)] // not measured yet
    [InlineData(20, 8)]
    [InlineData(150, 24)]
    [InlineData(1000, 160)]
    public void A_piece_of_a_prompt_takes_less_than_a_fifth_of_a_second_by_the_measured_speed(double tokensPerSecond, int expected)
    {
        var pace = new PromptPace();
        if (tokensPerSecond > 0) pace.Measured(100, TimeSpan.FromSeconds(100 / tokensPerSecond));
        Assert.Equal(expected, pace.Tokens);
        pace.Measured(100, TimeSpan.FromSeconds(10)); // slower: at once
        Assert.Equal(8, pace.Tokens);
    }

    [Fact]
    public async Task Clients_take_turns_however_many_requests_one_sends()
    {
        using LanguageModel model = Open();
        using ManualResetEventSlim allAreHere = new();
        using var scheduler = new Scheduler(new SchedulerOptions { Parallel = 1 }) { Observer = (_, _) => allAreHere.Wait() };
        Answer first = scheduler.Submit(model, new AnswerRequest([1]) { Options = Greedy(3) });
        while (scheduler.Running == 0) await Task.Delay(1);
        Answer[] many = [.. Enumerable.Range(0, 6).Select(i => Submit("a", AnswerPriority.Chat, 2 + i))];
        Answer modest = Submit("b", AnswerPriority.Chat, 9), flexible = Submit("c", AnswerPriority.Batch, 10),
            spoken = Submit("d", AnswerPriority.Voice, 11);
        Assert.Equal([1, 2, 3, 4, 9], [.. new[] { spoken, many[0], modest, many[1], flexible }.Select(scheduler.CountBefore)]);
        allAreHere.Set();
        Answer[] all = [.. many, modest, flexible, spoken, first];
        foreach (Answer answer in all) await answer.ReadToEndAsync();
        Assert.Equal([first, spoken, many[0], modest, .. many[1..], flexible], all.OrderBy(answer => answer.BegunAt));

        Answer Submit(string client, AnswerPriority priority, int token) =>
            scheduler.Submit(model, new AnswerRequest([1, token]) { Options = Greedy(3), Client = client, Priority = priority });
    }

    [Fact]
    public async Task Who_is_listened_to_need_not_wait_for_those_who_read()
    {
        using LanguageModel model = Open(contexts: 2);
        using ManualResetEventSlim isHere = new();
        int passes = 0;
        using var scheduler = new Scheduler(new SchedulerOptions { Parallel = 1 })
        {
            Observer = (_, _) =>
            {
                if (++passes == 2)
                    isHere.Wait();
            }
        };
        Answer read = scheduler.Submit(model, new AnswerRequest([1, 4]) { Options = Greedy(200) });
        while (scheduler.Running == 0) await Task.Delay(1);
        Answer spoken = scheduler.Submit(model, new AnswerRequest([1, 5]) { Options = Greedy(3), Priority = AnswerPriority.Voice });
        isHere.Set();
        await spoken.ReadToEndAsync();
        await read.ReadToEndAsync();
        Assert.True(spoken.BegunAt < read.BegunAt + read.Statistics.TimeToFirstToken + read.Statistics.DecodeTime);
    }

    [Fact]
    public async Task An_answer_ends_when_its_caller_goes_and_leaves_others_alone()
    {
        using LanguageModel model = Open(contexts: 2);
        using var scheduler = new Scheduler();
        using var gone = new CancellationTokenSource();
        var other = new AnswerRequest([1, 5]) { Options = Greedy(60) };
        Answer cut = scheduler.Submit(model, new AnswerRequest([1, 4]) { Options = Endless }, gone.Token),
            stays = scheduler.Submit(model, other);
        await cut.HasBegunAsync(TimeSpan.FromMinutes(1));
        await gone.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => cut.ReadToEndAsync());
        await stays.ReadToEndAsync();
        Assert.Equal(Alone(model, other), stays.Tokens);
        while (scheduler.Running > 0) await Task.Delay(1);
    }

    [Fact]
    public async Task The_time_limit_ends_an_answer_with_its_text_and_sends_those_away_that_wait()
    {
        using LanguageModel model = Open();
        using ManualResetEventSlim isOver = new(); // the time of the one that waits: until then no second pass begins
        using var scheduler = new Scheduler(new SchedulerOptions { Parallel = 1, TimeLimit = TimeSpan.FromSeconds(2) })
        {
            Observer = (_, _) => isOver.Wait(TimeSpan.FromMinutes(1))
        };
        Answer running = scheduler.Submit(model, new AnswerRequest([1]) { Options = Endless });
        while (scheduler.Running == 0) await Task.Delay(1);
        Answer waiting = scheduler.Submit(model, new AnswerRequest([1]) { Options = Endless });
        await Assert.ThrowsAsync<SchedulerBusyException>(() => waiting.ReadToEndAsync());
        isOver.Set();
        await running.ReadToEndAsync();
        Assert.Equal(FinishReason.TimeLimit, running.Statistics.FinishReason);
        Assert.True(running.Statistics.WasCutShort);
    }

    [Fact]
    public async Task What_fails_one_answer_of_a_pass_leaves_the_others_alone()
    {
        using LanguageModel model = Open(contexts: 3);
        var failures = new List<Exception>();
        using var scheduler = new Scheduler(new SchedulerOptions { Failed = failures.Add });
        GenerationOptions banned = Greedy(20) with
        {
            Sampling = SamplingOptions.Greedy with
            {
                LogitBias =
                Enumerable.Range(0, 512).ToDictionary(id => id, _ => float.NegativeInfinity)
            },
        };
        AnswerRequest[] well = [new([1, 5]) { Options = Greedy(40) }, new([1, 6]) { Options = Greedy(40) }];
        Answer[] answers = [scheduler.Submit(model, well[0]), scheduler.Submit(model, new AnswerRequest([1, 4]) { Options = banned }),
            scheduler.Submit(model, well[1])];
        await Assert.ThrowsAnyAsync<Exception>(() => answers[1].ReadToEndAsync());
        await answers[0].ReadToEndAsync();
        await answers[2].ReadToEndAsync();
        Assert.Equal([.. well.Select(request => Alone(model, request))], [answers[0].Tokens, answers[2].Tokens]);
        Assert.Single(failures);
    }

    [Fact]
    public async Task Answers_run_together_only_where_the_plan_has_memory_for_them()
    {
        using LanguageModel model = Open(contexts: 1, context: 512);
        int most = 0;
        using var scheduler = new Scheduler { Observer = (answers, _) => most = Math.Max(most, answers) };
        foreach ((int tokens, int together) in new[] { (400, 1), (100, 2) })
        {
            most = 0;
            Answer[] answers = [.. Enumerable.Range(0, 2)
                .Select(i => scheduler.Submit(model, new AnswerRequest([1, 4 + i]) { Options = Endless with { MaxTokens = tokens } }))];
            foreach (Answer answer in answers) await answer.ReadToEndAsync();
            Assert.Equal(together, most);
        }
        Assert.Throws<ContextFullException>(() => scheduler.Submit(model, new AnswerRequest(new int[513])));
    }

    [Theory]
    [InlineData(0, "", 4)]
    [InlineData(1, "", 4)] // looked up, or by a draft model
    [InlineData(3, "", 1)]
    [InlineData(1, "pattern", 4)] // with masks, and forced text
    [InlineData(0, "schema", 4)]
    [InlineData(2, "schema", 2)]
    public async Task A_token_allocates_nothing_on_the_managed_heap(int draftTokens, string form, int count)
    {
        using LanguageModel model = Open(contexts: 4, context: 512, drafts: draftTokens > 0);
        long[] allocated = new long[2000];
        int passes = 0, together = 0;
        using var scheduler = new Scheduler
        {
            Observer = (answers, prompt) =>
            {
                together = Math.Max(together, answers);
                if (prompt == 0 && passes < allocated.Length) allocated[passes++] = GC.GetAllocatedBytesForCurrentThread();
            },
        };
        GenerationOptions options = Endless with
        {
            StopStrings = ["no such text"],
            StopsLoops = true,
            Speculates = draftTokens > 0,
            DraftTokens = draftTokens > 0 ? draftTokens : null,
            Constraint = form switch
            {
                "pattern" => OutputConstraint.Regex("(a|b|c[0-9]d|and so on|it goes, )*"),
                "schema" => OutputConstraint.JsonSchema("""
                    {"type":"array","minItems":40,"items":{"type":"object","properties":{"name":{"type":"string","maxLength":9},"age":{"type":"integer"},"tags":{"type":"array","items":{"enum":["a","be"]}}},
                    "required":["age"],"additionalProperties":false}}
                    """),
                _ => null,
            },
            Sampling = new SamplingOptions { Seed = 5, Temperature = 1.2f, RepeatPenalty = 1.1f, TypicalP = 0.99f, DryMultiplier = 0.5f },
        };
        Answer[] answers = [.. Enumerable.Range(0, count)
            .Select(i => scheduler.Submit(model, new AnswerRequest([1, 4 + i]) { Options = options with { MaxTokens = 480 } }))];
        // a reader would make the runtime's own pool of threads allocate now and then
        while (answers.Any(answer => !answer.HasEnded)) await Task.Delay(5);
        Assert.Equal(count, together);
        Assert.True(passes > 100, $"{passes} passes");
        if (draftTokens > 0) Assert.All(answers, answer => Assert.True(answer.Statistics.AcceptedTokens > 0));
        // The first tokens fill buffers, and the last ones end answers.
        long[] steps = [.. Enumerable.Range(passes / 2, passes / 3).Select(i => allocated[i + 1] - allocated[i])];
        Assert.True(steps.All(bytes => bytes == 0), $"bytes of the steps: {string.Join(' ', steps)}");
        foreach (Answer answer in answers) Assert.NotEmpty(await answer.ReadToEndAsync());
    }

    [Fact]
    public async Task A_stop_cuts_off_what_runs_and_sends_away_what_waits()
    {
        using LanguageModel model = Open();
        using var scheduler = new Scheduler(new SchedulerOptions { Parallel = 1 });
        Answer running = scheduler.Submit(model, new AnswerRequest([1]) { Options = Endless }),
            waiting = scheduler.Submit(model, new AnswerRequest([1]) { Options = Endless });
        await running.HasBegunAsync(TimeSpan.FromMinutes(1));
        await scheduler.StopAsync(TimeSpan.Zero);
        await Assert.ThrowsAsync<SchedulerBusyException>(() => waiting.ReadToEndAsync());
        Assert.Throws<SchedulerBusyException>(() => scheduler.Submit(model, new AnswerRequest([1])));
    }

    /// <summary>A request that is another for every number.</summary>
    internal static AnswerRequest Mixed(LanguageModel model, int number)
    {
        var random = new Random(number);
        return new AnswerRequest(Tokens(model, number, random.Next(1, 90)))
        {
            Client = $"client {number % 3}",
            Priority = (AnswerPriority)random.Next(3),
            Options = new GenerationOptions
            {
                MaxTokens = random.Next(1, 60),
                Sampling = number % 3 == 0 ? SamplingOptions.Greedy
                    : new SamplingOptions { Seed = (ulong)number, Temperature = 0.5f + (float)random.NextDouble(), RepeatPenalty = 1.1f },
            },
        };
    }

    /// <summary>An answer of a sequence of its own.</summary>
    internal static int[] Alone(LanguageModel model, AnswerRequest request)
    {
        using var cache = new SequenceCache(model);
        var sequence = new Sequence(cache, request.Options);
        sequence.Begin(request.Prompt);
        while (sequence.Next(CancellationToken.None) is not null) { }
        return [.. sequence.Tokens];
    }

    private static string Smol => SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf");

    private static GenerationOptions Greedy(int tokens) => Endless with { MaxTokens = tokens };

    private static int[] Tokens(LanguageModel model, int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(3, model.Info.VocabularySize))];
    }

    private static LanguageModel Open(int contexts = 1, int context = 256, int chunk = 256, bool drafts = false)
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        return LanguageModel.Load(path,
            new ModelOptions
            {
                Threads = 2,
                ContextLength = context,
                Contexts = contexts,
                PrefillChunk = chunk,
                DraftModel = drafts ? path : null
            });
    }
}
