using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class TemplateCommandTests
{
    [Fact]
    public async Task Every_golden_case_gives_its_text_or_fails()
    {
        using var folder = new TemporaryFolder();
        string[] files = Directory.GetFiles(SharedFolder.Require("golden", "chat-templates"), "*.json");
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(file));
            string template = folder.Write("template.jinja", golden.RootElement.GetProperty("template").GetString()!),
                now = golden.RootElement.GetProperty("now").GetString()!;
            foreach (JsonElement item in golden.RootElement.GetProperty("cases").EnumerateArray())
            {
                string input = folder.Write("input.json", item.GetProperty("given").GetRawText());
                CliResult result = await TestCli.RunAsync("template", "--template", template, "--input", input, "--now", now);
                if (item.TryGetProperty("expected", out JsonElement expected))
                {
                    Assert.Equal((0, ""), (result.ExitCode, result.Error));
                    Assert.Equal(expected.GetString(), result.Output);
                }
                else
                {
                    Assert.Equal((1, ""), (result.ExitCode, result.Output));
                    Assert.StartsWith("edgellm: chat template", result.Error);
                    Assert.Equal(1, result.Error.Count(c => c == '\n'));
                }
            }
        }
    }

    [Fact]
    public async Task With_a_model_the_special_tokens_are_the_model_s_unless_they_are_given()
    {
        using var folder = new TemporaryFolder();
        string model = ModelWith(folder, "{{ bos_token }}|{{ eos_token }}|{{ messages[0].content }}");
        string plain = folder.Write("plain.json", """{"messages": [{"content": "hé\u00e9\n"}]}""");
        string own = folder.Write("own.json", """{"eos_token": "<end>", "bos_token": "", "messages": [{"content": "x"}]}""");
        Assert.Equal("<s>|</s>|héé\n", (await TestCli.RunAsync("template", "--model", model, "--input", plain)).Output);
        Assert.Equal("|<end>|x", (await TestCli.RunAsync("template", "--model", model, "--input", own)).Output);
    }

    [Theory]
    [InlineData("2026-03-14", "2026-03-14 00:00:00")]
    [InlineData("2026-03-14T09:26", "2026-03-14 09:26:00")]
    [InlineData("2026-03-14T09:26:53", "2026-03-14 09:26:53")]
    [InlineData("2026-03-14T09:26:53.25Z", "2026-03-14 09:26:53")]
    [InlineData("2026-03-14T09:26:53+05:30", "2026-03-14 09:26:53")]
    public async Task The_template_is_told_the_time_as_written(string now, string expected)
    {
        using var folder = new TemporaryFolder();
        string template = folder.Write("template.jinja", "{{ strftime_now('%Y-%m-%d %H:%M:%S') }}"),
            input = folder.Write("input.json", "{}");
        CliResult result = await TestCli.RunAsync("template", "--template", template, "--input", input, "--now", now);
        Assert.Equal((0, expected), (result.ExitCode, result.Output));
    }

    [Theory]
    [InlineData("{{ 1", "{}", "edgellm: chat template, line 1: ")]
    [InlineData("a{{ raise_exception('no\nsystem') }}", "{}", "edgellm: chat template, line 1: no system\n")]
    [InlineData("x", "[]", "edgellm: {0}: not a JSON object\n")]
    [InlineData("x", "{\"messages\": ", "edgellm: {0}: line 1")]
    public async Task A_template_s_error_and_bad_input_get_one_line_and_no_text(string template, string input, string expected)
    {
        using var folder = new TemporaryFolder();
        string inputFile = folder.Write("input.json", input);
        CliResult result = await TestCli.RunAsync("template", "--template", folder.Write("template.jinja", template), "--input", inputFile);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        Assert.StartsWith(expected.Replace("{0}", inputFile, StringComparison.Ordinal), result.Error);
        Assert.Equal(1, result.Error.Count(c => c == '\n'));
    }

    [Fact]
    public async Task Half_a_surrogate_pair_in_the_input_gets_one_line()
    {
        using var folder = new TemporaryFolder();
        string model = ModelWith(folder, "{{ messages }}");
        foreach (string json in new[] { """{"\ud800": 1}""", """{"messages": "\udc00"}""" })
        {
            CliResult result = await TestCli.RunAsync("template", "--model", model, "--input", folder.Write("input.json", json));
            Assert.Equal((1, ""), (result.ExitCode, result.Output));
            Assert.Equal(1, result.Error.Count(c => c == '\n'));
        }
    }

    [Fact]
    public async Task A_model_without_a_template_gets_the_one_that_is_named_and_never_one_that_its_vocabulary_does_not_know()
    {
        using var folder = new TemporaryFolder();
        string model = SharedFolder.Require("golden", "tokenizers", "ggml-vocab-llama-spm.gguf");
        string input = folder.Write("input.json", """{"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true}""");
        CliResult result = await TestCli.RunAsync("template", "--model", model, "--input", input);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        Assert.Contains("--chat-template vicuna|alpaca|dolly|llama2|chatml|FILE", result.Error);
        foreach ((string name, string expected) in new[]
        {
            ("chatml", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"), ("llama2", "<s>[INST] Hi [/INST]"),
            (folder.Write("own.jinja", "{{ bos_token }}!"), "<s>!"),
        })
        {
            result = await TestCli.RunAsync("template", "--model", model, "--input", input, "--chat-template", name);
            Assert.Equal((0, expected), (result.ExitCode, result.Output));
        }
    }

    [Fact]
    public async Task A_missing_file_gets_one_line()
    {
        using var folder = new TemporaryFolder();
        string input = folder.Write("input.json", "{}"), none = folder.PathOf("none.gguf"),
            model = SharedFolder.Require("golden", "tokenizers", "ggml-vocab-llama-spm.gguf");
        foreach (string[] options in new string[][] { ["--template", none, "--input", input], ["--model", none, "--input", input],
            ["--template", input, "--input", none], ["--model", model, "--input", none] })
        {
            CliResult result = await TestCli.RunAsync(["template", .. options]);
            Assert.Equal((1, ""), (result.ExitCode, result.Output));
            Assert.Contains(none, result.Error);
            Assert.Equal(1, result.Error.Count(c => c == '\n'));
        }
    }

    [Theory]
    [InlineData("--input is required", "--template", "t")]
    [InlineData("--model and --template exclude each other", "--template", "t", "--model", "m", "--input", "i")]
    [InlineData("--now takes a time such as 2026-03-14T09:26:53 or 2026-03-14T09:26:53+01:00, not 'noon'", "--template", "t",
        "--input", "i", "--now", "noon")]
    public async Task A_wrong_option_is_a_usage_error(string expected, params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["template", .. options]);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Equal($"edgellm: {expected}; see `edgellm template --help`\n", result.Error);
    }

    /// <summary>Llama's vocabulary with a chat template.</summary>
    private static string ModelWith(TemporaryFolder folder, string template)
    {
        string path = folder.PathOf("model.gguf");
        using GgufFile file = GgufFile.Open(SharedFolder.Require("golden", "tokenizers", "ggml-vocab-llama-spm.gguf"));
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.Set("tokenizer.chat_template", GgufValue.Of(template));
        writer.Save(path);
        return path;
    }
}
