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
        Assert.Equal("edgellm: stopped; the same command continues from here\n", error);
        Assert.Equal(130, program.ExitCode);
        Assert.False(File.Exists(_folder.ModelPath("m-Q4_0.gguf")));
    }

    [Fact]
    public async Task A_file_system_that_takes_no_more_is_one_line_and_what_came_is_kept()
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "limits the size of files with bash's ulimit");
        byte[] model = SampleGguf.Bytes();
        using var hub = LocalHub.With(new() { ["m-Q4_0.gguf"] = model });
        // Without double mapping the runtime itself makes no file that the limit hits.
        using Process program = Start("/bin/bash",
            ["-c", "trap '' XFSZ; ulimit -f 64; DOTNET_EnableWriteXorExecute=0 exec dotnet \"$0\" pull owner/name", Assembly], hub);
        string error = await program.StandardError.ReadToEndAsync();
        await program.WaitForExitAsync();
        Assert.Equal(1, program.ExitCode);
        Assert.Contains("takes no file that large", Assert.Single(error.TrimEnd().Split('\n')));
        Assert.Equal(model[..65_536], await File.ReadAllBytesAsync(_folder.ModelPath("m-Q4_0.gguf.part")));
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

    private static string Assembly => Path.Combine(AppContext.BaseDirectory, "EdgeLlm.Cli.dll");

    private Process Start(LocalHub? hub, params string[] args) => Start("dotnet", [Assembly, .. args], hub);

    private Process Start(string program, string[] args, LocalHub? hub)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["XDG_DATA_HOME"] = _folder.Root;
        start.Environment["HF_HOME"] = _folder.Root;
        start.Environment["HF_ENDPOINT"] = hub?.Address;
        return Process.Start(start)!;
    }
}
