using System.Diagnostics;
using EdgeLlm.Cli.Tests.Pull;

namespace EdgeLlm.Cli.Tests;

/// <summary>The program as a process of its own.</summary>
public sealed class ProgramTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Ctrl_C_ends_a_command_in_order_with_130()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "sends a signal with Linux's kill");
        byte[] model = SampleGguf.Bytes();
        var underWay = new TaskCompletionSource();
        using var hub = LocalHub.With(new() { ["m-Q4_0.gguf"] = model }, (request, usual) =>
        {
            if (request.IsFile) underWay.SetResult();
            return request.IsFile ? usual with { CutAfter = 10_000, ThenSilent = true } : null;
        });
        using Process program = Start(hub, "pull", "owner/name");
        await underWay.Task.WaitAsync(TimeSpan.FromMinutes(1));
        using (var kill = Process.Start("kill", ["-INT", $"{program.Id}"])) await kill.WaitForExitAsync();
        string error = await program.StandardError.ReadToEndAsync();
        await program.WaitForExitAsync();
        Assert.Equal("edgellm: stopped; the same command goes on from here\n", error);
        Assert.Equal(130, program.ExitCode);
        Assert.False(File.Exists(_folder.ModelPath("m-Q4_0.gguf")));
    }

    [Theory]
    [InlineData(0, "list")]
    [InlineData(1, "inspect", "/no/such/file.gguf")]
    [InlineData(2, "list", "--nonsense")]
    public async Task Exit_codes_are_the_programs(int exitCode, params string[] args)
    {
        using Process program = Start(null, args);
        await program.WaitForExitAsync();
        Assert.Equal(exitCode, program.ExitCode);
    }

    public void Dispose() => _folder.Dispose();

    private Process Start(LocalHub? hub, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "EdgeLlm.Cli.dll"), .. args]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["XDG_DATA_HOME"] = _folder.Root;
        start.Environment["HF_ENDPOINT"] = hub?.Address;
        return Process.Start(start)!;
    }
}
