using EdgeLlm.Generation;
using EdgeLlm.Kernels;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Settings;

public sealed class SettingsReaderTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    [Fact]
    public void A_later_place_counts_more_than_an_earlier_one()
    {
        Write("""{ "queue": 1, "context": 100, "threads": 3 }""");
        ServerOptions options = Read(new() { ["EDGELLM_QUEUE"] = "2", ["EDGELLM_CONTEXT"] = "200" }, new() { ["queue"] = "3" });
        Assert.Equal((3, 200, 3), (options.Queue, options.Context, options.Threads));
    }

    [Fact]
    public void All_settings_can_stand_in_the_file_with_comments_between()
    {
        Write("""
            // every one
            {
              "model": "m.gguf", "name": "n", "listen": "[::1]:99", "apiKey": "12345678", /* and lists */ "origins": ["http://a", "http://b"], "hosts": "c,d",
              "context": 64, "threads": 2, "decodeThreads": 1, "kv": "i8", "conversations": 4, "queue": 5, "bodyLimit": 2048, "stopSeconds": 6, "state": null,
              "models": ["a", "/b.gguf"], "parallel": 3, "requestSeconds": 30, "keepAlive": "1h30m", "whenFull": "drop",
            }
            """);
        ServerOptions options = Read();
        Assert.Equal("[::1]:99", options.Listen.ToString());
        Assert.Equal(["http://a", "http://b"], options.Origins);
        Assert.Equal(["c", "d"], options.Hosts);
        Assert.Equal((KeyValueType.I8, 1), (options.CacheType, options.DecodeThreads));
        Assert.Equal(("m.gguf", "n", "12345678", 64, 2, 4, 5, 2048, 6),
            (options.Model, options.Name, options.ApiKey, options.Context, options.Threads, options.Conversations, options.Queue,
                options.BodyLimit, options.StopSeconds));
        Assert.Null(options.StateDirectory);
        Assert.Equal(["a", "/b.gguf"], options.Models!);
        Assert.Equal((3, 30, TimeSpan.FromMinutes(90), ContextPolicy.DropOldestTurns),
            (options.Parallel, options.RequestSeconds, options.KeepAlive, options.WhenFull));
    }

    [Theory]
    [InlineData("300", 300)]
    [InlineData("5m", 300)]
    [InlineData("1h0m1.5s", 3601.5)]
    [InlineData("250ms", 0.25)]
    [InlineData("0", 0)]
    [InlineData("0h0m", 0)]
    [InlineData("-1", -1)]
    [InlineData("-5m", -1)]
    public void Durations_are_taken_as_Ollama_takes_them(string text, double seconds) =>
        Assert.Equal(seconds, Duration.Parse(text).TotalSeconds, 6);

    [Theory]
    [InlineData("soon")]
    [InlineData("5 m")]
    [InlineData("m")]
    [InlineData("")]
    public void What_is_not_a_duration_is_refused(string text) => Assert.Throws<FormatException>(() => Duration.Parse(text));

    [Theory]
    [InlineData("{\n \"queue\": 1,\n \"prot\": 1\n}", 3, "there is no setting \"prot\"")]
    [InlineData("{\n\n \"queue\": \"many\"\n}", 3, "queue takes a whole number from 0 to 1024, not 'many'")]
    [InlineData("{\n \"listen\": \"pi:x\"\n}", 2, "listen takes a port")]
    [InlineData("{\n \"keepAlive\": \"soon\"\n}", 2, "keepAlive takes a duration")]
    [InlineData("{\n \"whenFull\": \"explode\"\n}", 2, "whenFull takes cut, drop or refuse, not 'explode'")]
    [InlineData("{\n \"parallel\": 0\n}", 2, "parallel takes a whole number from 1 to 64")]
    [InlineData("{\n \"queue\": 1\n \"context\": 5\n}", 3, "not valid JSON")]
    [InlineData("{\n \"queue\": {}\n}", 2, "one value or a list of texts")]
    [InlineData("{\n \"queue\": 1,\n \"queue\": 2\n}", 3, "twice")]
    [InlineData("[]", 1, "one JSON object")]
    [InlineData("{\n \"listen\": \"*\"\n}", 2, "takes an API key")]
    [InlineData("{} x", 1, "not valid JSON")]
    public void What_is_wrong_in_the_file_is_told_with_its_line(string json, int line, string problem)
    {
        Write(json);
        var exception = Assert.Throws<InvalidDataException>(() => Read());
        Assert.StartsWith($"{_file} line {line}: ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_file_is_told_as_such()
    {
        Write("");
        Assert.Contains($"{_file}: is empty", Assert.ThrowsAny<IOException>(() => Read()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_places_are_named_too()
    {
        Write("{}");
        Assert.StartsWith("environment: EDGELLM_STOP_SECONDS takes",
            Assert.Throws<InvalidDataException>(() => Read(new() { ["EDGELLM_STOP_SECONDS"] = "-1" })).Message, StringComparison.Ordinal);
        Assert.StartsWith("--kv takes", Assert.Throws<ArgumentException>(() => Read([], new() { ["kv"] = "q4" })).Message,
            StringComparison.Ordinal);
        Assert.StartsWith("--listen is 0.0.0.0:80",
            Assert.Throws<ArgumentException>(() => Read([], new() { ["listen"] = "0.0.0.0:80" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_is_never_shown()
    {
        Write("""{ "apiKey": "geheim" }""");
        Assert.DoesNotContain("geheim", Assert.Throws<InvalidDataException>(() => Read()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_may_be_in_a_file_of_its_own()
    {
        Write("{}");
        string key = Path.GetTempFileName();
        File.WriteAllText(key, "0123456789\n");
        Assert.Equal("0123456789", Read(new() { ["EDGELLM_LISTEN"] = "*:80", ["EDGELLM_API_KEY_FILE"] = key }).ApiKey);
        File.Delete(key);
        Assert.Contains("can't be used", Assert.Throws<InvalidDataException>(() => Read(new() { ["EDGELLM_API_KEY_FILE"] = key })).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("origins", "panel.local")]
    [InlineData("origins", "http://panel.local/page")]
    [InlineData("origins", "http://panel.local:80 80")]
    [InlineData("origins", "http://a,://b")]
    [InlineData("hosts", "http://pi.fritz.box")]
    [InlineData("hosts", "pi.fritz.box:80")]
    public void An_origin_or_host_that_could_never_match_is_refused_at_the_start(string setting, string value)
    {
        Write("{}");
        string message = Assert.Throws<ArgumentException>(() => Read([], new() { [setting] = value })).Message;
        Assert.StartsWith($"--{setting} takes {(setting == "origins" ? "web pages" : "host names")} such as", message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://panel.local/", "http://panel.local")]
    [InlineData("http://panel.local:80", "http://PANEL.local")]
    [InlineData("https://panel.local:443/", "https://panel.local")]
    [InlineData("http://localhost:*", "http://localhost:8080")]
    [InlineData("http://*.local", "http://pi.local")]
    [InlineData("app://*", "app://obsidian.md")]
    [InlineData("file://", "file://")]
    [InlineData("*", "null")]
    public void Origins_are_taken_in_the_forms_that_people_write(string setting, string origin) =>
        Assert.True(AllowedOrigin.Parse(setting).Matches(origin));

    [Fact]
    public void A_file_that_is_named_has_to_be_there() =>
        Assert.ThrowsAny<IOException>(() => SettingsReader.Read("/nonexistent.json", _ => null, new Dictionary<string, string>()));

    [Fact]
    public void Systemd_names_the_state_directory()
    {
        Write("{}");
        Assert.Equal("/var/lib/x", Read(new() { ["STATE_DIRECTORY"] = "/var/lib/x:/var/lib/y" }).StateDirectory);
    }

    [Theory]
    [InlineData("127.0.0.1:8080", "127.0.0.1:8080", true)]
    [InlineData("localhost", "127.0.0.1:11434", true)]
    [InlineData("::1", "[::1]:11434", true)]
    [InlineData("[::1]:0", "[::1]:0", true)]
    [InlineData("8080", "127.0.0.1:8080", true)]
    [InlineData(":8080", "127.0.0.1:8080", true)]
    [InlineData("*:80", "[::]:80", false)]
    [InlineData("192.168.1.5", "192.168.1.5:11434", false)]
    public void Addresses_are_read(string text, string expected, bool loopback)
    {
        var address = ListenAddress.Parse(text);
        Assert.Equal((expected, loopback), (address.ToString(), address.IsLoopback));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData("::80x")]
    [InlineData("65536")]
    [InlineData("70000")]
    [InlineData("8080:")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("127.0.0.1:")]
    [InlineData("raspberrypi")]
    [InlineData("[::1]80x")]
    public void What_is_no_address_is_refused(string text) => Assert.Throws<FormatException>(() => ListenAddress.Parse(text));

    /// <summary>README's way into the network: the two lines that the shipped file has ready, without their comment marks.</summary>
    [Fact]
    public void The_shipped_file_leads_into_the_network_by_two_lines()
    {
        string shipped = File.ReadAllText(Path.Combine(SharedFolder.RepositoryRoot, "tools", "package", "edgellm.json"));
        Write(shipped);
        Assert.Equal(ListenAddress.Default, Read().Listen);
        string key = Path.GetTempFileName();
        File.WriteAllText(key, "0123456789abcdef\n");
        string[] lines = [.. shipped.Split('\n')
            .Select(line => line.Contains("\"listen\"", StringComparison.Ordinal)
                || line.Contains("\"apiKeyFile\"", StringComparison.Ordinal)
            ? line.Replace("// ", "", StringComparison.Ordinal) : line)];
        Write(string.Join('\n', lines).Replace("/etc/edgellm/api-key\"", key + "\"", StringComparison.Ordinal));
        ServerOptions options = Read();
        Assert.Equal(("[::]:11434", "0123456789abcdef"), (options.Listen.ToString(), options.ApiKey));
        File.Delete(key);
    }

    /// <summary>Each setting is in the shipped file once, with its default or an example, so that nobody has to look it up.</summary>
    [Fact]
    public void The_shipped_file_shows_every_setting_once()
    {
        string shipped = File.ReadAllText(Path.Combine(SharedFolder.RepositoryRoot, "tools", "package", "edgellm.json"));
        foreach (Setting setting in Setting.All.Where(setting => setting.Name is not ("apiKey" or "state")))
            Assert.Equal(2, shipped.Split($"\"{setting.Name}\":").Length);
        Write(System.Text.RegularExpressions.Regex.Replace(shipped, "(?m)^  // (\"(?!apiKeyFile))", "  $1"));
        Assert.Throws<InvalidDataException>(() => Read()); // "*" without a key
        Read(new() { ["EDGELLM_API_KEY"] = "0123456789" });
    }

    [Fact]
    public void Commands_are_an_object_of_lists_in_the_file_and_JSON_elsewhere()
    {
        Write("""
            {
              // a voice
              "voiceCommands": {"espeak": ["espeak-ng", "-v", "de, at", "--stdin", "--stdout"], "x": ["/opt/x"]},
              "wyomingAllow": ["192.168.1.0/24", "10.0.0.7"]
            }
            """);
        ServerOptions options = Read();
        Assert.Equal(["espeak-ng", "-v", "de, at", "--stdin", "--stdout"], options.VoiceCommands["espeak"]);
        Assert.Equal(["192.168.1.0/24", "10.0.0.7/32"], options.WyomingAllow.Select(network => network.ToString()));
        Assert.Equal(["y"], Read(new() { ["EDGELLM_VOICE_COMMANDS"] = """{"z": ["y"]}""" }).VoiceCommands["z"]);
        foreach (string wrong in (string[])["\"espeak-ng\"", "[\"espeak-ng\"]", "{\"a\": \"b\"}", "{\"a\": []}", "{\"a\": [1]}",
            "{\"\": [\"b\"]}", "{\"a\": [\"b\"], \"a\": [\"b\"]}", "3"])
        {
            Write($"{{\n\"voiceCommands\": {wrong}}}");
            Assert.Contains("line 2: voiceCommands takes an object of names", Assert.Throws<InvalidDataException>(() => Read()).Message,
                StringComparison.Ordinal);
        }
        Write("""{"model": {"a": 1}}""");
        Assert.Contains("takes one value", Assert.Throws<InvalidDataException>(() => Read()).Message, StringComparison.Ordinal);
        Write("""{"wyomingAllow": "here"}""");
        Assert.Contains("addresses or networks", Assert.Throws<InvalidDataException>(() => Read()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_of_some_settings_needs_no_files_of_the_others()
    {
        Write("""{"apiKeyFile": "/no/such/file", "listen": "0.0.0.0:1", "wyomingAllow": "10.0.0.7"}""");
        Assert.Single(SettingsReader.Read(_file, _ => null, new Dictionary<string, string>(), ["wyomingAllow"]).WyomingAllow);
        Assert.Throws<InvalidDataException>(() => Read());
    }

    public void Dispose() => File.Delete(_file);

    private void Write(string json) => File.WriteAllText(_file, json);

    private ServerOptions Read(Dictionary<string, string>? environment = null, Dictionary<string, string>? commandLine = null) =>
        SettingsReader.Read(_file, name => environment?.GetValueOrDefault(name), commandLine ?? []);
}
