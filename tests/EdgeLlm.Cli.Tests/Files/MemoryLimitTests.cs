using EdgeLlm.Models;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Files;

/// <summary>The program in a control group of its own, where this machine lets a test make one.</summary>
public sealed class MemoryLimitTests : IDisposable
{
    private const long Limit = 300_003_328; // whole pages

    private readonly TemporaryFolder _folder = new();
    private readonly string _group;

    public MemoryLimitTests()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "only root makes control groups");
        string[] roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
        string root = roots.FirstOrDefault(folder => File.Exists(Path.Combine(folder, "cgroup.procs"))) ?? "";
        Assert.SkipWhen(root.Length == 0, "no control groups for memory are mounted here");
        _group = Path.Combine(root, $"edgellm-test-{Environment.ProcessId}");
        try
        {
            Directory.CreateDirectory(_group);
            string file = new[] { "memory.limit_in_bytes", "memory.max" }.Select(name => Path.Combine(_group, name)).First(File.Exists);
            File.WriteAllText(file, $"{Limit}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            if (Directory.Exists(_group)) Directory.Delete(_group);
            Assert.Skip($"no control group with a limit can be made here: {exception.Message}");
        }
    }

    public void Dispose()
    {
        _folder.Dispose();
        SpecialFile.Run("rmdir", _group);
    }

    [Fact]
    public async Task A_model_that_fits_runs_and_this_machine_has_the_limit()
    {
        Assert.SkipWhen(DefaultModelFile.Path is null, "this build has no default model");
        CliResult runs = await InGroupAsync("run --max-tokens 3 --temperature 0 --seed 1 Hello");
        Assert.Equal((0, ""), (runs.ExitCode, runs.Error));
        Assert.NotEmpty(runs.Output.Trim());
        CliResult tooLarge = await InGroupAsync("run --context 200000 Hello");
        Assert.Equal(1, tooLarge.ExitCode);
        Assert.Contains("and this machine has 300 MB", tooLarge.Error);
        BadInputTests.RequireOneLine(tooLarge.Error);
        CliResult doctor = await InGroupAsync("doctor");
        Assert.Contains("this process may have 300 MB", doctor.Output);
        Assert.Contains("300 MB, ", doctor.Output);
    }

    private Task<CliResult> InGroupAsync(string arguments) =>
        ProgramProcess.RunAsync($"echo $$ > {_group}/cgroup.procs; exec edgellm {arguments}", _folder);
}
