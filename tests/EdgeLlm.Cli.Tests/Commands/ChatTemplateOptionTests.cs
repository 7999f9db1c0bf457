using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>Text that begins with @, models without a chat template, and --chat-template.</summary>
public sealed class ChatTemplateOptionTests
{
    private const string Choices = "--chat-template vicuna|alpaca|dolly|llama2|chatml|FILE";

    private static string Stories => SharedFolder.Require("models", "stories260K.f32.gguf");

    [Fact]
    public async Task Text_that_begins_with_an_at_sign_is_text_and_never_a_file_of_arguments()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("arguments", "--nonsense");
        string[] options = ["--raw", "--temperature", "0", "--max-tokens", "4", "--model", Stories, "--stop", "@" + file, "--dry-breaker",
            "@", "--system", "@" + file];
        CliResult result = await TestCli.RunAsync(["run", .. options, "@" + file]),
            missing = await TestCli.RunAsync(["run", .. options, "@/nonexistent"]);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Equal((0, ""), (missing.ExitCode, missing.Error));
    }

    [Fact]
    public async Task A_model_without_a_template_continues_the_text_and_says_so()
    {
        string[] options = ["--temperature", "0", "--max-tokens", "8", "--model", Stories];
        CliResult raw = await TestCli.RunAsync(["run", "--raw", .. options, "Once upon a time"]),
            plain = await TestCli.RunAsync(["run", .. options, "Once upon a time"]);
        Assert.Equal((0, raw.Output), (plain.ExitCode, plain.Output));
        Assert.Contains($"has no chat template, so it can only continue a text; {Choices}", plain.Error, StringComparison.Ordinal);
        Assert.Single(plain.Error.TrimEnd().Split('\n'));

        CliResult lines = await TestCli.RunAsync(["run", "--chat", .. options],
            Encoding.UTF8.GetBytes("Once upon a time\n\nOnce upon a time\n/bye\nnever read\n"));
        Assert.Equal((0, raw.Output + raw.Output), (lines.ExitCode, lines.Output));

        CliResult system = await TestCli.RunAsync(["run", .. options, "--system", "Be brief.", "Once"]);
        Assert.Equal((ExitCode.Usage, ""), (system.ExitCode, system.Output));
        Assert.Contains(Choices, system.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_named_template_or_a_file_makes_a_chat_of_it()
    {
        using var folder = new TemporaryFolder();
        string own = folder.Write("own.jinja", "{{ messages[0].content }}"), empty = folder.Write("empty.jinja", " "),
            broken = folder.Write("broken.jinja", "{% if %}");
        string[] options = ["run", "--temperature", "0", "--max-tokens", "4", "--model", Stories, "Once upon a time", "--chat-template"];
        foreach (string template in new[] { "vicuna", "alpaca", "dolly", "llama2", "chatml", own })
        {
            CliResult result = await TestCli.RunAsync([.. options, template]);
            Assert.Equal((0, ""), (result.ExitCode, result.Error));
        }
        foreach ((string template, string problem) in new[] { ("nobody", "there is no chat template 'nobody'"), (empty, "is empty"),
            (broken, "chat template, line 1"), ("/dev/zero", "/dev/zero: is a device, not a file") })
        {
            CliResult result = await TestCli.RunAsync([.. options, template]);
            Assert.Equal((ExitCode.Failure, ""), (result.ExitCode, result.Output));
            Assert.Contains(problem, result.Error, StringComparison.Ordinal);
            Assert.Single(result.Error.TrimEnd().Split('\n'));
        }
    }

    [Fact]
    public async Task Quantize_keeps_the_template_that_it_is_given()
    {
        using var folder = new TemporaryFolder();
        string packed = folder.PathOf("packed.gguf"), standard = folder.PathOf("standard.gguf");
        Assert.Equal(0,
            (await TestCli.RunAsync("quantize", Stories, packed, "--fast", "--no-report", "--chat-template", "alpaca")).ExitCode);
        Assert.Equal(0, (await TestCli.RunAsync("quantize", packed, standard, "--type", "f32", "--no-report")).ExitCode);
        foreach (string path in new[] { packed, standard })
        {
            using GgufFile file = GgufFile.Open(path);
            Assert.Contains("### Instruction:", file.Metadata.GetString("tokenizer.chat_template"), StringComparison.Ordinal);
            CliResult result = await TestCli.RunAsync("run", "--max-tokens", "2", "--model", path, "Hello");
            Assert.Equal((0, ""), (result.ExitCode, result.Error));
        }
    }

    [Fact]
    public async Task Serve_takes_a_template_as_a_setting_and_refuses_one_that_is_not_there()
    {
        Assert.Equal(0, (await TestCli.RunAsync("serve", "--check", "--model", Stories, "--chat-template", "vicuna")).ExitCode);
        CliResult result = await TestCli.RunAsync("serve", "--check", "--model", Stories, "--chat-template", "nobody");
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("there is no chat template 'nobody'", result.Error, StringComparison.Ordinal);
    }
}
