using System.Text;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class RunCommandTests
{
    private static string Stories => SharedFolder.Require("models", "stories260K.f32.gguf");

    private static string Chat => SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf");

    [Fact]
    public async Task A_raw_prompt_is_continued_and_nothing_else_is_written()
    {
        CliResult result =
            await TestCli.RunAsync("run", "--raw", "--temperature", "0", "--max-tokens", "8", "--model", Stories, "Once upon a time");
        Assert.Equal(0, result.ExitCode);
        Assert.StartsWith(", there was a", result.Output);
        Assert.Empty(result.Error);
    }

    [Fact]
    public async Task A_prompt_on_standard_input_is_as_one_in_the_arguments()
    {
        string[] options = ["run", "--raw", "--temperature", "0", "--max-tokens", "8", "--model", Stories];
        CliResult piped = await TestCli.RunAsync(options, Encoding.UTF8.GetBytes("Once upon a time\n"));
        Assert.Equal((await TestCli.RunAsync([.. options, "Once upon a time"])).Output, piped.Output);
    }

    [Theory]
    [InlineData("Once upon", " a time\n", "Once upon\n\n a time")]
    [InlineData("Once upon", " \r\n", "Once upon")]
    [InlineData("Once upon", "", "Once upon")]
    [InlineData(null, "Once\r\n", "Once")]
    public async Task A_prompt_and_standard_input_are_one_prompt(string? prompt, string input, string expected)
    {
        string[] options = ["run", "--raw", "--temperature", "0", "-n", "6", "-m", Stories];
        CliResult joined =
            await TestCli.RunAsync([.. options, .. prompt is null ? Array.Empty<string>() : [prompt]], Encoding.UTF8.GetBytes(input));
        CliResult whole = await TestCli.RunAsync([.. options, "--", expected]);
        Assert.Equal((0, whole.Output), (joined.ExitCode, joined.Output));
        CliResult without = await TestCli.RunAsync([.. options, "--no-stdin", "-p", "Once upon"], " a time"u8.ToArray());
        Assert.Equal((await TestCli.RunAsync([.. options, "Once upon"])).Output, without.Output);
    }

    [Fact]
    public async Task Options_have_the_names_of_llama_cpps()
    {
        string[] long_ = ["run", "--raw", "--model", Stories, "--temperature", "0", "--max-tokens", "6", "--context", "64",
            "--threads", "1", "Once upon"];
        string[] short_ = ["run", "--raw", "-m", Stories, "--temp", "0", "-n", "6", "-c", "64", "-t", "1", "-p", "Once upon"];
        Assert.Equal((await TestCli.RunAsync(long_)).Output, (await TestCli.RunAsync(short_)).Output);
        Assert.Equal(0, (await TestCli.RunAsync("run", "--raw", "-m", Stories, "-n", "2", "--seed", "-1", "Once")).ExitCode);
        Assert.Contains("twice", (await TestCli.RunAsync("run", "-m", Stories, "-p", "a", "b")).Error);
    }

    [Theory]
    [InlineData("^\\[[1-9,]*\\]$", "--format", """{"type":"array","items":{"type":"integer","minimum":1,"maximum":9}}""")]
    [InlineData("^a[bc]+d$", "--regex", "a[bc]+d")]
    public async Task An_answer_has_the_form_that_is_asked_for(string pattern, params string[] form)
    {
        CliResult result = await TestCli.RunAsync(["run", "--raw", "-m", Stories, "--temp", "1.5", "-n", "40", .. form, "Once"]);
        Assert.Equal(0, result.ExitCode);
        Assert.Matches(pattern, result.Output.Replace(" ", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_form_comes_from_a_file_too_and_one_that_is_wrong_is_named()
    {
        using var folder = new TemporaryFolder();
        string grammar = folder.Write("answer.gbnf", "root ::= \"yes\" | \"no\""),
            lark = folder.Write("answer.lark", "start: \"yes\" | \"no\""),
            schema = folder.Write("schema.json", """{"enum":["yes","no"]}""");
        foreach (string[] form in new[] { new[] { "--grammar", grammar }, ["--grammar", lark], ["--format", schema] })
            Assert.Contains((await TestCli.RunAsync(["run", "--raw", "-m", Stories, .. form, "Once"])).Output.Trim(),
                (string[])["yes", "no", "\"yes\"", "\"no\""]);
        CliResult wrong = await TestCli.RunAsync("run", "--raw", "-m", Stories, "--format", """{"not":{}}""", "Once");
        Assert.Equal((2, "edgellm: --format: schema #/not: is not supported\n"), (wrong.ExitCode, wrong.Error));
        Assert.Contains("use one",
            (await TestCli.RunAsync("run", "--raw", "-m", Stories, "--format", "json", "--regex", "a", "Once")).Error);
    }

    [Fact]
    public async Task An_answer_ends_with_the_context_with_its_text_and_a_note()
    {
        CliResult result = await TestCli.RunAsync("run", "--raw", "-m", Stories, "--temp", "0", "-c", "32", "Once upon a time");
        Assert.Equal(0, result.ExitCode);
        Assert.StartsWith(", there was", result.Output);
        Assert.Equal("edgellm: the answer was cut because the context of 32 tokens is full; --context makes it larger\n", result.Error);
        CliResult strict =
            await TestCli.RunAsync("run", "--raw", "-m", Stories, "--temp", "0", "-c", "32", "--when-full", "refuse", "Once upon a time");
        Assert.Equal(1, strict.ExitCode);
    }

    [Fact]
    public async Task An_answer_ends_at_2048_tokens_or_in_a_loop_unless_asked_otherwise()
    {
        // one token for ever
        string[] options = ["run", "--raw", "-m", Stories, "--temp", "0", "-c", "3000", "--logit-bias", "300=100000", "--stats"];
        CliResult looping = await TestCli.RunAsync([.. options, "Once"]);
        Assert.Equal(0, looping.ExitCode);
        Assert.Contains("it said the same words 8 times over; --no-loop-guard", looping.Error);
        Assert.Contains("answer 64 tokens", looping.Error);
        CliResult usual = await TestCli.RunAsync([.. options, "--no-loop-guard", "Once"]);
        Assert.Contains("cut at 2048 tokens; -n -1", usual.Error);
        Assert.Contains("answer 2048 tokens", usual.Error);
        CliResult asked = await TestCli.RunAsync([.. options, "--no-loop-guard", "-n", "100", "Once"]);
        Assert.DoesNotContain("cut", asked.Error);
        Assert.Contains("context of 3000 tokens is full",
            (await TestCli.RunAsync([.. options, "--no-loop-guard", "-n", "-1", "Once"])).Error);
    }

    [Fact]
    public async Task A_context_beyond_the_training_length_warns()
    {
        CliResult result = await TestCli.RunAsync("run", "--raw", "-m", Stories, "-n", "2", "-c", "4000", "Once");
        Assert.Equal(0, result.ExitCode);
        Assert.Equal("edgellm: --context 4000: the model was trained on 512 tokens, and beyond them its answers get worse\n", result.Error);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_answer()
    {
        string[] options = ["run", "--seed", "7", "--max-tokens", "12", "--model", Chat, "--context", "256", "Tell me a joke."];
        string first = (await TestCli.RunAsync(options)).Output;
        Assert.Equal(first, (await TestCli.RunAsync([.. options, "--threads", "1"])).Output);
        Assert.NotEmpty(first.Trim());
    }

    [Fact]
    public async Task Statistics_go_to_standard_error()
    {
        CliResult result = await TestCli.RunAsync("run", "--raw", "--stats", "--max-tokens", "4", "--model", Stories, "Once");
        Assert.Contains("answer 4 tokens", result.Error);
        Assert.DoesNotContain("tokens", result.Output);
    }

    [Fact]
    public async Task A_conversation_has_history_and_commands_and_can_be_kept()
    {
        string file = Path.Combine(Path.GetTempPath(), $"edgellm-chat-{Environment.ProcessId}.kv");
        try
        {
            CliResult result = await TestCli.RunAsync(
                ["run", "--chat", "--temperature", "0", "--max-tokens", "6", "--model", Chat, "--context", "256"],
                Encoding.UTF8.GetBytes(
                    $"/help\nHello!\n/stats\n/save {file}\n/reset\n/load {file}\n/stats\n/load /nonexistent/file\n/nonsense\nGo "
                        + "on.\n/bye\nnever read\n"));
            Assert.Equal(0, result.ExitCode);
            Assert.Contains("/save FILE", result.Output);
            Assert.Contains("kept in", result.Output);
            Assert.Contains("2 messages", result.Output);
            Assert.Contains("/nonexistent/file:", result.Output);
            Assert.Contains("no command /nonsense", result.Output);
            string[] contexts = [.. result.Output.Split('\n').Where(line => line.StartsWith("context: ", StringComparison.Ordinal))];
            Assert.Equal(2, contexts.Length);
            Assert.Equal(contexts[0], contexts[1]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>23 kB a token: 370 GB, more than any machine that runs this has.</summary>
    [Fact]
    public async Task A_context_within_the_bounds_that_does_not_fit_into_memory_is_refused_with_the_numbers()
    {
        string model = SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf");
        CliResult result = await TestCli.RunAsync(["run", "--model", model, "--context", "16000000", "hello"]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("needs", result.Error);
        Assert.Contains("cache for 16000000 tokens", result.Error);
    }

    [Fact]
    public async Task Guessing_changes_no_answer()
    {
        string[] ask = ["run", "--raw", "-m", Stories, "--temp", "0.7", "--seed", "4", "-n", "60", "Once upon a time"];
        CliResult plain = await TestCli.RunAsync([.. ask, "--speculation", "off"]);
        Assert.Equal(0, plain.ExitCode);
        Assert.Equal(plain.Output, (await TestCli.RunAsync([.. ask, "--speculation", "auto"])).Output);
        Assert.Equal(plain.Output, (await TestCli.RunAsync([.. ask, "--draft", Stories])).Output);
    }

    [Theory]
    [InlineData(2, "no option --tmeperature", "--tmeperature")]
    [InlineData(2, "Temperature", "--temperature", "-3", "hello")]
    [InlineData(2, "--temperature takes a number", "--temperature", "warm", "hello")]
    [InlineData(2, "--logit-bias takes TOKEN=VALUE", "--logit-bias", "x", "hello")]
    [InlineData(2, "--when-full takes", "--when-full", "explode", "hello")]
    [InlineData(2, "--speculation takes", "--speculation", "maybe", "hello")]
    [InlineData(2, "no prompt")]
    [InlineData(2, "no kernel 'abacus'", "--kernel", "abacus", "hello")]
    [InlineData(2, "--context takes a whole number from 1 to 16777216, not '100000000'", "--context", "100000000", "hello")]
    [InlineData(2, "--context takes a whole number from 1 to 16777216, not '2147483616'", "--context", "2147483616", "hello")]
    public async Task What_is_wrong_is_said_in_a_line_with_its_exit_code(int exitCode, string expected, params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["run", "--model", Stories, .. options]);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(expected, result.Error);
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task A_prompt_longer_than_the_context_is_refused_with_the_numbers()
    {
        CliResult result = await TestCli.RunAsync("run", "--raw", "--model", Stories, "--context", "8", "--max-tokens", "4",
            "Once upon a time there was a little girl who had many friends.");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("the context has 8", result.Error);
    }
}
