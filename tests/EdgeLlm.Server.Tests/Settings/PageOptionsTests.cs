using System.Text.Json;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Settings;

public sealed class PageOptionsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Fact]
    public async Task The_page_is_told_what_its_file_says()
    {
        File.WriteAllText(Path.Combine(_folder, "logo.svg"), "<svg/>");
        File.WriteAllText(Path.Combine(_folder, "facts.txt"), "We close at five.");
        PageOptions options = PageOptions.Read(Write("""
            { "name": "Museum", "logo": "logo.svg", "accent": "#123456", "greeting": "Hi", "starters": ["When?"], "system": "Be short.", "onlyFrom": "facts.txt", "idleSeconds": 60, /* or 0 */ "language": "de", }
            """));
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Page = options });
        JsonElement page = JsonElement.Parse(await server.Client.GetStringAsync("/page.json"));
        Assert.Equal(("Museum", "#123456", "We close at five.", 60),
            (page.GetProperty("name").GetString(), page.GetProperty("accent").GetString(), page.GetProperty("onlyFrom").GetString(),
                page.GetProperty("idleSeconds").GetInt32()));
        Assert.Equal(["When?"], page.GetProperty("starters").EnumerateArray().Select(one => one.GetString()));
        using HttpResponseMessage logo = await server.Client.GetAsync("/logo");
        Assert.Equal(("image/svg+xml", "<svg/>"), (logo.Content.Headers.ContentType!.MediaType, await logo.Content.ReadAsStringAsync()));
        // an SVG's scripts do not run
        Assert.Contains("default-src 'none'", logo.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        JsonElement manifest = JsonElement.Parse(await server.Client.GetStringAsync("/manifest.webmanifest"));
        Assert.Equal(("Museum", "/logo"),
            (manifest.GetProperty("short_name").GetString(), manifest.GetProperty("icons")[0].GetProperty("src").GetString()));
    }

    [Theory]
    [InlineData("""{ "accent": "red" }""", "accent has to be a colour such as #0b6e4f")]
    [InlineData("""{ "idleSeconds": 2 }""", "idleSeconds has to be 0 (never) or 5 to 86400")]
    [InlineData("""{ "language": "it" }""", "language has to be one of en, de, fr, es")]
    [InlineData("""{ "starters": [""] }""", "starters has to be a list of at most 8 questions")]
    [InlineData("""{ "logo": "logo.gif" }""", "logo has to be an .svg, .png, .jpg or .webp file")]
    [InlineData("""{ "greetings": "Hi" }""", "greetings")]
    [InlineData("""{ "starters": [null] }""", "starters")]
    [InlineData("""null""", "has to be a JSON object")]
    [InlineData("""{ "name": """, "line 1")]
    public void A_wrong_value_is_named(string json, string problem)
    {
        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => PageOptions.Read(Write(json)));
        Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public void A_file_that_it_names_has_to_be_there() =>
        Assert.Contains("facts.txt",
            Assert.ThrowsAny<IOException>(() => PageOptions.Read(Write("""{ "onlyFrom": "facts.txt" }"""))).Message,
            StringComparison.Ordinal);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string json)
    {
        string path = Path.Combine(_folder, "page.json");
        File.WriteAllText(path, json);
        return path;
    }
}
