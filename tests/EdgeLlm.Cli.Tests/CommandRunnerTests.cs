namespace EdgeLlm.Cli.Tests;

public sealed class CommandRunnerTests
{
    [Fact]
    public async Task An_unknown_option_is_a_usage_error_in_one_line()
    {
        CliResult result = await TestCli.RunAsync("kernels", "--nonsense");
        Assert.Equal(2, result.ExitCode);
        Assert.Empty(result.Output);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
        Assert.Contains("see `edgellm kernels --help`", result.Error);
    }

    [Theory]
    [InlineData("--version")]
    [InlineData("--help")]
    public async Task Version_and_help_are_answers_and_no_errors(string option)
    {
        CliResult result = await TestCli.RunAsync(option);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Matches(option == "--version" ? @"^[0-9]+\.[0-9]+\.[0-9]+" : @"(?s)inspect.*pull", result.Output);
    }

    [Fact]
    public async Task An_option_without_its_value_is_a_usage_error()
    {
        CliResult result = await TestCli.RunAsync("bench", "--threads");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("--threads", result.Error);
    }

    [Fact]
    public async Task A_command_writes_to_standard_output_and_ends_with_0()
    {
        CliResult result = await TestCli.RunAsync("kernels");
        Assert.Equal(0, result.ExitCode);
        Assert.EndsWith("scalar\n", result.Output);
        Assert.Empty(result.Error);
    }
}
