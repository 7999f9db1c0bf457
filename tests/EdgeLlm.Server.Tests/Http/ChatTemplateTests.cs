using System.Net;
using System.Text.Json;

namespace EdgeLlm.Server.Tests.Http;

/// <summary>A model without a chat template: chat is refused with what to do, texts are continued.</summary>
public sealed class ChatTemplateTests
{
    private const string Choices = "--chat-template vicuna|alpaca|dolly|llama2|chatml|FILE";

    [Fact]
    public async Task Chat_endpoints_are_a_400_that_names_the_option()
    {
        await using TestServer server = await TestServer.StartWithoutTemplateAsync();
        JsonElement openAi = await server.AskAsync("/v1/chat/completions",
            """{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}""", HttpStatusCode.BadRequest);
        Assert.Contains(Choices, openAi.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        JsonElement ollama = await server.AskAsync("/api/chat", """{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}""",
            HttpStatusCode.BadRequest);
        Assert.Contains(Choices, ollama.GetProperty("error").GetString(), StringComparison.Ordinal);
        JsonElement system =
            await server.AskAsync("/api/generate", """{"model":"tiny","prompt":"Hi","system":"Be brief."}""", HttpStatusCode.BadRequest);
        Assert.Contains(Choices, system.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_is_continued_as_with_raw()
    {
        await using TestServer server = await TestServer.StartWithoutTemplateAsync();
        const string Request = """{"model":"tiny","prompt":"Once upon a time","stream":false,"options":{"temperature":0,"num_predict":8}""";
        string plain = (await server.AskAsync("/api/generate", Request + "}")).GetProperty("response").GetString()!;
        Assert.StartsWith(", there was a", plain, StringComparison.Ordinal);
        Assert.Equal(plain, (await server.AskAsync("/api/generate", Request + ",\"raw\":true}")).GetProperty("response").GetString());
    }
}
