using System.Text.Json;
using EdgeLlm.Server.Access;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class KeysCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Keys => Path.Combine(_folder.Root, "keys.json");

    [Fact]
    public async Task A_key_is_shown_once_listed_without_itself_and_removed()
    {
        CliResult added = await TestCli.RunAsync("keys", "add", "anna", "--models", "tiny, other", "--requests-per-minute", "5",
            "--tokens-per-day", "3000000000", "--file", Keys);
        Assert.Equal(ExitCode.Success, added.ExitCode);
        string key = added.Output.Trim();
        Assert.Equal(KeyFile.Read(Keys).Single().Hash,
            Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key))));
        Assert.Contains("shown this once", added.Error, StringComparison.Ordinal);
        await TestCli.RunAsync("keys", "add", "root", "--admin", "--file", Keys);
        await TestCli.RunAsync("keys", "add", "panel", "--device", "--file", Keys);
        CliResult listed = await TestCli.RunAsync("keys", "list", "--file", Keys);
        Assert.DoesNotContain(key, listed.Output, StringComparison.Ordinal);
        Assert.Contains("tiny,other", listed.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse((await TestCli.RunAsync("keys", "list", "--json", "--file", Keys)).Output).RootElement;
        Assert.Equal(["use", "admin", "device"], json.EnumerateArray().Select(one => one.GetProperty("role").GetString()));
        Assert.Equal((5, 3_000_000_000),
            (json[0].GetProperty("requests_per_minute").GetInt32(), json[0].GetProperty("tokens_per_day").GetInt64()));
        Assert.Equal(ExitCode.Success, (await TestCli.RunAsync("keys", "remove", "anna", "--file", Keys)).ExitCode);
        Assert.Equal(["root", "panel"], KeyFile.Read(Keys).Select(one => one.Name));
        await TestCli.RunAsync("keys", "remove", "root", "--file", Keys);
        Assert.Contains("the last one", (await TestCli.RunAsync("keys", "remove", "panel", "--file", Keys)).Output,
            StringComparison.Ordinal);
        Assert.Contains("There are no keys", (await TestCli.RunAsync("keys", "list", "--file", Keys)).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("letters, digits", "keys", "add", "a b")]
    [InlineData("there is a key 'old' already", "keys", "add", "old")]
    [InlineData("there is no key 'new'", "keys", "remove", "new")]
    [InlineData("--requests-per-minute takes a whole number of at least 1, not '0'", "keys", "add", "a", "--requests-per-minute", "0")]
    [InlineData("--tokens-per-day takes a whole number of at least 1, not 'many'", "keys", "add", "a", "--tokens-per-day", "many")]
    [InlineData("give one of them", "keys", "add", "a", "--admin", "--device")]
    [InlineData("--models takes models' names", "keys", "add", "a", "--models", ",")]
    public async Task What_is_wrong_is_one_line_and_changes_nothing(string problem, params string[] arguments)
    {
        await TestCli.RunAsync("keys", "add", "old", "--file", Keys);
        string before = await File.ReadAllTextAsync(Keys);
        CliResult result = await TestCli.RunAsync([.. arguments, "--file", Keys]);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(problem, Assert.Single(result.Error.Trim().Split('\n')), StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllTextAsync(Keys));
        Assert.Equal([Keys], Directory.GetFiles(_folder.Root));
    }

    public void Dispose() => _folder.Dispose();
}
