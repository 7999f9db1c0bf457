using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Fleet;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Fleet;

/// <summary>Tools in a job: the worker holds the answer to the calls that the gateway's own engine would hold it to.</summary>
public sealed class FleetToolTests : IDisposable
{
    private const string Thinks =
        "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}<think></think>{% if tools %}<tool_call>{{ tools }}{% endif %}";

    private static readonly string Id = new('a', 32), Model = new('b', 64);

    private readonly LanguageModel _model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"),
        new ModelOptions { Threads = 2, ContextLength = 512, ChatTemplate = NamedTemplates.Find("chatml") });

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task A_required_call_is_the_same_on_a_worker()
    {
        var format = new ChatFormat(_model);
        ToolCalling calling = ToolCalling.Create(format, [Tool("light"), new("ring")], ToolChoice.Required);
        List<int> prompt = format.Encode(new ChatRequest { Messages = [new("user", "Hi")], Tools = calling.Definitions });
        for (ulong seed = 0; seed < 3; seed++)
        {
            GenerationOptions options = calling.Apply(
                new GenerationOptions { MaxTokens = 200, Sampling = new SamplingOptions { Seed = seed } }, prompt);
            AnswerRequest read = Sent(prompt, options);
            string alone = await AnswerAsync(prompt, options), onWorker = await AnswerAsync(read.Prompt, read.Options);
            Assert.Equal(alone, onWorker);
            AnswerParser parser = calling.CreateParser(prompt);
            parser.Add(onWorker);
            parser.End();
            Assert.NotEmpty(parser.Calls);
        }
    }

    [Fact]
    public void A_call_that_the_model_decides_on_is_watched_for_by_the_worker()
    {
        var format = new ChatFormat(_model, Thinks);
        ToolCalling calling = ToolCalling.Create(format, [Tool("light"), new("ring")], ToolChoice.Auto);
        List<int> prompt = format.Encode(new ChatRequest { Messages = [new("user", "Hi")], Tools = calling.Definitions });
        LateConstraint late =
            calling.Apply(new GenerationOptions { Sampling = new SamplingOptions { Seed = 1 } }, prompt).LateConstraint!,
            read = Sent(prompt, calling.Apply(new GenerationOptions { Sampling = new SamplingOptions { Seed = 1 } }, prompt))
                .Options.LateConstraint!;
        Assert.NotNull(late.Thinking);
        Assert.Equal((late.Format, late.Thinking, late.PromptEnd, string.Join(' ', late.Names)),
            (read.Format, read.Thinking, read.PromptEnd, string.Join(' ', read.Names)));
        foreach (string text in new[] { "<think>a <tool_call></think> b", "a <tool_call>\n{", "a <tool" })
            Assert.Equal(late.CreateTrigger().Add(text), read.CreateTrigger().Add(text));
        Assert.True(read.Constraint.Accepts("<tool_call>\n{\"name\": \"light\", \"arguments\": {\"on\": true}}\n</tool_call>"));
        Assert.False(read.Constraint.Accepts("<tool_call>\n{\"name\": \"light\", \"arguments\": {\"on\": 1}}\n</tool_call>"));
        Assert.False(read.Constraint.Accepts("<tool_call>\n{\"name\": \"bell\", \"arguments\": {}}\n</tool_call>"));
    }

    /// <summary>A model that thinks has markup in its answers, whether it has tools or not.</summary>
    [Fact]
    public void Thoughts_without_tools_are_sent_too()
    {
        var options = new GenerationOptions { Sampling = new SamplingOptions { Seed = 1 }, VisibleTokens = [3, 4] };
        Assert.Equal([3, 4], Sent([1], options).Options.VisibleTokens);
    }

    [Fact]
    public void Calls_that_a_request_could_not_ask_for_are_refused_by_the_worker()
    {
        var format = new ChatFormat(_model, Thinks);
        ToolCalling calling = ToolCalling.Create(format, [Tool("light")], ToolChoice.Auto);
        GenerationOptions options = calling.Apply(new GenerationOptions { Sampling = new SamplingOptions { Seed = 1 } }, [1, 2]);
        var job = FleetJob.Of(Id, Model, new AnswerRequest([1, 2]) { Options = options });
        Assert.NotNull(job.ConstraintBegins);
        job.ToRequest(512);
        FleetTrigger begins = job.ConstraintBegins!;
        foreach (FleetJob wrong in new[]
        {
            job with { ConstraintText = "{}" }, job with { ConstraintText = null }, job with { ConstraintKind = null },
            job with { ConstraintKind = "regex", ConstraintText = "a" }, job with { ConstraintKind = "king" },
            job with { ConstraintBegins = begins with { Thinking = "" } }, job with { ConstraintBegins = begins with { Thinking = "<king>" } },
            job with { ConstraintBegins = new FleetTrigger(null!) }, job with { ConstraintBegins = new FleetTrigger(new string('x', 70_000)) },
            job with { VisibleTokens = [512] }, job with { VisibleTokens = [-1] }, job with { VisibleTokens = null! },
            job with { VisibleTokens = new int[257] },
            job with { ConstraintText = job.ConstraintText!.Replace("boolean", "king", StringComparison.Ordinal) },
            job with { ConstraintText = job.ConstraintText!.Replace("hermes", "king", StringComparison.Ordinal) },
        })
            Assert.Throws<FormatException>(() => wrong.ToRequest(512));
    }

    /// <summary>A request as a worker reads it out of the broker's bytes.</summary>
    private static AnswerRequest Sent(IReadOnlyList<int> prompt, GenerationOptions options)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(FleetJob.Of(Id, Model, new AnswerRequest(prompt) { Options = options }),
            FleetJson.Default.FleetJob);
        return FleetJson.Read(json, FleetJson.Default.FleetJob).ToRequest(vocabulary: 512);
    }

    private async Task<string> AnswerAsync(IReadOnlyList<int> prompt, GenerationOptions options)
    {
        var text = new System.Text.StringBuilder();
        using var generator = new TextGenerator(_model);
        await foreach (string piece in generator.GenerateAsync([.. prompt], options)) text.Append(piece);
        return text.ToString();
    }

    private static ToolDefinition Tool(string name) => new(name)
    {
        Parameters = JsonDocument.Parse(
            """{"type":"object","properties":{"on":{"type":"boolean"}},"required":["on"],"additionalProperties":false}""").RootElement,
    };
}
