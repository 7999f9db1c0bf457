using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class ServeCommandTests
{
    private static string Model => SharedFolder.Require("models", "stories260K.f32.gguf");

    [Fact]
    public async Task Check_says_what_would_be_served_and_where()
    {
        CliResult result = await TestCli.RunAsync("serve", "--check", "--model", Model, "--listen", "localhost:99");
        Assert.Equal((0, $"stories260K.f32 ({Model}) on 127.0.0.1:99\n"), (result.ExitCode, result.Output));
    }

    [Fact]
    public async Task Environment_and_options_are_read_and_the_key_has_no_option()
    {
        CliResult result = await TestCli.RunAsync(["serve", "--check", "--model", Model], input: null,
            new Dictionary<string, string?> { ["EDGELLM_LISTEN"] = "*:80", ["EDGELLM_API_KEY"] = "0123456789", ["EDGELLM_NAME"] = "tiny" });
        Assert.Equal((0, $"tiny ({Model}) on [::]:80\n"), (result.ExitCode, result.Output));
        Assert.Equal(ExitCode.Usage, (await TestCli.RunAsync("serve", "--check", "--model", Model, "--api-key", "0123456789")).ExitCode);
    }

    [Theory]
    [InlineData(ExitCode.Usage, "--listen is 0.0.0.0:80", "--listen", "0.0.0.0:80")]
    [InlineData(ExitCode.Usage, "--queue takes", "--queue", "-1")]
    [InlineData(ExitCode.Failure, "/nonexistent.json", "--config", "/nonexistent.json")]
    [InlineData(ExitCode.Failure, "there is no model 'nobody'", "--model", "nobody")]
    public async Task What_is_wrong_is_one_line(int exitCode, string problem, params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["serve", "--check", .. options]);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(problem, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd().Split('\n'), line => line.StartsWith("edgellm: ", StringComparison.Ordinal));
    }
}
