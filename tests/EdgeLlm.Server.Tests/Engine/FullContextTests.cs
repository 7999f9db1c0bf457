using System.Net;
using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Engine;

/// <summary>What becomes of a conversation that fills the context: what the request says, else the service, else the API.</summary>
public sealed class FullContextTests
{
    private static readonly string Long =
        string.Join(',',
            Enumerable.Range(0, 12)
                .Select(i => $$"""{"role":"{{(i % 2 == 0 ? "user" : "assistant")}}","content":"number {{i}} is a good number"}"""));

    [Theory]
    [InlineData(null, "", HttpStatusCode.BadRequest)]
    [InlineData(null, ",\"truncation\":\"auto\"", HttpStatusCode.OK)]
    [InlineData(null, ",\"truncation\":\"disabled\"", HttpStatusCode.BadRequest)]
    [InlineData(null, ",\"truncation\":\"some\"", HttpStatusCode.BadRequest)]
    [InlineData(ContextPolicy.DropOldestTurns, "", HttpStatusCode.OK)]
    [InlineData(ContextPolicy.DropOldestTurns, ",\"truncation\":\"disabled\"", HttpStatusCode.BadRequest)]
    public async Task A_conversation_that_is_too_long_in_OpenAIs_API(ContextPolicy? policy, string field, HttpStatusCode expected)
    {
        await using TestServer server = await StartAsync(policy);
        JsonElement answer = await server.AskAsync("/v1/chat/completions",
            $$"""{"model":"tiny","max_tokens":4,"messages":[{{Long}},{"role":"user","content":"end"}]{{field}}}""", expected);
        if (expected == HttpStatusCode.OK) Assert.InRange(answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), 10, 124);
    }

    [Theory]
    [InlineData(null, "", HttpStatusCode.OK)]
    [InlineData(ContextPolicy.Cut, "", HttpStatusCode.BadRequest)]
    [InlineData(ContextPolicy.Error, "", HttpStatusCode.BadRequest)]
    [InlineData(ContextPolicy.Cut, ",\"truncate\":true", HttpStatusCode.OK)]
    public async Task A_conversation_that_is_too_long_in_Ollamas_API(ContextPolicy? policy, string field, HttpStatusCode expected)
    {
        await using TestServer server = await StartAsync(policy);
        await server.AskAsync("/api/chat",
            $$$"""{"model":"tiny","stream":false,"options":{"num_predict":4},"messages":[{{{Long}}},{"role":"user","content":"end"}]{{{field}}}}""",
            expected);
    }

    [Fact]
    public async Task An_answer_that_fills_the_context_is_cut_or_refused_before_it_begins()
    {
        await using TestServer server = await StartAsync(null);
        const string Body =
            "{\"model\":\"tiny\",\"max_tokens\":1000,\"ignore_eos\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
        JsonElement cut = await server.AskAsync("/v1/chat/completions", Body + "}");
        Assert.Equal("length", cut.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(129, cut.GetProperty("usage").GetProperty("total_tokens").GetInt32());
        JsonElement refused =
            await server.AskAsync("/v1/chat/completions", Body + ",\"truncation\":\"disabled\"}", HttpStatusCode.BadRequest);
        Assert.Equal("context_length_exceeded", refused.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task In_mid_answer_turns_go_only_with_shift()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Context = 256 });
        Assert.InRange(await CountAsync(""), 100, 199);
        Assert.Equal(200, await CountAsync(",\"shift\":true"));

        async Task<int> CountAsync(string field)
        {
            string body =
                """{"model":"tiny","stream":false,"options":{"num_predict":200,"temperature":0,"logit_bias":null},"messages":[{"role":"user","content":"number 1 is good"},{"role":"assistant","content":"yes it is"},{"role":"user","content":"end"}]""";
            return (await server.AskAsync("/api/chat", body + field + "}")).GetProperty("eval_count").GetInt32();
        }
    }

    private static Task<TestServer> StartAsync(ContextPolicy? policy) =>
        TestServer.StartAsync(new ServerOptions { Context = 128, WhenFull = policy });
}
