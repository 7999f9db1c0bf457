namespace EdgeLlm.Cli.Tests;

public sealed class CommandRunnerTests
{
    [Fact]
    public async Task An_unknown_option_is_a_usage_error_in_two_lines()
    {
        CliResult result = await TestCli.RunAsync("kernels", "--nonsense");
        Assert.Equal(2, result.ExitCode);
        Assert.Empty(result.Output);
        Assert.Equal(2, result.Error.TrimEnd().Split('\n').Length);
        Assert.Contains("see `edgellm kernels --help`", result.Error);
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
