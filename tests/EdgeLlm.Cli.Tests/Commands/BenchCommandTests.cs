using System.Text.Json;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class BenchCommandTests
{
    [Fact]
    public async Task Json_has_the_figures_that_llamacpp_bench_has()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        CliResult result = await TestCli.RunAsync("bench", "--model", path, "--threads", "1", "--prompt", "8", "--decode", "4", "--depth",
            "16", "--rounds", "2", "--json");
        Assert.Equal("", result.Error);
        Assert.Equal(0, result.ExitCode);
        using JsonDocument document = JsonDocument.Parse(result.OutputBytes);
        foreach (string figure in (string[])["prompt_tps", "decode_tps", "first_token_s"])
            Assert.True(document.RootElement.GetProperty(figure).GetDouble() > 0, figure);
        foreach (string figure in (string[])["peak_rss_mb", "peak_anonymous_mb"])
            Assert.Equal(OperatingSystem.IsLinux() ? JsonValueKind.Number : JsonValueKind.Null,
                document.RootElement.GetProperty(figure).ValueKind);
        Assert.Equal(1, document.RootElement.GetProperty("threads").GetInt32());
        Assert.Equal(16, document.RootElement.GetProperty("depth").GetInt32());
        Assert.NotEqual("", document.RootElement.GetProperty("cpu").GetString());
    }

    [Fact]
    public async Task A_test_of_no_tokens_is_left_out()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        CliResult result = await TestCli.RunAsync("bench", "--model", path, "--threads", "1", "--prompt", "0", "--decode", "2", "--rounds",
            "1", "--kernel", "scalar", "--json");
        using JsonDocument document = JsonDocument.Parse(result.OutputBytes);
        Assert.Equal(JsonValueKind.Null, document.RootElement.GetProperty("prompt_tps").ValueKind);
        Assert.Equal("scalar", document.RootElement.GetProperty("kernel").GetString());
    }

    [Fact]
    public async Task Answers_that_decode_together_are_compared_with_one_and_with_the_prompt()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        CliResult result = await TestCli.RunAsync("bench", "--model", path, "-t", "1", "-p", "8", "-n", "4", "-d", "4", "-r", "2",
            "--parallel", "2,8", "--json");
        Assert.Equal("", result.Error);
        using JsonDocument document = JsonDocument.Parse(result.OutputBytes);
        JsonElement[] rates = [.. document.RootElement.GetProperty("parallel").EnumerateArray()];
        Assert.Equal([2, 8], rates.Select(rate => rate.GetProperty("answers").GetInt32()));
        foreach (string figure in (string[])["tps", "gain", "gmacs", "share_of_prompt"])
            Assert.All(rates, rate => Assert.True(rate.GetProperty(figure).GetDouble() > 0, figure));
    }

    [Theory]
    [InlineData("--parallel", "9")]
    [InlineData("--parallel", "1,,2")]
    [InlineData("--threads", "0")]
    [InlineData("--threads", "many")]
    [InlineData("--rounds", "0")]
    [InlineData("--prompt", "-1")]
    [InlineData("--prompt", "2147483647")]
    [InlineData("--decode", "2147483616")]
    [InlineData("--chunk", "2147483647")]
    [InlineData("--kv", "f64")]
    public async Task A_wrong_number_is_a_usage_error_that_names_the_option(string option, string value)
    {
        CliResult result = await TestCli.RunAsync("bench", option, value);
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith($"edgellm: {option} takes", result.Error);
        Assert.Contains($"'{value}'", result.Error);
    }

    [Fact]
    public async Task More_threads_than_processors_are_cut_with_a_note()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        CliResult result = await TestCli.RunAsync("bench", "--model", path, "-t", "9999", "-p", "4", "-n", "2", "-r", "1", "--json");
        Assert.Equal(0, result.ExitCode);
        Assert.StartsWith("edgellm: --threads 9999: this machine has ", result.Error);
        using JsonDocument document = JsonDocument.Parse(result.OutputBytes);
        Assert.Equal(Environment.ProcessorCount, document.RootElement.GetProperty("threads").GetInt32());
    }

    [Fact]
    public async Task A_kernel_that_is_not_there_is_a_usage_error()
    {
        CliResult result =
            await TestCli.RunAsync("bench", "--model", SharedFolder.Require("models", "stories260K.f32.gguf"), "--kernel", "abacus");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("abacus", result.Error);
    }
}
