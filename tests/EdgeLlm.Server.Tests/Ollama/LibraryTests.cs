using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using EdgeLlm.Server.Library;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Ollama;

/// <summary>Models that clients make, copy, pull, upload and delete.</summary>
public sealed class LibraryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_model_is_made_of_another_one_used_copied_and_deleted()
    {
        await using TestServer server = await TestServer.StartWithLibraryAsync(new ModelLibrary(_folder));
        server.Server.Engine.Script =
            request => $"{request.Prompt.Count} {request.Options.Sampling.Temperature} {string.Join('|', request.Options.StopStrings)}";
        int plain = int.Parse((await ChatAsync(server, "tiny")).Split(' ')[0], null);
        List<JsonElement> statuses =
            await server.StreamAsync("/api/create",
                """{"model":"mario","from":"tiny","system":"You are Mario from the games.","parameters":{"temperature":0.25,"stop":["###"],"num_ctx":99999},"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}],"license":"MIT"}""");
        Assert.Equal("success", statuses[^1].GetProperty("status").GetString());
        string[] answer = (await ChatAsync(server, "mario:latest")).Split(' ');
        Assert.True(int.Parse(answer[0], null) > plain + 10);
        Assert.Equal(("0.25", "###"), (answer[1], answer[2]));
        Assert.Equal("0.25",
            TextOf(await server.AskAsync("/v1/chat/completions", """{"model":"mario","messages":[{"role":"user","content":"Hi"}]}"""))
                .Split(' ')[1]);
        JsonElement show = await server.AskAsync("/api/show", """{"model":"mario"}""");
        Assert.Contains("num_ctx 512", show.GetProperty("parameters").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain("99999", show.GetProperty("parameters").GetString(), StringComparison.Ordinal);
        Assert.Equal("MIT", show.GetProperty("license").GetString());
        Assert.Equal("You are Mario from the games.", show.GetProperty("system").GetString());
        Assert.Equal(["user Hi", "assistant Yo"],
            show.GetProperty("messages").EnumerateArray().Select(turn => $"{turn.GetProperty("role")} {turn.GetProperty("content")}"));
        Assert.Contains((await server.GetAsync("/api/tags")).GetProperty("models").EnumerateArray(),
            one => one.GetProperty("name").GetString() == "mario:latest");
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/api/copy", """{"source":"mario","destination":"luigi"}""")).StatusCode);
        Assert.Equal(answer[0], (await ChatAsync(server, "luigi")).Split(' ')[0]);
        Assert.Equal(HttpStatusCode.OK, (await DeleteAsync(server, "mario")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await DeleteAsync(server, "mario")).StatusCode);
        Assert.Equal(answer, (await ChatAsync(server, "luigi")).Split(' ')); // what it was copied from has gone, as with Ollama
        await server.AskAsync("/api/create", """{"model":"luigi","from":"luigi","parameters":{"temperature":0.5},"stream":false}""");
        Assert.Equal([answer[0], "0.5", "###"], (await ChatAsync(server, "luigi")).Split(' '));
        Assert.Equal(HttpStatusCode.OK, (await DeleteAsync(server, "luigi")).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await DeleteAsync(server, "tiny")).StatusCode);
    }

    [Theory]
    [InlineData("""{"model":"a","from":"nobody"}""", 404, "nobody")]
    [InlineData("""{"model":"a"}""", 400, "from is missing")]
    [InlineData("""{"model":"../a","from":"tiny"}""", 400, "can't be a model's name")]
    [InlineData("""{"model":"a","from":"tiny","parameters":{"temperature":-1}}""", 400, "temperature")]
    [InlineData("""{"model":"a","from":"tiny","parameters":{"mystery":1}}""", 400, "mystery")]
    [InlineData("""{"model":"a","from":"tiny","adapters":{"x":"sha256:1"}}""", 400, "digest")]
    [InlineData("""{"model":"a","from":"tiny","adapters":{"../x":"sha256:1"}}""", 400, "can't be the name of an adapter's file")]
    [InlineData(
        """{"model":"a","from":"tiny","adapters":{"x":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}}""",
        400, "there is no upload")]
    [InlineData("""{"model":"a","modelfile":"FROM tiny\nADAPTER /etc/passwd"}""", 400, "has no adapter /etc/passwd in the settings")]
    [InlineData("""{"model":"a","from":"tiny","template":"{{ .Prompt }}"}""", 400, "this is Go's language")]
    [InlineData("""{"model":"a","from":"tiny","template":"adapter"}""", 400, "must be a chat template in Jinja")]
    [InlineData("""{"model":"a","from":"tiny","template":"a\n{% for m in messages %}"}""", 400, "line 2")]
    [InlineData("""{"model":"a","modelfile":"FROM tiny\nTEMPLATE {{ if .System }}x{{ end }}"}""", 400, "line 2: TEMPLATE must be Jinja")]
    [InlineData("""{"model":"a","from":"tiny","messages":[{"role":"king","content":"x"}]}""", 400, "king")]
    [InlineData("""{"model":"a","files":{"x.gguf":"sha256:12"}}""", 400, "digest")]
    [InlineData("""{"from":"tiny"}""", 400, "model is required")]
    public async Task What_can_not_be_made_is_refused_by_name(string body, int status, string message)
    {
        await using TestServer server = await TestServer.StartWithLibraryAsync(new ModelLibrary(_folder));
        JsonElement error = await server.AskAsync("/api/create", body, (HttpStatusCode)status);
        Assert.Contains(message, error.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task A_model_with_a_template_of_its_own_has_its_conversations_written_by_it()
    {
        const string Template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<bot>";
        await using TestServer server = await TestServer.StartWithLibraryAsync(new ModelLibrary(_folder));
        var model = server.Server.Engine.OpenOf(server.Server.Engine.Models.Own)!;
        server.Server.Engine.Script = request => model.Tokenizer.Decode([.. request.Prompt], renderSpecial: true);
        string plain = await ChatAsync(server, "tiny");
        Assert.DoesNotContain("<bot>", plain, StringComparison.Ordinal);
        await server.AskAsync("/api/create",
            JsonSerializer.Serialize(new { model = "own", from = "tiny", template = Template, stream = false }));
        await server.AskAsync("/api/create",
            JsonSerializer.Serialize(new { model = "file", modelfile = $"FROM tiny\nTEMPLATE \"\"\"\n{Template}\"\"\"\n", stream = false }));
        await server.AskAsync("/api/create", """{"model":"child","from":"own","system":"OK","stream":false}""");
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/api/copy", """{"source":"own","destination":"copy"}""")).StatusCode);
        foreach (string name in new[] { "own", "file", "copy" })
            Assert.EndsWith("<user>Hi\n<bot>", await ChatAsync(server, name), StringComparison.Ordinal);
        Assert.EndsWith("<system>OK\n<user>Hi\n<bot>", await ChatAsync(server, "child"), StringComparison.Ordinal);
        Assert.EndsWith("<user>Hi\n<bot>",
            TextOf(await server.AskAsync("/v1/chat/completions", """{"model":"own","messages":[{"role":"user","content":"Hi"}]}""")),
            StringComparison.Ordinal);
        Assert.Equal(plain, await ChatAsync(server, "tiny"));
        JsonElement show = await server.AskAsync("/api/show", """{"model":"own"}""");
        Assert.Equal(Template, show.GetProperty("template").GetString());
        Assert.Contains($"TEMPLATE \"\"\"{Template}\"\"\"", show.GetProperty("modelfile").GetString(), StringComparison.Ordinal);
        Assert.NotEqual(Template, (await server.AskAsync("/api/show", """{"model":"tiny"}""")).GetProperty("template").GetString());
        Assert.Single(server.Server.Engine.Open); // they share the file
    }

    /// <summary>Limits are those of a template in a model's file: the request fails, the service does not.</summary>
    [Theory]
    [InlineData("{% for i in range(1000000000) %}{% for j in range(1000000000) %}{% endfor %}{% endfor %}{{ messages }}")]
    [InlineData("{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}")]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")]
    [InlineData("{{ raise_exception('no') }}")]
    public async Task A_hostile_template_costs_its_own_requests_alone(string template)
    {
        await using TestServer server = await TestServer.StartWithLibraryAsync(new ModelLibrary(_folder));
        server.Server.Engine.Script = _ => "fine";
        await server.AskAsync("/api/create", JsonSerializer.Serialize(new { model = "evil", from = "tiny", template, stream = false }));
        JsonElement error = await server.AskAsync("/api/chat", """{"model":"evil","messages":[{"role":"user","content":"Hi"}]}""",
            HttpStatusCode.BadRequest);
        Assert.Contains("chat template", error.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal("fine", await ChatAsync(server, "tiny"));
    }

    [Fact]
    public async Task Many_templates_are_not_all_kept_and_a_damaged_file_of_one_fails_alone()
    {
        await using TestServer server = await TestServer.StartWithLibraryAsync(new ModelLibrary(_folder));
        var model = server.Server.Engine.OpenOf(server.Server.Engine.Models.Own)!;
        server.Server.Engine.Script = request => model.Tokenizer.Decode([.. request.Prompt], renderSpecial: true);
        for (int i = 0; i < 20; i++)
            await server.AskAsync("/api/create",
                JsonSerializer.Serialize(new { model = $"m{i}", from = "tiny", template = $"{{{{ messages[0].content }}}} {i}:", stream = false }));
        for (int i = 0; i < 40; i++) Assert.EndsWith($"Hi {i % 20}:", await ChatAsync(server, $"m{i % 20}"), StringComparison.Ordinal);
        foreach (string damaged in new[]
        {
            """{"from":"tiny","template":"{% broken"}""", """{"from":"tiny","template":"broken"}""", """{"from":"tiny","messages":[null]}""",
            """{"from":"tiny","messages":[{"role":"user"}]}""", """{"from":"tiny","license":[null],"parameters":null}""", """{"from":null}""",
            """{"from":"tiny","adapters":[null]}""", "null", "[", """{"from":"tiny","king":1}""",
        })
        {
            File.WriteAllText(Path.Combine(_folder, "m0.model.json"), damaged);
            Assert.False((await server.PostAsync("/api/chat", """{"model":"m0","messages":[{"role":"user","content":"Hi"}]}"""))
                .IsSuccessStatusCode, damaged);
            Assert.EndsWith("Hi 1:", await ChatAsync(server, "m1"), StringComparison.Ordinal);
        }
        File.WriteAllText(Path.Combine(_folder, "m0.model.json"), """{"from":"tiny"}""");
        Assert.Contains("Hi", await ChatAsync(server, "m0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_uploaded_becomes_a_model()
    {
        await using TestServer server = await TestServer.StartWithLibraryAsync(new ModelLibrary(_folder));
        byte[] file = await File.ReadAllBytesAsync(server.ModelPath);
        string digest = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(file));
        using var asked = new HttpRequestMessage(HttpMethod.Head, $"/api/blobs/{digest}");
        Assert.Equal(HttpStatusCode.NotFound, (await server.Client.SendAsync(asked)).StatusCode);
        using var wrong = new ByteArrayContent(file[..1000]);
        Assert.Equal(HttpStatusCode.BadRequest,
            (await server.Client.PostAsync(new Uri($"/api/blobs/{digest}", UriKind.Relative), wrong)).StatusCode);
        using var content = new ByteArrayContent(file);
        Assert.Equal(HttpStatusCode.Created,
            (await server.Client.PostAsync(new Uri($"/api/blobs/{digest}", UriKind.Relative), content)).StatusCode);
        using var again = new HttpRequestMessage(HttpMethod.Head, $"/api/blobs/{digest}");
        Assert.Equal(HttpStatusCode.OK, (await server.Client.SendAsync(again)).StatusCode);
        await server.AskAsync("/api/create", $"{{\"model\":\"second\",\"files\":{{\"m.gguf\":\"{digest}\"}},\"stream\":false}}");
        Assert.NotEqual("", await GenerateAsync(server, "second"));
        Assert.Equal(HttpStatusCode.OK, (await DeleteAsync(server, "second")).StatusCode);
        Assert.False(File.Exists(Path.Combine(_folder, "second.gguf")));
    }

    [Fact]
    public async Task An_adapter_that_is_uploaded_makes_a_model_that_shares_the_others_file()
    {
        await using TestServer server = await TestServer.StartWithLibraryAsync(new ModelLibrary(_folder));
        string digest = await UploadAsync(server, TinyAdapter.Make(server.ModelPath, seed: 1)),
            other = await UploadAsync(server, [1, 2, 3]);
        await server.AskAsync("/api/create",
            $"{{\"model\":\"pirate\",\"from\":\"tiny\",\"adapters\":{{\"a.gguf\":\"{digest}\"}},\"system\":\"x\",\"stream\":false}}");
        string plain = await GenerateAsync(server, "tiny"), adapted = await GenerateAsync(server, "pirate");
        Assert.NotEqual(plain, adapted);
        Assert.Equal(plain, await GenerateAsync(server, "tiny"));
        Assert.Contains("ADAPTER pirate",
            (await server.AskAsync("/api/show", """{"model":"pirate"}""")).GetProperty("modelfile").GetString(), StringComparison.Ordinal);
        // one that is open, by name: twice as strong
        await server.AskAsync("/api/create", """{"model":"captain","modelfile":"FROM pirate\nADAPTER pirate\nSYSTEM y","stream":false}""");
        string twice = await GenerateAsync(server, "captain");
        Assert.NotEqual(adapted, twice);
        Assert.Single(server.Server.Engine.Open);
        JsonElement error = await server.AskAsync("/api/create",
            $"{{\"model\":\"none\",\"from\":\"tiny\",\"adapters\":{{\"a.gguf\":\"{other}\"}}}}", HttpStatusCode.BadRequest);
        Assert.Contains("adapters can't be taken", error.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(Path.Combine(_folder, "adapters")));
        Assert.Equal(HttpStatusCode.OK, (await DeleteAsync(server, "pirate")).StatusCode);
        Assert.Equal(twice, await GenerateAsync(server, "captain")); // it keeps the file that it shares
        Assert.Equal(HttpStatusCode.OK, (await DeleteAsync(server, "captain")).StatusCode);
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "adapters")));
    }

    [Fact]
    public async Task A_pull_tells_how_far_it_is_and_its_name_can_be_used()
    {
        string source = SharedFolder.Require("models", "stories260K.f32.gguf");
        var library = new ModelLibrary(_folder)
        {
            Pull = async (name, report, cancellation) =>
            {
                if (!name.StartsWith("hf.co/", StringComparison.Ordinal))
                    throw new ArgumentException($"{name} is a name of Ollama's library");
                report(new PullProgress("m.gguf", new string('a', 64), 100, 40));
                await Task.Delay(700, cancellation);
                File.Copy(source, Path.Combine(_folder, "pulled-Q4.gguf"));
                return "pulled-Q4";
            },
        };
        await using TestServer server = await TestServer.StartWithLibraryAsync(library);
        List<JsonElement> statuses = await server.StreamAsync("/api/pull", """{"model":"hf.co/owner/repo:Q4_K_M"}""");
        Assert.Equal("pulling manifest", statuses[0].GetProperty("status").GetString());
        Assert.Contains(statuses, status => status.TryGetProperty("completed", out JsonElement completed) && completed.GetInt64() == 40);
        Assert.Equal("success", statuses[^1].GetProperty("status").GetString());
        Assert.NotEqual("", await GenerateAsync(server, "hf.co/owner/repo:Q4_K_M"));
        Assert.Equal("success",
            (await server.AskAsync("/api/pull", """{"name":"tiny","stream":false}""")).GetProperty("status").GetString());
        JsonElement refused = await server.AskAsync("/api/pull", """{"model":"llama3.2"}""", HttpStatusCode.BadRequest);
        Assert.Contains("Ollama's library", refused.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_Modelfile_is_read_as_Ollama_reads_it()
    {
        DerivedModel model =
            Modelfile.Parse(
                "# comment\nFROM tiny\nSYSTEM \"\"\"\nTwo\nlines\n\"\"\"\nPARAMETER temperature 0.5\nparameter stop "
                    + "\"<|x|>\"\nPARAMETER stop AI\nMESSAGE user Hi there\nMESSAGE assistant \"\"\"Yo\"\"\"\nLICENSE MIT\n"
                    + "TEMPLATE \"\"\"\n{{ messages[0].content }}\n\"\"\"\n");
        Assert.Equal(("tiny", "Two\nlines", "{{ messages[0].content }}\n"), (model.From, model.System, model.Template));
        Assert.Equal(0.5, model.Parameters["temperature"].GetDouble());
        Assert.Equal(["<|x|>", "AI"], model.Parameters["stop"].EnumerateArray().Select(stop => stop.GetString()));
        Assert.Equal([new DerivedTurn("user", "Hi there"), new DerivedTurn("assistant", "Yo")], model.Messages);
        foreach ((string text, string problem) in new[]
        {
            ("SYSTEM x", "FROM is missing"), ("FROM a\nADAPTER", "line 2: ADAPTER"), ("FROM a\nTEMPLATE b", "line 2: TEMPLATE"),
            ("FROM a\nTEMPLATE \"\"\"\n{{- range .Messages }}\n{{- end }}\"\"\"", "line 2: TEMPLATE must be Jinja, and this is Go's"),
            ("FROM a\nTEMPLATE \"\"\"{{ messages", "line 2: the text that begins"), ("FROM a\nTEMPLATE {% if %}", "line 2: TEMPLATE"),
            ("FROM a\nTEMPLATE \"\"\"{{ x }}" + new string('x', 1 << 20) + "\"\"\"", "line 2: TEMPLATE must be Jinja: chat template"),
            ("FROM a\nBAKE b", "no instruction BAKE"),
            ("FROM a\nSYSTEM \"\"\"x", "does not end"), ("FROM a\nPARAMETER x 1", "options.x"), ("FROM a\nMESSAGE king x", "king"),
            ("FROM a\nPARAMETER temperature", "a name and a value"),
        })
            Assert.Contains(problem, Assert.ThrowsAny<ArgumentException>(() => Modelfile.Parse(text)).Message, StringComparison.Ordinal);
    }

    private static async Task<string> ChatAsync(TestServer server, string model) =>
        (await server.AskAsync("/api/chat",
            $"{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}],\"stream\":false,\"options\":{{\"num_predict\":30}}}}")).GetProperty(
                "message").GetProperty("content").GetString()!;

    /// <summary>Of a model without a chat template.</summary>
    private static async Task<string> GenerateAsync(TestServer server, string model) =>
        (await server.AskAsync("/api/generate",
            $"{{\"model\":\"{model}\",\"prompt\":\"Once\",\"raw\":true,\"stream\":false,\"options\":{{\"num_predict\":8,\"temperature\":0}}}}")).GetProperty(
                "response").GetString()!;

    private static async Task<string> UploadAsync(TestServer server, byte[] file)
    {
        string digest = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(file));
        using var content = new ByteArrayContent(file);
        Assert.Equal(HttpStatusCode.Created,
            (await server.Client.PostAsync(new Uri($"/api/blobs/{digest}", UriKind.Relative), content)).StatusCode);
        return digest;
    }

    private static string TextOf(JsonElement completion) =>
        completion.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

    private static Task<HttpResponseMessage> DeleteAsync(TestServer server, string model) =>
        server.Client.SendAsync(
            new HttpRequestMessage(HttpMethod.Delete, "/api/delete") { Content = new StringContent($"{{\"model\":\"{model}\"}}") });
}
