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

    /// <summary>Whatever the file is called: with `dotnet run` and in the portable package it is EdgeLlm.Cli.dll.</summary>
    [Theory]
    [InlineData("edgellm [command] [options]", "--help")]
    [InlineData("edgellm run [<prompt>...] [options]", "run", "--help")]
    [InlineData("edgellm [command] [options]")]
    public async Task The_usage_calls_the_program_edgellm(string expected, params string[] arguments) =>
        Assert.Contains(expected, (await TestCli.RunAsync(arguments)).Output);

    [Theory]
    [InlineData("logits", "--kernel", "scalar", "--kernel", "scalar", "--ids", "i", "--output", "o")]
    [InlineData("run", "--model", "a", "--model", "b", "hi")]
    [InlineData("serve", "--model", "a", "--model", "b")]
    [InlineData("quantize", "--group", "16", "--group", "32", "in", "out")]
    public async Task An_option_that_stands_twice_is_a_usage_error_in_one_line(params string[] arguments)
    {
        CliResult result = await TestCli.RunAsync(arguments);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Contains("expects a single argument but 2 were provided", Assert.Single(result.Error.TrimEnd().Split('\n')));
    }

    [Theory]
    [InlineData("--type", "--dry-run")]
    [InlineData("--group", "--fast")]
    [InlineData("--embedding", "e6")]
    public async Task A_choice_takes_nothing_but_its_values(string option, string value)
    {
        CliResult result = await TestCli.RunAsync("quantize", "in.gguf", "out.gguf", option, value);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains($"{option} takes", Assert.Single(result.Error.TrimEnd().Split('\n')));
    }

    [Theory]
    [InlineData("run", "--model", "a\0b", "hi")]
    [InlineData("inspect", "a\0b")]
    [InlineData("run", "--chat-template", "a\0b", "hi")]
    [InlineData("perplexity", "--text", "a\0b")]
    [InlineData("serve", "--config", "a\0b")]
    [InlineData("serve", "--api-key-file", "a\0b")]
    public async Task A_name_with_a_null_character_is_one_line_of_ours(params string[] arguments)
    {
        CliResult result = await TestCli.RunAsync(arguments);
        Assert.True(result.ExitCode is 1 or 2, result.Error);
        Assert.DoesNotContain("Parameter", Assert.Single(result.Error.TrimEnd().Split('\n')));
    }

    [Theory]
    [InlineData]
    [InlineData("help")]
    [InlineData("help", "bench")]
    public async Task Nothing_and_help_are_answered_with_the_usage(params string[] args)
    {
        CliResult result = await TestCli.RunAsync(args);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains(args.Length > 1 ? "--rounds" : "quantize", result.Output);
    }

    [Theory]
    [InlineData("did you mean run?", "rum", "hi")]
    [InlineData("did you mean pull?", "pul", "owner/name")]
    [InlineData("did you mean list?", "lst")]
    [InlineData("did you mean --json?", "list", "--jsn")]
    [InlineData("did you mean --json?", "list", "-json")]
    [InlineData("did you mean --top-k?", "run", "--top_k", "5", "hi")]
    [InlineData("did you mean --model?", "bench", "--modle", "x")]
    [InlineData("there is no option -x", "run", "-x", "hi")]
    [InlineData("list takes no 'foo'", "list", "foo")]
    [InlineData("serve takes no 'llama3.2'; a model goes after --model", "serve", "llama3.2")]
    [InlineData("bench takes no 'x.gguf'; a model goes after --model", "bench", "x.gguf")]
    [InlineData("echo -n TEXT | edgellm tokenize", "tokenize", "Hello!")]
    [InlineData("quantize takes INPUT and OUTPUT.gguf", "quantize")]
    [InlineData("quantize takes OUTPUT.gguf", "quantize", "in.gguf")]
    [InlineData("rm takes NAME", "rm")]
    [InlineData("keys add takes NAME; see `edgellm keys add --help`", "keys", "add")]
    [InlineData("say takes no 'there'; a text of several words goes in quotes", "say", "hello", "there")]
    [InlineData("phonemes takes no 'there'; a text of several words goes in quotes", "phonemes", "hello", "there")]
    [InlineData("cache clear takes no 'x'; see `edgellm cache clear --help`", "cache", "clear", "x")]
    [InlineData("keys takes a command: add, list, remove; see `edgellm keys --help`", "keys")]
    [InlineData("--system is required; --output is required", "snapshot")]
    [InlineData("--format: the schema is not JSON (line 1, byte 2): Expected", "run", "--format", "{", "hi")]
    [InlineData("it computes on the processor", "run", "-ngl", "99", "hi")]
    [InlineData("--listen 127.0.0.1:PORT", "serve", "--port", "8080")]
    [InlineData("systemctl stop edgellm", "stop", "llama3.2")]
    [InlineData("edgellm run < FILE", "run", "-f", "prompt.txt")]
    public async Task What_is_nearly_right_or_from_elsewhere_is_answered_in_a_line_with_what_was_meant(
        string expected, params string[] args)
    {
        CliResult result = await TestCli.RunAsync(args);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(expected, Assert.Single(result.Error.TrimEnd().Split('\n')));
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task Commands_have_the_names_of_Ollamas()
    {
        Assert.Contains("SmolLM2-135M-Instruct", (await TestCli.RunAsync("ls")).Output);
        Assert.StartsWith("SmolLM2-135M-Instruct\n", (await TestCli.RunAsync("show")).Output);
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
