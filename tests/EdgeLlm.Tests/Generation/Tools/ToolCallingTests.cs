using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Generation.Tools;

public sealed class ToolCallingTests : IDisposable
{
    private const string Light =
        """{"type":"object","properties":{"room":{"enum":["kitchen","hall"]},"level":{"type":"integer","minimum":0,"maximum":9}},"required":["room","level"],"additionalProperties":false}""";

    private readonly LanguageModel _model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"),
        new ModelOptions { Threads = 2, ContextLength = 512, ChatTemplate = NamedTemplates.Find("chatml") });
    private readonly ChatFormat _format;

    public ToolCallingTests() => _format = new ChatFormat(_model);

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task A_required_call_always_comes_and_its_arguments_fit_the_schema()
    {
        ToolDefinition[] tools = [Tool("light", Light), new("ring"),
            Tool("say", """{"type":"object","properties":{"text":{"type":"string","maxLength":20}},"required":["text"]}""")];
        for (ulong seed = 0; seed < 6; seed++)
        {
            ToolCalling calling = ToolCalling.Create(_format, tools, ToolChoice.Required);
            AnswerParser answer = await AnswerAsync(calling, seed, 200);
            Assert.NotEmpty(answer.Calls);
            Assert.All(answer.Calls, call => Assert.Null(calling.Check(call)));
        }
    }

    [Fact]
    public async Task A_named_tool_is_called_once()
    {
        ToolCalling calling = ToolCalling.Create(_format, [new("ring"), Tool("light", Light)], ToolChoice.Named("light"));
        ChatToolCall call = Assert.Single((await AnswerAsync(calling, 1, 100)).Calls);
        Assert.Equal("light", call.Name);
        Assert.Null(calling.Check(call));
    }

    [Fact]
    public async Task A_custom_tool_s_text_has_its_grammar()
    {
        foreach (ToolDefinition tool in (ToolDefinition[])[
            new("sum") { IsCustom = true, Regex = "[1-9] \\+ [1-9]" },
            new("sum") { IsCustom = true, Lark = "start: /[1-9]/ \" + \" /[1-9]/" },
            new("sum") { IsCustom = true, Lark = "start: \"a\\\"b\"" }])
        {
            ToolCalling calling = ToolCalling.Create(_format, [tool], ToolChoice.Required, parallel: false);
            ChatToolCall call = Assert.Single((await AnswerAsync(calling, 3, 60)).Calls);
            Assert.Matches("^(?:[1-9] \\+ [1-9]|a\"b)$", JsonDocument.Parse(call.Arguments).RootElement.GetProperty("input").GetString());
        }
    }

    [Fact]
    public async Task Where_the_model_decides_a_call_is_held_to_its_form_from_where_it_begins()
    {
        // A model that says "Once upon a time": let calls begin with " time".
        var options = new GenerationOptions
        {
            MaxTokens = 60,
            Sampling = new SamplingOptions { Temperature = 0 },
            LateConstraint = new LateConstraint(OutputConstraint.Regex(" time: [0-9]{4}"),
                new ToolFormat("test") { Triggers = [" time"] }, [], null, ""),
        };
        using var generator = new TextGenerator(_model);
        string text =
            string.Concat(await generator.GenerateAsync(_model.Tokenizer.Encode("", addSpecial: true), options,
                TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken));
        Assert.Matches("^.* time: [0-9]{4}$", text);
        Assert.Equal(FinishReason.EndOfText, generator.Statistics.FinishReason);
    }

    [Fact]
    public async Task Without_a_call_an_answer_is_as_it_is_without_tools()
    {
        ToolCalling calling = ToolCalling.Create(_format, [Tool("light", Light)], ToolChoice.Auto);
        List<int> prompt = _format.Encode(new ChatRequest { Messages = [new("user", "Tell me a story.")] });
        var greedy = new GenerationOptions { MaxTokens = 40, Sampling = new SamplingOptions { Temperature = 0 } };
        using var generator = new TextGenerator(_model);
        string plain = string.Concat(await generator.GenerateAsync(prompt, greedy, TestContext.Current.CancellationToken)
            .ToListAsync(TestContext.Current.CancellationToken));
        string withTools =
            string.Concat(await generator.GenerateAsync(prompt, calling.Apply(greedy, prompt), TestContext.Current.CancellationToken)
                .ToListAsync(TestContext.Current.CancellationToken));
        Assert.Equal(plain, withTools);
    }

    [Fact]
    public void A_keyword_that_can_t_be_kept_to_is_loosened_and_told_unless_the_tool_is_strict()
    {
        ToolDefinition tool =
            Tool("light", """{"type":"object","properties":{"room":{"type":"string","not":{"const":"hall"}}},"required":["room"]}""");
        ToolCalling calling = ToolCalling.Create(_format, [tool], ToolChoice.Auto);
        Assert.Contains("#/properties/room/not", Assert.Single(calling.Warnings), StringComparison.Ordinal);
        Assert.NotNull(calling.Check(new ChatToolCall("1", "light", """{"room":"hall"}""")));
        Assert.Null(calling.Check(new ChatToolCall("1", "light", """{"room":"kitchen"}""")));
        ToolException exception =
            Assert.Throws<ToolException>(() => ToolCalling.Create(_format, [tool with { IsStrict = true }], ToolChoice.Auto));
        Assert.StartsWith("tools[0].parameters can't be kept to, as strict asks: schema #/properties/room/not", exception.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a b", "{}", "tools[0].name")]
    [InlineData("", "{}", "tools[0].name")]
    [InlineData("a", "[]", "tools[0].parameters")]
    [InlineData("a", """{"type":"string"}""", "tools[0].parameters")]
    public void A_wrong_tool_is_named(string name, string schema, string place) =>
        Assert.Equal(place, Assert.Throws<ToolException>(() => ToolCalling.Create(_format, [Tool(name, schema)], ToolChoice.Auto)).Place);

    [Fact]
    public void Tools_that_are_not_there_are_told()
    {
        Assert.Equal("tool_choice", Assert.Throws<ToolException>(() => ToolCalling.Create(_format, [], ToolChoice.Required)).Place);
        Assert.Equal("tool_choice",
            Assert.Throws<ToolException>(() => ToolCalling.Create(_format, [new("a")], ToolChoice.Named("b"))).Place);
        Assert.Equal("tools[1].name",
            Assert.Throws<ToolException>(() => ToolCalling.Create(_format, [new("a"), new("a")], ToolChoice.Auto)).Place);
    }

    [Fact]
    public void Hostile_schemas_are_loosened_or_refused_in_time()
    {
        string deep = string.Concat(Enumerable.Repeat("{\"type\":\"object\",\"properties\":{\"a\":", 60)) + "{}"
            + string.Concat(Enumerable.Repeat("}}", 60));
        string wide = "{\"type\":\"object\",\"properties\":{"
            + string.Join(',', Enumerable.Range(0, 3000).Select(i => $"\"p{i}\":{{\"type\":\"string\",\"maxLength\":{i + 1}}}")) + "}}";
        string many = "{\"type\":\"object\",\"properties\":{"
            + string.Join(',', Enumerable.Range(0, 40).Select(i => $"\"p{i}\":{{\"not\":{{}},\"if\":{{}}}}")) + "}}";
        string self = """{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"https://example.org/x"}}}""";
        foreach (string schema in (string[])[deep, wide, many, self, """{"type":"object","properties":7}""",
            """{"type":"object","$ref":"#/nowhere"}"""])
        {
            try
            {
                ToolCalling.Create(_format, [Tool("light", schema)], ToolChoice.Required);
            }
            catch (ToolException exception)
            {
                Assert.DoesNotContain('\n', exception.Message);
            }
        }
    }

    private static ToolDefinition Tool(string name, string schema) =>
        new(name) { Parameters = JsonDocument.Parse(schema, new JsonDocumentOptions { MaxDepth = 200 }).RootElement };

    private async Task<AnswerParser> AnswerAsync(ToolCalling calling, ulong seed, int maxTokens)
    {
        List<int> prompt = _format.Encode(new ChatRequest { Messages = [new("user", "Hi")] });
        GenerationOptions options =
            calling.Apply(new GenerationOptions
            {
                MaxTokens = maxTokens,
                Sampling = new SamplingOptions { Temperature = 1.2f, Seed = seed }
            }, prompt);
        AnswerParser parser = calling.CreateParser(prompt);
        using var generator = new TextGenerator(_model);
        await foreach (string piece in generator.GenerateAsync(prompt, options)) parser.Add(piece);
        parser.End();
        return parser;
    }
}
