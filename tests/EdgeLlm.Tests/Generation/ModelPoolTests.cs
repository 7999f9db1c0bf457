using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Generation;

/// <summary>Several models in one process: who is open, who is closed for whom, and that nobody's answer suffers.</summary>
public sealed class ModelPoolTests : IDisposable
{
    private static readonly GenerationOptions Greedy = new() { MaxTokens = 40, IgnoreEndOfText = true, Sampling = SamplingOptions.Greedy };

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;
    private readonly Scheduler _scheduler = new(new SchedulerOptions { Queue = 64 });
    private readonly ManualTime _time = new();
    private readonly List<string> _closed = [];

    [Fact]
    public async Task A_model_is_opened_once_and_closed_when_nobody_used_it_for_a_while()
    {
        using ModelPool pool = Pool();
        string path = Copy("a");
        ModelLease first = await pool.UseAsync(path), second = await pool.UseAsync(path);
        Assert.Same(first.Model, second.Model);
        first.Dispose();
        _time.Advance(TimeSpan.FromHours(1));
        pool.CloseExpired();
        Assert.Null(Assert.Single(pool.Open).Expires); // in use
        second.Dispose();
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromMinutes(5), Assert.Single(pool.Open).Expires);
        _time.Advance(TimeSpan.FromMinutes(4));
        pool.CloseExpired();
        Assert.Single(pool.Open);
        _time.Advance(TimeSpan.FromMinutes(1));
        pool.CloseExpired();
        Assert.Empty(pool.Open);
        Assert.Throws<ObjectDisposedException>(() => first.Model.CreateCache());

        using (ModelLease kept = await pool.UseAsync(path)) kept.KeepFor(TimeSpan.FromSeconds(-1));
        _time.Advance(TimeSpan.FromDays(9));
        pool.CloseExpired();
        Assert.Single(pool.Open);
        using (ModelLease last = await pool.UseAsync(path)) last.KeepFor(TimeSpan.Zero);
        Assert.Empty(pool.Open);
    }

    /// <summary>They are old objects, which the collector left for long: a service that changed models kept several of them.</summary>
    [Fact]
    public async Task What_a_closed_model_left_behind_is_collected()
    {
        using ModelPool pool = Pool();
        string path = Copy("a");
        (await pool.UseAsync(path)).Dispose();
        Assert.True(pool.Close(path));
        int before = GC.CollectionCount(GC.MaxGeneration);
        pool.Tidy();
        Assert.True(GC.CollectionCount(GC.MaxGeneration) > before);
    }

    [Fact]
    public async Task A_model_that_answers_is_closed_after_its_answer()
    {
        using ModelPool pool = Pool();
        string path = Copy("a");
        Answer answer = await BeginAsync(pool, path, Greedy with { MaxTokens = 400 });
        Assert.True(pool.Close(path));
        Assert.False(pool.Close(path));
        using ModelLease anew = await pool.UseAsync(path);
        Assert.NotSame(answer.Model, anew.Model);
        await answer.ReadToEndAsync();
        Assert.Equal(SchedulerTests.Alone(anew.Model, answer.Request), answer.Tokens);
        await UntilAsync(() => Record.Exception(() => answer.Model.CreateCache()) is ObjectDisposedException);
    }

    [Fact]
    public async Task The_one_that_was_not_used_for_the_longest_time_makes_room_and_never_one_in_use()
    {
        string[] paths = [Copy("a"), Copy("b"), Copy("c"), Copy("d")];
        long one = BytesOf(paths[0]);
        using ModelPool pool = Pool(memoryLimit: one * 5 / 2);
        foreach (string path in paths.Take(2))
        {
            (await pool.UseAsync(path)).Dispose();
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        using ModelLease a = await pool.UseAsync(paths[0]);
        using ModelLease c = await pool.UseAsync(paths[2]);
        Assert.Equal([paths[1]], _closed);
        var busy = await Assert.ThrowsAsync<SchedulerBusyException>(() => pool.UseAsync(paths[3]));
        Assert.Contains("no memory for d", busy.Message);
        Task<ModelLease> waiting = pool.UseAsync(paths[3]);
        c.Dispose();
        (await waiting).Dispose();
        Assert.Equal([paths[1], paths[2]], _closed);
    }

    [Fact]
    public async Task A_model_that_was_planned_beside_one_that_is_closed_meanwhile_is_planned_again()
    {
        string a = Copy("a"), b = Copy("b");
        ModelPool? pool = null;
        using ModelPool closing = pool = Pool(memoryLimit: BytesOf(a) * 3 / 2, draftOf: path =>
        {
            if (path == b) pool!.Close(a); // the others' memory is counted by now
            return null;
        });
        (await closing.UseAsync(a)).Dispose();
        using ModelLease lease = await closing.UseAsync(b);
        Assert.Equal([a], _closed);
        Assert.Equal(b, Assert.Single(closing.Open).Path);
    }

    [Fact]
    public async Task Who_waits_for_memory_gets_it_before_those_who_come_after_for_models_that_are_open()
    {
        string[] paths = [Copy("a"), Copy("b"), Copy("c")];
        using ModelPool pool = Pool(memoryLimit: BytesOf(paths[0]) * 5 / 2, wait: TimeSpan.FromMinutes(10));
        ModelLease a = await pool.UseAsync(paths[0]);
        _time.Advance(TimeSpan.FromSeconds(1));
        using ModelLease b = await pool.UseAsync(paths[1]);
        List<Task<ModelLease>> line = [pool.UseAsync(paths[2])];
        await UntilAsync(() => IsInLine(paths[0]));
        await UntilAsync(() => IsInLine(paths[1])); // once a use has ended and was not enough
        a.Dispose();
        using (await line[0])
        {
            Assert.Equal([paths[0]], _closed);
            Assert.False(line[1].IsCompleted);
        }
        using ModelLease again = await line[1];
        (await line[2]).Dispose();
        Assert.Equal([paths[0], paths[2]], _closed);

        // One who gives up holds nothing back any more.
        using var givesUp = new CancellationTokenSource();
        line = [pool.UseAsync(paths[2], cancellationToken: givesUp.Token)];
        await UntilAsync(() => IsInLine(paths[1]));
        givesUp.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => line[0]);
        (await line[1]).Dispose();
        (await pool.UseAsync(paths[1])).Dispose();
        Assert.Equal([paths[0], paths[2]], _closed);

        bool IsInLine(string path)
        {
            Task<ModelLease> use = pool.UseAsync(path);
            if (use.IsCompletedSuccessfully) use.Result.Dispose();
            else line.Add(use);
            return !use.IsCompleted;
        }
    }

    [Fact]
    public async Task What_can_not_be_opened_says_why_and_takes_nothing_else_down()
    {
        string well = Copy("a"), damaged = Path.Combine(_folder, "b.gguf");
        File.WriteAllText(damaged, "GGUF and then nothing");
        using ModelPool pool = Pool();
        Answer answer = await BeginAsync(pool, well, Greedy);
        Assert.Contains("b.gguf", (await Assert.ThrowsAnyAsync<Exception>(() => pool.UseAsync(damaged))).Message);
        await Assert.ThrowsAsync<FileNotFoundException>(() => pool.UseAsync(Path.Combine(_folder, "c.gguf")));
        await answer.ReadToEndAsync();
        Assert.Equal(40, answer.Tokens.Count);
        using ModelPool small = Pool(memoryLimit: 1_000_000);
        Assert.False((await Assert.ThrowsAsync<ModelException>(() => small.UseAsync(well))).LacksMemory); // never fits
    }

    [Fact]
    public async Task A_file_that_is_replaced_by_renaming_is_opened_anew_and_answers_end_on_the_old_one()
    {
        using ModelPool pool = Pool();
        string path = Copy("a");
        Answer answer = await BeginAsync(pool, path, Greedy with { MaxTokens = 400 });
        File.Move(Copy("new"), path, overwrite: true);
        using ModelLease anew = await pool.UseAsync(path);
        Assert.NotSame(answer.Model, anew.Model);
        await answer.ReadToEndAsync();
        Assert.Equal(SchedulerTests.Alone(anew.Model, answer.Request), answer.Tokens);
        Assert.Single(pool.Open);
    }

    [Fact]
    public async Task A_file_that_is_written_to_ends_its_answers_with_an_error_and_is_opened_anew()
    {
        using ModelPool pool = Pool();
        string path = Copy("a"), other = Copy("b");
        Answer answer = await BeginAsync(pool, path, Greedy with { MaxTokens = 500 });
        using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) file.WriteByte((byte)'G');
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(1)); // the clock's tick may be the same
        Exception? error = await Record.ExceptionAsync(() => answer.ReadToEndAsync());
        Assert.True(error is ModelException { Problem: var problem } && problem.Contains("written to", StringComparison.Ordinal)
            || answer.Tokens.Count == 500, error?.ToString());
        await UntilAsync(() => pool.Open.Count == 0);
        Assert.Equal(40, (await DoneAsync(await BeginAsync(pool, path, Greedy))).Tokens.Count);
        Assert.Equal(40, (await DoneAsync(await BeginAsync(pool, other, Greedy))).Tokens.Count);
    }

    [Fact]
    public async Task Vectors_and_answers_are_computed_side_by_side_with_the_bits_of_each_alone()
    {
        using ModelPool pool = Pool();
        string answering = Copy("a"), embedding = Copy("b");
        string[] texts = [.. Enumerable.Range(0, 12).Select(i => $"Tom had {i} red balls.")];
        float[][] alone;
        using (TextEncoder encoder = TextEncoder.Load(embedding)) alone = encoder.Embed(texts);
        using ModelLease lease = await pool.UseAsync(embedding);
        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => BeginAsync(pool, answering, Greedy)));
        float[][] beside =
            [.. texts.Select(text => _scheduler.ComputeAsync(() => lease.Encoder.Embed([text])[0]).GetAwaiter().GetResult())];
        foreach (Answer answer in answers) await answer.ReadToEndAsync();
        Assert.Equal(alone, beside);
        using ModelLease same = await pool.UseAsync(answering);
        int[] expected = SchedulerTests.Alone(same.Model, answers[0].Request);
        Assert.All(answers, answer => Assert.Equal(expected, answer.Tokens));
    }

    [Fact]
    public async Task A_storm_of_clients_over_more_models_than_fit_gets_right_answers_and_closes_none_in_use()
    {
        string[] paths = [Copy("a"), Copy("b"), Copy("c")];
        var alone = new Dictionary<int, int[]>();
        using (LanguageModel model = LanguageModel.Load(paths[0], Options))
        {
            for (int i = 0; i < 8; i++) alone[i] = SchedulerTests.Alone(model, SchedulerTests.Mixed(model, i));
        }
        using ModelPool pool = Pool(memoryLimit: BytesOf(paths[0]) * 5 / 2, wait: TimeSpan.FromMinutes(10));
        await Task.WhenAll(Enumerable.Range(0, 16).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            for (int round = 0; round < 12; round++)
            {
                int number = random.Next(8);
                string path = paths[random.Next(3)];
                if (random.Next(8) == 0) pool.Close(path);
                using ModelLease lease = await pool.UseAsync(path);
                Answer answer = _scheduler.Submit(lease.Model, SchedulerTests.Mixed(lease.Model, number) with { Hold = lease.Again() });
                await answer.ReadToEndAsync();
                Assert.Equal(alone[number], answer.Tokens);
            }
        })));
        Assert.NotEmpty(_closed);
    }

    public void Dispose()
    {
        _scheduler.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static ModelOptions Options => new() { Threads = 2, ContextLength = 512, Contexts = 8, LeastContexts = 1 };

    private ModelPool Pool(long memoryLimit = 0, TimeSpan? wait = null, Func<string, string?>? draftOf = null) =>
        new(_scheduler, new ModelPoolOptions
        {
            Model = Options with { MemoryLimit = memoryLimit },
            MostWait = wait ?? TimeSpan.FromSeconds(0.2),
            DraftOf = draftOf,
            Closed = (path, _) =>
            {
                lock (_closed) _closed.Add(path);
            },
        }, _time);

    private string Copy(string name)
    {
        string path = Path.Combine(_folder, name + ".gguf");
        File.Copy(SharedFolder.Require("models", "stories260K.f32.gguf"), path);
        return path;
    }

    /// <summary>Bytes that a model takes with one context.</summary>
    private static long BytesOf(string path)
    {
        using LanguageModel model = LanguageModel.Load(path, Options with { Contexts = 1 });
        return model.Plan.Total;
    }

    private async Task<Answer> BeginAsync(ModelPool pool, string path, GenerationOptions options)
    {
        using ModelLease lease = await pool.UseAsync(path);
        Answer answer = _scheduler.Submit(lease.Model, new AnswerRequest([1, 4, 5]) { Options = options, Hold = lease.Again() });
        await answer.HasBegunAsync(TimeSpan.FromMinutes(1));
        return answer;
    }

    private static async Task<Answer> DoneAsync(Answer answer)
    {
        await answer.ReadToEndAsync();
        return answer;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (int i = 0; i < 6000 && !condition(); i++) await Task.Delay(10);
        Assert.True(condition());
    }

    /// <summary>A clock that the test moves; its timers never fire.</summary>
    private sealed class ManualTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(_ticks);

        public override long GetTimestamp() => _ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new Timer(callback, state, Timeout.Infinite, Timeout.Infinite);
    }
}
