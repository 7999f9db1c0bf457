using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class QuantizeCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_packed_model_runs_and_an_existing_file_needs_force()
    {
        string source = SharedFolder.Require("models", "stories260K.f32.gguf"), target = Path.Combine(_folder.Root, "packed.gguf");
        CliResult result = await TestCli.RunAsync("quantize", source, target, "--fast");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("packed.gguf (", result.Output);
        CliResult inspected = await TestCli.RunAsync("inspect", target, "--tensors");
        Assert.Contains("e4g32", inspected.Output);
        Assert.Contains("512", inspected.Output); // the embedding's rows, not its bytes
        CliResult answer = await TestCli.RunAsync("run", "--model", target, "--raw", "--max-tokens", "5", "Once upon a time");
        Assert.Equal(0, answer.ExitCode);
        Assert.NotEmpty(answer.Output);

        byte[] before = await File.ReadAllBytesAsync(target);
        CliResult refused = await TestCli.RunAsync("quantize", source, target, "--fast");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("--force", refused.Error);
        Assert.Equal(0, (await TestCli.RunAsync("quantize", source, target, "--fast", "--force")).ExitCode);
        Assert.Equal(before, await File.ReadAllBytesAsync(target));
    }

    [Fact]
    public async Task A_hugging_face_folder_becomes_a_model_that_runs_and_nothing_else_is_left()
    {
        string source = SharedFolder.Require("golden", "logits", "llama"), target = Path.Combine(_folder.Root, "packed.gguf");
        CliResult plan = await TestCli.RunAsync("quantize", source, target, "--dry-run");
        Assert.Equal(0, plan.ExitCode);
        Assert.Contains("e5g32", plan.Output);
        Assert.Empty(Directory.GetFiles(_folder.Root));

        CliResult result = await TestCli.RunAsync("quantize", source, target, "--fast", "--no-report");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Equal([target], Directory.GetFiles(_folder.Root));
        CliResult answer = await TestCli.RunAsync("run", "--model", target, "--raw", "--max-tokens", "5", "Once upon a time");
        Assert.Equal(0, answer.ExitCode);
        Assert.NotEmpty(answer.Output);
    }

    [Fact]
    public async Task By_default_forms_are_chosen_within_the_bytes_of_4_bits_for_layers_and_8_for_the_rest()
    {
        string source = SharedFolder.Require("golden", "logits", "llama"), target = Path.Combine(_folder.Root, "packed.gguf");
        CliResult chosen = await TestCli.RunAsync("quantize", source, target, "--dry-run"),
            fixedForms = await TestCli.RunAsync("quantize", source, target, "--group", "32", "--dry-run"),
            withoutGradients = await TestCli.RunAsync("quantize", source, target, "--no-gradients", "--dry-run");
        Assert.Equal((0, 0, 0), (chosen.ExitCode, fixedForms.ExitCode, withoutGradients.ExitCode));
        Assert.InRange(Kilobytes(chosen), .97 * Kilobytes(fixedForms), Kilobytes(fixedForms));
        Assert.Contains("predicted KL divergence", chosen.Output);
        Assert.DoesNotContain("e5g32", fixedForms.Output);
        Assert.DoesNotContain("e5g32", withoutGradients.Output);

        static double Kilobytes(CliResult result) => double.Parse(
            result.Output.Split('\n').Single(line => line.Contains("of tensors", StringComparison.Ordinal)).Split(' ')[0],
            System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task A_dry_run_within_a_budget_weighs_a_folders_own_weights_and_leaves_nothing()
    {
        string folder = SharedFolder.Require("golden", "logits", "llama"), whole = Path.Combine(_folder.Root, "whole.gguf"),
            target = Path.Combine(_folder.Root, "packed.gguf");
        Assert.Equal(0, (await TestCli.RunAsync("quantize", folder, whole, "--type", "f32", "--no-report")).ExitCode);
        string[] before = TemporaryFiles();
        CliResult ofFile = await TestCli.RunAsync("quantize", whole, target, "--bits", "6", "--dry-run"),
            ofFolder = await TestCli.RunAsync("quantize", folder, target, "--bits", "6", "--dry-run");
        Assert.Equal((0, 0), (ofFile.ExitCode, ofFolder.ExitCode));
        Assert.Equal(Forms(ofFile), Forms(ofFolder));
        Assert.True(Forms(ofFolder).Select(form => form.Split(' ')[1]).Distinct().Count() > 1); // weighed, not all alike
        Assert.Contains("predicted KL divergence", ofFolder.Output);
        Assert.Equal([whole], Directory.GetFiles(_folder.Root));
        Assert.Empty(TemporaryFiles().Except(before));

        static string[] TemporaryFiles() => Directory.GetFiles(Path.GetTempPath(), "edgellm-*");

        static string[] Forms(CliResult result) =>
            [.. result.Output.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(words => words.Length > 4 && words[0].Contains(".weight", StringComparison.Ordinal))
                .Select(words => $"{words[0]} {words[^3]}")];
    }

    /// <summary>It measured for minutes before it said so.</summary>
    [Theory]
    [InlineData("--size", "0.01")]
    [InlineData("--bits", "1")]
    public async Task A_size_that_no_form_reaches_is_refused_with_the_smallest_before_anything_is_measured(string option, string value)
    {
        string source = SharedFolder.Require("models", "stories260K.f32.gguf"), target = Path.Combine(_folder.Root, "packed.gguf");
        CliResult result = await TestCli.RunAsync("quantize", source, target, option, value);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("MB in its smallest form, more than the", Assert.Single(result.Error.TrimEnd().Split('\n')));
        Assert.False(File.Exists(target));
    }

    [Theory]
    [InlineData("e5", "e5g32", "e4g")]
    [InlineData("e4,e8", "e4g", "e5g32")]
    [InlineData("e3, e8", "e3g32", "e4g")]
    public async Task Forms_limits_what_the_matrices_get(string forms, string taken, string other)
    {
        string source = SharedFolder.Require("models", "stories260K.f32.gguf"), target = Path.Combine(_folder.Root, "packed.gguf");
        CliResult plan = await TestCli.RunAsync("quantize", source, target, "--bits", "7.5", "--forms", forms, "--dry-run");
        Assert.Equal(0, plan.ExitCode);
        Assert.Contains(taken, plan.Output);
        Assert.DoesNotContain(other, plan.Output);
    }

    [Theory]
    [InlineData("e6", "--forms takes a list of e3, e4, e5, e8, not 'e6'")]
    [InlineData("e4", "leave out --fast", "--fast")]
    [InlineData("e4", "leave out --fast", "--no-gradients")]
    public async Task Forms_that_are_none_or_that_nothing_chooses_are_refused(string forms, string words, params string[] more)
    {
        CliResult result =
            await TestCli.RunAsync(["quantize", "in.gguf", Path.Combine(_folder.Root, "packed.gguf"), "--forms", forms, .. more]);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(words, result.Error);
    }

    [Theory]
    [InlineData("config.json", "config.json: ")]
    [InlineData("model-00002-of-00002.safetensors", "model-00002-of-00002.safetensors: ")]
    [InlineData("tokenizer.model", "tokenizer.model: ")]
    public async Task A_folder_with_a_damaged_file_is_one_line_and_nothing_is_left(string file, string message)
    {
        string source = SharedFolder.Require("golden", "logits", "llama"), copy = Path.Combine(_folder.Root, "model"),
            target = Path.Combine(_folder.Root, "packed.gguf");
        Directory.CreateDirectory(copy);
        foreach (string path in Directory.GetFiles(source)) File.Copy(path, Path.Combine(copy, Path.GetFileName(path)));
        byte[] bytes = await File.ReadAllBytesAsync(Path.Combine(copy, file));
        await File.WriteAllBytesAsync(Path.Combine(copy, file), bytes[..(bytes.Length / 2)]);
        CliResult result = await TestCli.RunAsync("quantize", copy, target, "--fast");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(message, result.Error);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
        Assert.Empty(Directory.GetFiles(_folder.Root));
    }
}
