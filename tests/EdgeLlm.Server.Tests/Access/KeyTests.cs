using System.Diagnostics;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.Access;

public sealed class KeyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Theory]
    [InlineData("[]", "one JSON object with a list \"keys\"")]
    [InlineData("{}", "one JSON object with a list \"keys\"")]
    [InlineData("""{"keys":{}}""", "one JSON object with a list \"keys\"")]
    [InlineData("""{"keys":[],"more":1}""", "there is no more; there are keys")]
    [InlineData("""{"keys":[1]}""", "keys[0] must be an object")]
    [InlineData("""{"keys":[{}]}""", "keys[0].name must be a text")]
    [InlineData("""{"keys":[{"name":"a b"}]}""", "keys[0].name must be letters")]
    [InlineData("""{"keys":[{"name":"\ud83d"}]}""", "keys[0].name must be a text")]
    [InlineData("""{"keys":[{"name":"a","role":"root"}]}""", "keys[0].role must be use, device or admin")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"12"}]}""", "keys[0].hash must be the SHA-256")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"HASH","modells":[]}]}""", "there is no keys[0].modells")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"HASH","models":[]}]}""", "keys[0].models must be a list")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"HASH","models":[1]}]}""", "keys[0].models[0] must be a model's name")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"HASH","requestsPerMinute":-1}]}""",
        "keys[0].requestsPerMinute must be a whole number from 0")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"HASH","tokensPerDay":1e30}]}""",
        "keys[0].tokensPerDay must be a whole number from 0")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"HASH","created":"soon"}]}""", "keys[0].created must be a time")]
    [InlineData("""{"keys":[{"name":"a","role":"use","hash":"HASH"},{"name":"b","role":"use","hash":"HASH"}]}""",
        "one key by two names: a, b")]
    [InlineData("""{"keys":[{"name":"a","name":"b"}]}""", "not valid JSON")]
    [InlineData("""{"keys":[""", "not valid JSON")]
    public void What_is_wrong_in_the_file_is_told_with_its_field(string json, string problem)
    {
        string file = Path.Combine(_folder, "keys.json");
        File.WriteAllText(file, json.Replace("HASH", new string('a', 64), StringComparison.Ordinal));
        string message = Assert.ThrowsAny<IOException>(() => KeyFile.Read(file)).Message;
        Assert.StartsWith(file + ": ", message, StringComparison.Ordinal);
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.Contains(problem,
            Assert.Throws<InvalidDataException>(
                () => SettingsReader.Read(null, _ => null, new Dictionary<string, string> { ["keysFile"] = file })).Message,
                StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_has_32_random_bytes_and_the_file_only_its_hash()
    {
        string file = Path.Combine(_folder, "keys.json");
        (ApiKey key, string text) = ApiKey.Create("anna", KeyRole.Use);
        KeyFile.Change(file, keys => [.. keys, key with { Models = ["tiny"], RequestsPerMinute = 5, TokensPerDay = 1000 }]);
        Assert.Equal("edgellm_".Length + 43, text.Length); // 32 bytes in base64
        Assert.DoesNotContain(text, File.ReadAllText(file), StringComparison.Ordinal);
        ApiKey read = Assert.Single(KeyFile.Read(file));
        Assert.Equal(("anna", KeyRole.Use, key.Hash, 5, 1000L, "tiny"),
            (read.Name, read.Role, read.Hash, read.RequestsPerMinute, read.TokensPerDay, read.Models!.Single()));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(file));
    }

    [Fact]
    public void Other_machines_may_come_where_the_file_has_a_key_and_not_where_it_has_none()
    {
        string file = Path.Combine(_folder, "keys.json");
        KeyFile.Change(file, _ => []);
        var given = new Dictionary<string, string> { ["listen"] = "*:1", ["keysFile"] = file };
        Assert.Contains("takes an API key", Assert.Throws<ArgumentException>(() => SettingsReader.Read(null, _ => null, given)).Message,
            StringComparison.Ordinal);
        KeyFile.Change(file, _ => [ApiKey.Create("a", KeyRole.Use).Key]);
        ServerOptions options = SettingsReader.Read(null, _ => null, given);
        using var keys = new Keyring(options, new ServerLog(TextWriter.Null, forJournal: false));
        Assert.True(keys.IsNeeded);
        KeyFile.Change(file, _ => []);
        Assert.True(keys.IsNeeded); // nobody may come then, rather than all
    }

    [Fact]
    public void Requests_come_back_evenly_and_tokens_at_midnight()
    {
        var time = new ManualTime();
        var meter = new KeyMeter(time);
        meter.Limit(ApiKey.Create("a", KeyRole.Use).Key with { RequestsPerMinute = 2, TokensPerDay = 100 });
        Assert.Null(meter.Begin());
        Assert.Null(meter.Begin());
        Assert.Equal(30, meter.Begin()!.Value.RetryAfter.TotalSeconds, 3);
        time.Advance(TimeSpan.FromSeconds(31));
        Assert.Null(meter.Begin());
        Assert.NotNull(meter.Begin());
        meter.Spend(100);
        time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(time.GetUtcNow().Date.AddDays(1) - time.GetUtcNow().DateTime, meter.Begin()!.Value.RetryAfter);
        time.Advance(TimeSpan.FromDays(1));
        Assert.Null(meter.Begin());
        Assert.Equal(0, meter.Tokens);
    }

    [Fact]
    public async Task Tokens_are_counted_for_a_key_also_of_an_answer_that_its_client_left_and_survive_a_restart()
    {
        string file = Path.Combine(_folder, "keys.json");
        (ApiKey key, string text) = ApiKey.Create("anna", KeyRole.Use);
        KeyFile.Change(file, _ => [key]);
        var options = new ServerOptions { KeysFile = file, StateDirectory = _folder };
        long used;
        await using (TestServer server = await TestServer.StartAsync(options))
        {
            server.Client.DefaultRequestHeaders.Add("x-api-key", text);
            var answer = await server.AskAsync("/api/generate",
                """{"model":"tiny","prompt":"Once","raw":true,"stream":false,"options":{"num_predict":5,"temperature":0}}""");
            used = answer.GetProperty("prompt_eval_count").GetInt64() + answer.GetProperty("eval_count").GetInt64();
            KeyMeter meter = server.Server.Keys.All.Single().Meter;
            Assert.Equal(used, await UsedAsync(meter, used));
            using (await server.BeginComputingAsync("/api/generate",
                """{"model":"tiny","prompt":"Once","raw":true,"options":{"num_predict":400,"temperature":0}}""")) { }
            used = await UsedAsync(meter, used + 1);
        }
        using var again = new Keyring(options, new ServerLog(TextWriter.Null, forJournal: false));
        Assert.Equal(used, again.All.Single().Meter.Tokens);

        static async Task<long> UsedAsync(KeyMeter meter, long least)
        {
            var clock = Stopwatch.StartNew();
            while (meter.Tokens < least && clock.Elapsed < TimeSpan.FromMinutes(1)) await Task.Delay(5);
            await Task.Delay(50);
            return meter.Tokens;
        }
    }

    /// <summary>Each key is compared whole, whichever was sent: the number of comparisons doesn't depend on it.</summary>
    [Fact]
    public void A_wrong_key_of_any_length_is_hashed_and_compared_as_a_right_one_is()
    {
        string file = Path.Combine(_folder, "keys.json");
        (ApiKey Key, string Text)[] made = [.. Enumerable.Range(0, 50).Select(i => ApiKey.Create($"k{i}", KeyRole.Use))];
        KeyFile.Change(file, _ => [.. made.Select(one => one.Key)]);
        using var keys = new Keyring(new ServerOptions { KeysFile = file }, new ServerLog(TextWriter.Null, forJournal: false));
        foreach ((ApiKey key, string text) in made) Assert.Equal(key.Name, keys.Find(text)!.Name);
        foreach (string wrong in new[] { "", "x", made[0].Text[..^1], made[0].Text + "x", new string('x', 100_000) })
            Assert.Null(keys.Find(wrong));
    }

    /// <summary>
    /// What a clock could tell is decided by how keys are compared, so that is what is looked at: each of them, by their hashes, in a time
    /// that does not depend on where they differ; and no other place of the service compares one.
    /// </summary>
    [Fact]
    public void Keys_are_compared_by_their_hashes_in_a_fixed_time_and_in_one_place()
    {
        string server = Path.Combine(SharedFolder.RepositoryRoot, "src", "EdgeLlm.Server");
        string keyring = File.ReadAllText(Path.Combine(server, "Access", "Keyring.cs"));
        int begin = keyring.IndexOf("public Caller? Find(", StringComparison.Ordinal);
        int end = keyring.IndexOf("\n    }", begin, StringComparison.Ordinal);
        string find = keyring[begin..end];
        Assert.Contains("HashOf(text)", find, StringComparison.Ordinal);
        Assert.Contains("CryptographicOperations.FixedTimeEquals(hash, entry.Hash)", find, StringComparison.Ordinal);
        foreach (string early in new[] { "break", "continue", "SequenceEqual", "==", "TryGetValue", "FirstOrDefault" })
            Assert.DoesNotContain(early, find, StringComparison.Ordinal);
        Assert.Single(find.Split("return ")[1..]); // after the last key
        foreach (string file in Directory.GetFiles(server, "*.cs", SearchOption.AllDirectories))
            Assert.DoesNotMatch(@"(ApiKey|[kK]eyIn\([^)]*\)|\.Hash) ?(==|!=) ?[^n]|\.Hash\.(Equals|SequenceEqual)", File.ReadAllText(file));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private sealed class ManualTime : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan time) => _now += time;

        public override DateTimeOffset GetUtcNow() => _now;

        public override long GetTimestamp() => _now.Ticks;
    }
}
