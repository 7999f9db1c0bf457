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
}
