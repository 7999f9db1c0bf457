using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Fleet;
using EdgeLlm.Server.Http;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Fleet;

public sealed class GatewayTests : IDisposable
{
    private static readonly FleetEnd End = new("w") { Tokens = [1, 2], PromptTokens = 3, Reason = nameof(FinishReason.EndOfText) };

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Fact]
    public async Task Pieces_that_come_again_are_passed_on_once_however_they_are_cut()
    {
        using LanguageModel model = Load();
        var job = new GatewayJob("j");
        Answer answer = NewAnswer(model);
        job.Attach(answer);
        Assert.True(job.Take(new FleetReply("j", 0, "Once ")));
        Assert.True(job.Take(new FleetReply("j", 5, "upon")));
        Assert.True(job.Take(new FleetReply("j", 0, "Once upo"))); // another worker, from the beginning
        Assert.True(job.Take(new FleetReply("j", 8, "n a")));
        Assert.True(job.Take(new FleetReply("j", 20, "time"))); // some were lost with the broker
        Answer late = NewAnswer(model);
        job.Attach(late);
        Assert.True(job.Take(new FleetReply("j", 0, "Once upon a time") { End = End }));
        job.End(End);
        Assert.Equal("Once upon a time", await answer.ReadToEndAsync());
        Assert.Equal("Once upon a time", await late.ReadToEndAsync());
        Answer after = NewAnswer(model);
        job.Attach(after);
        Assert.Equal("Once upon a time", await after.ReadToEndAsync());
        Assert.Equal((3, 2, FinishReason.EndOfText),
            (answer.Statistics.PromptTokens, answer.Statistics.GeneratedTokens, answer.Statistics.FinishReason));
    }

    [Fact]
    public async Task A_worker_that_gives_another_text_is_found_out_and_one_that_fails_is_told()
    {
        using LanguageModel model = Load();
        var job = new GatewayJob("j");
        Assert.True(job.Take(new FleetReply("j", 0, "Once upon")));
        Assert.False(job.Take(new FleetReply("j", 5, "uxon a")));
        Assert.False(job.Take(new FleetReply("j", 0, "Once") { End = End })); // shorter than what was sent
        Answer answer = NewAnswer(model);
        job.Attach(answer);
        job.End(End with { Error = "no worker could" });
        await Assert.ThrowsAsync<ApiException>(answer.ReadToEndAsync);
    }

    [Fact]
    public async Task Probabilities_come_once_each_with_the_text_of_their_tokens()
    {
        using LanguageModel model = Load();
        var job = new GatewayJob("j");
        Answer answer = NewAnswer(model);
        job.Attach(answer);
        Assert.True(job.Take(new FleetReply("j", 0, "Once") { Probabilities = [Probability(7), Probability(8)] }));
        Assert.True(job.Take(new FleetReply("j", 0, "Once upon") { Probabilities = [Probability(7), Probability(8), Probability(9)] }));
        Assert.True(job.Take(new FleetReply("j", 20, "time") { At = 9, Probabilities = [Probability(5)] })); // some were lost with the broker
        Assert.False(job.Take(new FleetReply("j", 4, " upon") { At = 2, Probabilities = [Probability(8)] })); // another worker disagrees
        FleetProbability[] all = [Probability(7), Probability(8), Probability(9), Probability(10)];
        Assert.True(job.Take(new FleetReply("j", 0, "Once upon a") { End = End, Probabilities = all }));
        job.End(End);
        Answer late = NewAnswer(model);
        job.Attach(late);
        foreach (Answer one in new[] { answer, late })
        {
            var tokens = new List<int>();
            await foreach (AnswerPiece piece in one.ReadPiecesAsync()) tokens.AddRange(piece.Tokens.Select(token => token.Token));
            Assert.Equal([7, 8, 9, 10], tokens);
        }
    }

    [Fact]
    public void Probabilities_that_are_not_of_the_model_are_refused()
    {
        FleetProbability.Validate([Probability(99)], vocabulary: 100);
        foreach (FleetProbability wrong in new[]
        {
            null!, Probability(100), Probability(-1), Probability(7) with { Log = float.NaN }, Probability(7) with { Logs = [-1] },
            Probability(7) with { Likeliest = null! }, Probability(7) with { Logs = null! }, Probability(7) with { Likeliest = [1, 100] },
            new FleetProbability(7, -1, new int[101], new float[101]),
        })
            Assert.Throws<FormatException>(() => FleetProbability.Validate([wrong], vocabulary: 100));
    }

    [Fact]
    public void Answers_by_key_survive_a_restart_for_ten_minutes()
    {
        var log = new ServerLog(TextWriter.Null, forJournal: false);
        var time = new Clock();
        string key = new('c', 64), pending = new('d', 64);
        var store = new AnswerStore(_folder, log, time);
        StoredAnswer first = store.FindOrAdd(key, () => new StoredAnswer(key, "1", "print", 5, time.Now));
        store.FindOrAdd(pending, () => new StoredAnswer(pending, "2", "print", 6, time.Now));
        store.Finish(key, "text", [Probability(7)], End);
        foreach (string file in Directory.GetFiles(_folder))
        {
            if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
        File.WriteAllText(Path.Combine(_folder, "damaged.json"), "{");
        time.Now += TimeSpan.FromMinutes(9);
        var again = new AnswerStore(_folder, log, time);
        Assert.Equal("2", Assert.Single(again.Pending).Id);
        StoredAnswer known = again.FindOrAdd(key, () => throw new InvalidOperationException());
        Assert.Equal((first.Id, 5UL, "text", 2), (known.Id, known.Seed, known.Text, known.End!.Tokens.Length));
        Assert.True(Probability(7).IsAs(Assert.Single(known.Probabilities)));
        time.Now += TimeSpan.FromMinutes(2);
        Assert.Equal("new", again.FindOrAdd(key, () => new StoredAnswer(key, "new", "print", 5, time.Now)).Id);
    }

    [Fact]
    public void A_session_goes_where_its_prefix_is()
    {
        var affinity = new PrefixAffinity();
        int[] conversation = [.. Enumerable.Range(0, 200)], other = [.. Enumerable.Range(1000, 200)];
        affinity.Add("anna", conversation[..130], "w1");
        Assert.Equal("w1", affinity.Find("anna", conversation));
        Assert.Null(affinity.Find("anna", conversation[..60])); // too little to be worth it
        Assert.Null(affinity.Find("anna", other));
        Assert.Null(affinity.Find("berta", conversation)); // another key's prefixes are not used
        affinity.Add("anna", conversation, "w2");
        Assert.Equal("w2", affinity.Find("anna", conversation));
        for (int i = 0; i < 20_000; i++) affinity.Add("x", Enumerable.Range(i * 64, 64), "w3"); // bounded
        Assert.Null(affinity.Find("anna", conversation));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static FleetProbability Probability(int token) => new(token, -1.5f, [token, 3], [-1.5f, float.NegativeInfinity]);

    private static LanguageModel Load() =>
        LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"), new ModelOptions { Threads = 1 });

    private static Answer NewAnswer(LanguageModel model) =>
        new(model, new AnswerRequest([1, 2, 3]), TimeSpan.Zero, CancellationToken.None, CancellationToken.None);

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UtcNow;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
