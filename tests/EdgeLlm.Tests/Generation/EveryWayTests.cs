using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Generation;

/// <summary>
/// Random requests of several models, lengths, temperatures and forms give the same token ids alone, with neighbours, with a warm cache,
/// after a restart from disk, and with each kind of speculation. EDGELLM_REQUESTS is how many (tools/test-answers: 300).
/// </summary>
public sealed class EveryWayTests : IDisposable
{
    private static readonly string[] Names = ["stories", "llama", "gemma3", "lfm2", "qwen3-5"];

    private static readonly OutputConstraint[] Forms =
    [
        OutputConstraint.JsonSchema(
            """{"type":"object","properties":{"room":{"enum":["hall","kitchen"]},"lights_are_on":{"type":"boolean"}},"required":["room","lights_are_on"],"additionalProperties":false}"""),
        OutputConstraint.JsonSchema("""{"type":"array","items":{"type":"integer","minimum":0,"maximum":99},"maxItems":5}"""),
        OutputConstraint.Regex("(yes|no), because [a-z ]{1,20}"),
        OutputConstraint.AnyJson,
    ];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Mixed_requests_give_the_same_tokens_every_way()
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("EDGELLM_REQUESTS"), out int asked) ? asked : 30;
        int drafted = 0, accepted = 0;
        for (int name = 0; name < Names.Length; name++)
        {
            AnswerRequest[] requests;
            int[][] alone;
            using (LanguageModel model = Open(Names[name], draft: false, prefixes: false))
            {
                requests = [.. Enumerable.Range(0, count).Where(i => i % Names.Length == name).Select(i => Request(model, i))];
                alone =
                    [.. requests.Select(request =>
                        SchedulerTests.Alone(model, request with { Options = request.Options with { Speculates = false } }))];
                await CheckAsync(model, "with neighbours", options => options with { Speculates = false });
                await CheckAsync(model, "with drafts where they pay", options => options);
                for (int tokens = 1; tokens <= 7; tokens += 3)
                    await CheckAsync(model, $"with drafts of {tokens}", options => options with { DraftTokens = tokens });
                foreach ((AnswerRequest request, int[] expected) in requests.Zip(alone))
                    Assert.Equal(expected,
                        SchedulerTests.Alone(model, request with { Options = request.Options with { DraftTokens = 5 } }));
            }
            using (LanguageModel model = Open(Names[name], draft: true, prefixes: false))
            {
                await CheckAsync(model, "with a draft model", options => options with { DraftTokens = 2 });
                await CheckAsync(model, "with a draft model where it pays", options => options);
            }
            for (int start = 0; start < 2; start++)
            {
                using LanguageModel model = Open(Names[name], draft: false, prefixes: true);
                using PrefixFolder folder = PrefixFolder.Open(_folder.PathOf("cache"), PrefixDisk.Conversations, 1 << 30, _ => { })!;
                folder.Add(model, PrefixFolder.KeyOf(model));
                long cached = await CheckAsync(model, start == 0 ? "with an empty cache" : "after a restart",
                    options => options with { Instructions = 40 });
                if (start > 0) Assert.True(cached > 0, "nothing of the disk was used");
                Assert.True(await CheckAsync(model, "with a warm cache", options => options with { DraftTokens = 3 }) > 0);
            }

            async Task<long> CheckAsync(LanguageModel model, string way, Func<GenerationOptions, GenerationOptions> change)
            {
                using var scheduler = new Scheduler(new SchedulerOptions { Queue = requests.Length, Parallel = 8 });
                Answer[] answers =
                    [.. requests.Select(request => scheduler.Submit(model, request with { Options = change(request.Options) }))];
                foreach (Answer answer in answers) await answer.ReadToEndAsync();
                for (int i = 0; i < answers.Length; i++)
                    Assert.True(alone[i].AsSpan().SequenceEqual([.. answers[i].Tokens]),
                        $"{Names[name]}, request {i}, {way}: {string.Join(' ', answers[i].Tokens)} is not {string.Join(' ', alone[i])}");
                drafted += answers.Sum(answer => answer.Statistics.DraftedTokens);
                accepted += answers.Sum(answer => answer.Statistics.AcceptedTokens);
                return answers.Sum(answer => (long)answer.Statistics.CachedTokens);
            }
        }
        Assert.InRange(accepted, drafted / 20, drafted);
        TestContext.Current.TestOutputHelper?.WriteLine($"{count} requests; {drafted} tokens were guessed, {accepted} of them right");
    }

    private static AnswerRequest Request(LanguageModel model, int number)
    {
        var random = new Random(number);
        // Beginnings that several share, and words that come again.
        int[] shared = [.. Enumerable.Range(0, 110).Select(k => 3 + k * (11 + number % 3) % 490)],
            words = [.. Enumerable.Range(0, 12).Select(_ => random.Next(3, 490))];
        bool hasForm = model.Path.Contains("stories", StringComparison.Ordinal) && random.Next(2) == 0;
        return new AnswerRequest([.. shared[..random.Next(1, 110)], .. words, .. words[..random.Next(words.Length)]])
        {
            Client = $"client {number % 3}",
            Priority = (AnswerPriority)random.Next(3),
            Options = new GenerationOptions
            {
                MaxTokens = random.Next(hasForm ? 60 : 1, 90),
                Sampling = random.Next(3) == 0 ? SamplingOptions.Greedy : new SamplingOptions
                {
                    Seed = (ulong)number,
                    Temperature = 0.3f + 1.2f * random.NextSingle(),
                    RepeatPenalty = random.Next(2) == 0 ? 1 : 1.1f
                },
                Constraint = hasForm ? Forms[random.Next(Forms.Length)] : null,
                StopStrings = random.Next(4) == 0 ? ["e t"] : [],
            },
        };
    }

    private static LanguageModel Open(string name, bool draft, bool prefixes)
    {
        string path = name == "stories" ? SharedFolder.Require("models", "stories260K.f32.gguf")
            : SharedFolder.Require("golden", "logits", name, "model.gguf");
        return LanguageModel.Load(path, new ModelOptions
        {
            Threads = 2,
            ContextLength = 256,
            Contexts = 9,
            PrefillChunk = 32,
            DraftModel = draft ? path : null,
            PrefixBytes = prefixes ? 32_000_000 : 0,
        });
    }
}
