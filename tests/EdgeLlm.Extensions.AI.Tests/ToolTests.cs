using System.Text.Json;
using EdgeLlm.Models;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI.Tests;

public sealed class ToolTests : IDisposable
{
    private readonly LanguageModel _model = LanguageModel.LoadDefault(new ModelOptions { ContextLength = 512, Threads = 2 });
    private readonly EdgeLlmChatClient _client;

    public ToolTests() => _client = new EdgeLlmChatClient(_model);

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
    }

    [Fact]
    public async Task A_required_call_comes_as_content_with_arguments_of_its_schema()
    {
        AIFunction light = AIFunctionFactory.Create((bool on, int level) => on, "light");
        ChatOptions options =
            new() { Tools = [light], ToolMode = ChatToolMode.RequireSpecific("light"), MaxOutputTokens = 200, Temperature = 0 };
        ChatResponse response = await _client.GetResponseAsync("Turn the light on.", options);
        Assert.Equal(ChatFinishReason.ToolCalls, response.FinishReason);
        FunctionCallContent call = Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
        Assert.Equal("light", call.Name);
        Assert.Contains(((JsonElement)call.Arguments!["on"]!).ValueKind, (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False]);
        Assert.Equal(JsonValueKind.Number, ((JsonElement)call.Arguments["level"]!).ValueKind);
        // The conversation goes on with the result.
        ChatMessage[] next = [new(ChatRole.User, "Turn the light on."), .. response.Messages,
            new(ChatRole.Tool, [new FunctionResultContent(call.CallId, "done")])];
        Assert.NotEmpty((await _client.GetResponseAsync(next, new ChatOptions { MaxOutputTokens = 4 })).Text);
    }

    [Fact]
    public async Task A_required_call_without_tools_is_refused() =>
        Assert.Contains("tool_choice",
            (await Assert.ThrowsAsync<ArgumentException>(() =>
                _client.GetResponseAsync("Hi", new ChatOptions { ToolMode = ChatToolMode.RequireAny }))).Message, StringComparison.Ordinal);
}
