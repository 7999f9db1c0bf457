using EdgeLlm.Models;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI.Tests;

/// <summary>Requests whose answer would look right and not be the one that was asked for.</summary>
public sealed class RefusalTests : IDisposable
{
    private readonly LanguageModel _model = LanguageModel.LoadDefault(new ModelOptions { ContextLength = 256, Threads = 2 });
    private readonly EdgeLlmChatClient _client;

    public RefusalTests() => _client = new EdgeLlmChatClient(_model);

    public static TheoryData<string, ChatOptions> UnsupportedOptions => new()
    {
        { "response_format",
            new ChatOptions { Tools = [AIFunctionFactory.Create((bool on) => on, "light")], ResponseFormat = ChatResponseFormat.Json } },
        { "ConversationId", new ChatOptions { ConversationId = "1" } },
        { "Tools", new ChatOptions { Tools = [new HostedWebSearchTool()] } },
    };

    [Theory]
    [MemberData(nameof(UnsupportedOptions), DisableDiscoveryEnumeration = true)]
    public async Task Options_that_are_not_done_yet_are_refused_by_name(string name, ChatOptions options)
    {
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync("Hi", options));
        Assert.StartsWith(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_structured_answer_is_JSON_of_its_schema()
    {
        ChatResponse response = await _client.GetResponseAsync("Hi",
            new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema<Dictionary<string, bool>>(), MaxOutputTokens = 40 });
        Assert.NotNull(System.Text.Json.JsonSerializer.Deserialize<Dictionary<string, bool>>(response.Text));
        response = await _client.GetResponseAsync("Hi", new ChatOptions { ResponseFormat = ChatResponseFormat.Json, MaxOutputTokens = 40 });
        using var json = System.Text.Json.JsonDocument.Parse(response.Text);
        Assert.Equal(System.Text.Json.JsonValueKind.Object, json.RootElement.ValueKind);
    }

    [Fact]
    public async Task Content_that_the_model_cannot_read_is_refused_with_its_place()
    {
        ChatMessage[] messages = [new(ChatRole.System, "Look."),
            new(ChatRole.User, [new TextContent("What is this?"), new DataContent(new byte[] { 1, 2 }, "image/png")])];
        Assert.StartsWith("messages[1] has DataContent",
            (await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync(messages))).Message, StringComparison.Ordinal);
        ChatMessage link = new(ChatRole.User, [new UriContent("https://example.org/a.png", "image/png")]);
        await Assert.ThrowsAsync<NotSupportedException>(() => _client.GetResponseAsync([link]));
    }

    [Fact]
    public async Task Another_model_an_unknown_role_and_no_messages_are_arguments()
    {
        Assert.Contains("'SmolLM2-135M-Instruct'",
            (await Assert.ThrowsAsync<ArgumentException>(() =>
                _client.GetResponseAsync("Hi", new ChatOptions { ModelId = "gpt-4" }))).Message, StringComparison.Ordinal);
        Assert.Contains("'narrator'",
            (await Assert.ThrowsAsync<ArgumentException>(() =>
                _client.GetResponseAsync([new ChatMessage(new ChatRole("narrator"), "Hi")]))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => _client.GetResponseAsync(Array.Empty<ChatMessage>()));
        await Assert.ThrowsAsync<ArgumentException>(() => _client.GetResponseAsync([null!]));
        await Assert.ThrowsAnyAsync<ArgumentException>(() =>
            _client.GetResponseAsync("Hi", new ChatOptions { AdditionalProperties = new() { ["min_p"] = "much" } }));
    }

    [Fact]
    public async Task What_means_nothing_else_is_taken()
    {
        AIFunction light = AIFunctionFactory.Create((bool on) => on, "light");
        ChatOptions options = new()
        {
            ModelId = "smollm2-135m-instruct",
            ResponseFormat = ChatResponseFormat.Text,
            Tools = [light],
            ToolMode = ChatToolMode.Auto,
            MaxOutputTokens = 2,
        };
        ChatResponse response = await _client.GetResponseAsync(
            [new ChatMessage(new ChatRole("developer"), "Be brief."), new ChatMessage(ChatRole.User, "Hi")], options);
        Assert.Equal("SmolLM2-135M-Instruct", response.ModelId);
        // An answer goes back into the conversation as it came, with its usage.
        ChatMessage[] next = [new(ChatRole.User, "Hi"), .. response.Messages, new(ChatRole.User, "And?")];
        await _client.GetResponseAsync(next, options);
    }

    [Fact]
    public async Task Embeddings_refuse_another_model_null_and_dimensions_that_are_not_there()
    {
        using var generator = new EdgeLlmEmbeddingGenerator(_model);
        await Assert.ThrowsAsync<ArgumentException>(() =>
            generator.GenerateAsync(["x"], new EmbeddingGenerationOptions { ModelId = "ada" }));
        await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync([null!]));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() =>
            generator.GenerateAsync(["x"], new EmbeddingGenerationOptions { Dimensions = 577 }));
    }

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
    }
}
