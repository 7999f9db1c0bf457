using System.Text;
using System.Text.Json;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Access;

/// <summary>
/// What was computed for one key tells another nothing: the counts. The time to the first token is measured by tools/test-cache.
/// </summary>
public sealed class CacheOwnerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"tiny","max_tokens":2,"messages":[{"role":"user","content":"TEXT"}]}""")]
    [InlineData("/v1/completions", """{"model":"tiny","max_tokens":2,"prompt":"TEXT"}""")]
    [InlineData("/v1/responses", """{"model":"tiny","max_output_tokens":2,"input":"TEXT"}""")]
    [InlineData("/v1/messages", """{"model":"tiny","max_tokens":2,"messages":[{"role":"user","content":"TEXT"}]}""")]
    [InlineData("/api/chat",
        """{"model":"tiny","stream":false,"options":{"num_predict":2},"messages":[{"role":"user","content":"TEXT"}]}""")]
    [InlineData("/api/generate", """{"model":"tiny","stream":false,"options":{"num_predict":2},"prompt":"TEXT"}""")]
    [InlineData("/completion", """{"n_predict":2,"prompt":"TEXT"}""")]
    public async Task No_count_of_an_answer_tells_one_key_what_another_has_asked(string path, string body)
    {
        string file = Path.Combine(_folder, "keys.json");
        (ApiKey anna, string annas) = ApiKey.Create("anna", KeyRole.Use);
        (ApiKey bert, string berts) = ApiKey.Create("bert", KeyRole.Use);
        KeyFile.Change(file, _ => [anna, bert]);
        var options = new ServerOptions
        {
            KeysFile = file,
            CacheMemory = 64_000_000,
            CacheFolder = Path.Combine(_folder, "cache"),
            CacheDisk = Generation.Prefixes.PrefixDisk.Conversations,
            IdentityFolder = Path.Combine(_folder, "identities"),
        };
        await using (TestServer server = await TestServer.StartAsync(options))
        {
            await AskAsync("Tom", annas, server);
            await AskAsync("Ann", annas, server);
            await AskAsync("Sue", berts, server); // what all prompts begin with is bert's own now
            Dictionary<string, long> asked = await AskAsync("Tom", berts, server);
            if (path.StartsWith("/api/", StringComparison.Ordinal))
            {
                // Ollama's API counts all tokens of a prompt, kept or not.
                Assert.Equal(asked, await AskAsync("Tom", berts, server));
                return;
            }
            Dictionary<string, long> fresh = await AskAsync("Ben", berts, server);
            Assert.Equal(fresh, asked);
            Assert.NotEqual(fresh, await AskAsync("Ben", berts, server)); // it would be seen
        }
        await using TestServer again = await TestServer.StartAsync(options); // what is in the folder has its owner, too
        Assert.Equal(await AskAsync("Max", berts, again), await AskAsync("Ann", berts, again));

        Task<Dictionary<string, long>> AskAsync(string name, string key, TestServer server) => CountsAsync(server, key, name, path, body);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The numbers of an answer that tell what was kept of its prompt.</summary>
    private static async Task<Dictionary<string, long>> CountsAsync(TestServer server, string key, string name, string path, string body)
    {
        string text =
            $"{name} had a red ball. He went to the park with his mom and his dog, and they played all day long until the sun went down.";
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body.Replace("TEXT", text, StringComparison.Ordinal), Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("x-api-key", key);
        using HttpResponseMessage response = await server.Client.SendAsync(request);
        string answer = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, answer);
        var found = new Dictionary<string, long>();
        Collect(JsonDocument.Parse(answer).RootElement, "");
        return found;

        void Collect(JsonElement element, string at)
        {
            if (element.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty property in element.EnumerateObject()) Collect(property.Value, $"{at}/{property.Name}");
            }
            else if (element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out long value)
                && (at.Contains("cache", StringComparison.Ordinal) || at.EndsWith("prompt_eval_count", StringComparison.Ordinal)))
            {
                found[at] = value;
            }
        }
    }
}
