using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EdgeLlm.Server.Tests.Http;

/// <summary>
/// Bodies that are right but for some places: 2xx, or 4xx with the field's name, 429 and 503 when full, never 500. The whole test is
/// `tools/test-bodies`, of 100,000.
/// </summary>
public sealed class GeneratedBodiesTests
{
    private const int Usual = 6000;

    private static readonly (string Path, string Body)[] Requests =
    [
        ("/v1/chat/completions",
            """{"model":"tiny","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":"a","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"}],"max_tokens":4,"temperature":0.5,"top_p":0.9,"n":2,"stop":["x"],"seed":1,"logprobs":true,"top_logprobs":2,"logit_bias":{"5":-1},"response_format":{"type":"text"},"stream_options":{"include_usage":true},"chat_template_kwargs":{"a":1},"reasoning_effort":"low"}"""),
        ("/v1/chat/completions",
            """{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":true,"max_completion_tokens":3,"structured_outputs":{"choice":["a","b"]},"presence_penalty":1,"dry_multiplier":0.5,"dry_sequence_breakers":["x"],"truncation":"auto","service_tier":"flex"}"""),
        ("/v1/chat/completions",
            """{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"max_tokens":9,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}}},"tools":[],"tool_choice":"none"}"""),
        ("/v1/completions",
            """{"model":"tiny","prompt":["a",[1,2,3]],"max_tokens":3,"echo":true,"logprobs":2,"n":1,"best_of":2,"logit_bias":[[5,false],["a",1.5]],"stop":"x"}"""),
        ("/v1/embeddings", """{"model":"tiny","input":["a","b"],"encoding_format":"base64","dimensions":8}"""),
        ("/v1/rerank", """{"model":"tiny","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}"""),
        ("/v1/responses",
            """{"model":"tiny","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"}],"instructions":"i","max_output_tokens":4,"text":{"format":{"type":"text"}},"reasoning":{"effort":"low"},"metadata":{"a":"b"},"store":true,"include":["message.output_text.logprobs"],"truncation":"disabled"}"""),
        ("/v1/messages",
            """{"model":"tiny","max_tokens":4,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"tool_use","id":"1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"r"}]}],"stop_sequences":["x"],"temperature":1,"top_k":5,"thinking":{"type":"disabled"},"metadata":{"user_id":"u"}}"""),
        ("/v1/messages/count_tokens", """{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"system":"s"}"""),
        ("/completion",
            """{"prompt":[1,"a",2],"n_predict":3,"n_probs":2,"return_tokens":true,"grammar":"root ::= \"a\"","cache_prompt":true,"seed":3}"""),
        ("/infill", """{"input_prefix":"a","input_suffix":"b","input_extra":[{"filename":"f","text":"t"}],"prompt":"p","n_predict":2}"""),
        ("/tokenize", """{"content":"abc","add_special":true,"with_pieces":true}"""),
        ("/detokenize", """{"tokens":[1,2,3]}"""),
        ("/apply-template", """{"messages":[{"role":"user","content":"Hi"}]}"""),
        ("/api/chat",
            """{"model":"tiny","messages":[{"role":"user","content":"Hi","images":[]},{"role":"assistant","content":"a","thinking":"t","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","tool_name":"f","content":"r"}],"stream":false,"format":{"type":"object"},"options":{"num_predict":4,"num_ctx":512,"temperature":0.5,"stop":["x"],"seed":1,"num_gpu":0,"mirostat":0},"keep_alive":"5m","think":false,"logprobs":true,"top_logprobs":1,"truncate":true,"shift":false}"""),
        ("/api/generate",
            """{"model":"tiny","prompt":"Hi","system":"s","raw":false,"context":[1,2],"stream":true,"options":{"num_predict":3},"suffix":"","template":"","images":[]}"""),
        ("/api/embed", """{"model":"tiny","input":["a","b"],"truncate":true,"dimensions":4,"options":{"num_ctx":8},"keep_alive":0}"""),
        ("/api/embeddings", """{"model":"tiny","prompt":"a"}"""),
        ("/api/show", """{"model":"tiny","verbose":true}"""),
    ];

    [Fact]
    public async Task Every_body_is_answered_or_refused_by_the_name_of_its_field()
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("EDGELLM_BODIES"), CultureInfo.InvariantCulture, out int given) ? given
            : Usual;
        await using TestServer server = await TestServer.StartAsync(new() { Queue = 64 });
        server.Server.Engine.Script = _ => "Once upon a time.";
        var problems = new List<string>();
        var counts = new SortedDictionary<int, int>();
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, cancellation) =>
        {
            var random = new Random(i);
            (string path, string body) = Requests[i % Requests.Length];
            string mutant = Mutate(body, random);
            using HttpResponseMessage response = await server.PostAsync(path, mutant, cancellation);
            string answer = await response.Content.ReadAsStringAsync(cancellation);
            int status = (int)response.StatusCode;
            bool isWell = status is >= 200 and < 300 or 429 or 503 || (status is 400 or 404 or 413 && Names(answer));
            lock (counts)
            {
                counts[status] = counts.GetValueOrDefault(status) + 1;
                if (!isWell && problems.Count < 20) problems.Add($"{i}: {path} {mutant}\n-> {status} {answer}");
            }
        });
        Assert.True(problems.Count == 0, string.Join("\n", problems));
        Assert.True(counts.GetValueOrDefault(200) > count / 20 && counts.GetValueOrDefault(400) > count / 5, string.Join(", ", counts));
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync(new Uri("/v1/models", UriKind.Relative))).StatusCode);
        Console.WriteLine($"{count} bodies: {string.Join(", ", counts.Select(one => $"{one.Value} x {one.Key}"))}");
    }

    /// <summary>Whether an error says which field is wrong, or that the text is no JSON.</summary>
    private static bool Names(string answer)
    {
        JsonElement error = JsonDocument.Parse(answer).RootElement.GetProperty("error");
        if (error.ValueKind == JsonValueKind.String)
            return Says(error.GetString()!) || JsonDocument.Parse(answer).RootElement.TryGetProperty("param", out _);
        return (error.TryGetProperty("param", out JsonElement parameter) && parameter.ValueKind == JsonValueKind.String)
            || Says(error.GetProperty("message").GetString()!);

        static bool Says(string message) =>
            message.Contains("JSON", StringComparison.Ordinal)
                || Requests.SelectMany(request => NamesIn(JsonNode.Parse(request.Body))).Append("request").Append("prompt")
            .Any(name => message.Contains(name, StringComparison.Ordinal));
    }

    private static IEnumerable<string> NamesIn(JsonNode? node) => node switch
    {
        JsonObject members => members.SelectMany(member => NamesIn(member.Value).Append(member.Key)).Where(name => name.Length > 2),
        JsonArray items => items.SelectMany(NamesIn),
        _ => [],
    };

    /// <summary>The body with one to three places changed.</summary>
    private static string Mutate(string body, Random random)
    {
        JsonNode root = JsonNode.Parse(body)!;
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            List<JsonNode> containers = [.. ContainersOf(root)];
            JsonNode container = containers[random.Next(containers.Count)];
            if (container is JsonObject members && members.Count > 0)
            {
                string name = members.ElementAt(random.Next(members.Count)).Key;
                if (random.Next(8) == 0) members.Remove(name);
                else members[name] = Value(random);
            }
            else if (container is JsonArray items && items.Count > 0)
            {
                int index = random.Next(items.Count);
                if (random.Next(8) == 0) items.Add(Value(random));
                else items[index] = Value(random);
            }
        }
        string text = root.ToJsonString();
        if (random.Next(10) == 0) text = text.Replace("\"MARK\"", "\"a\\ud83d b\"", StringComparison.Ordinal);
        if (random.Next(12) == 0 && root is JsonObject all && all.Count > 0)
        {
            string name = all.ElementAt(random.Next(all.Count)).Key; // a key twice
            text = $"{{{JsonSerializer.Serialize(name)}:{Value(random)?.ToJsonString() ?? "null"},{text[1..]}";
        }
        return random.Next(40) == 0 ? text[..random.Next(text.Length)] : text;
    }

    private static IEnumerable<JsonNode> ContainersOf(JsonNode node)
    {
        yield return node;
        IEnumerable<JsonNode?> children = node is JsonObject members ? members.Select(member => member.Value) : (JsonArray)node;
        foreach (JsonNode child in children.OfType<JsonNode>().Where(child => child is JsonObject or JsonArray))
        {
            foreach (JsonNode inner in ContainersOf(child)) yield return inner;
        }
    }

    private static JsonNode? Value(Random random) => random.Next(22) switch
    {
        0 => null,
        1 => JsonValue.Create(true),
        2 => JsonValue.Create(false),
        3 => JsonValue.Create(0),
        4 => JsonValue.Create(-1),
        5 => JsonValue.Create(1.5),
        6 => JsonNode.Parse("1e308"),
        7 => JsonNode.Parse("-1e400"),
        8 => JsonValue.Create(long.MaxValue),
        9 => JsonValue.Create(int.MinValue),
        10 => JsonNode.Parse("123456789012345678901234567890"),
        11 => JsonValue.Create(""),
        12 => JsonValue.Create("MARK"),
        13 => JsonValue.Create("x"),
        14 => JsonValue.Create(new string('z', 300)),
        15 => JsonValue.Create("\u0000\ufffe"),
        16 => new JsonArray(),
        17 => new JsonArray(null, 1, "a", new JsonObject()),
        18 => new JsonObject(),
        19 => new JsonObject { ["type"] = "text", ["x"] = null },
        20 => JsonNode.Parse(new StringBuilder().Insert(0, "[", 40).Append(']', 40).ToString()),
        _ => JsonValue.Create(random.Next(-5, 600)),
    };
}
