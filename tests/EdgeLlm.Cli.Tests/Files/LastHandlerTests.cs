using EdgeLlm.Cli;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Files
{
    /// <summary>What nobody expected, put into the program by a startup hook of the runtime.</summary>
    public sealed class LastHandlerTests : IDisposable
    {
        private const string Line =
            "edgellm: this is a fault of edgellm's: InvalidOperationException in StartupHook.Fail: two\\nlines\\u001b[2J; "
            + "please report this line and what you did at https://github.com/edgellm/edgellm/issues\n";

        private readonly TemporaryFolder _folder = new();

        public void Dispose() => _folder.Dispose();

        [Fact]
        public async Task An_exception_that_no_thread_caught_is_one_line_with_where_to_report_it()
        {
            CliResult result = await RunAsync("thread", input: null);
            Assert.Equal((1, "", Line), (result.ExitCode, result.Output, result.Error));
        }

        [Fact]
        public async Task Work_that_nobody_waits_for_ends_nothing()
        {
            CliResult result = await RunAsync("task", input: null);
            Assert.Equal((7, "", Line), (result.ExitCode, result.Output, result.Error));
        }

        [Fact]
        public async Task Several_threads_that_fail_at_once_are_one_line()
        {
            CliResult result = await RunAsync("threads", input: null);
            Assert.Equal((1, "", Line), (result.ExitCode, result.Output, result.Error));
        }

        [Fact]
        public async Task A_command_that_fails_unexpectedly_is_the_same_line_and_1()
        {
            CliResult result = await RunCommandAsync(StartupHook.Fail);
            Assert.Equal((1, Line), (result.ExitCode, result.Error));
        }

        [Fact]
        public async Task An_error_out_of_a_loop_on_all_cores_is_what_it_was_on_one()
        {
            CliResult result =
                await RunCommandAsync(static () => Parallel.For(0, 2, static _ => throw new ModelException("a.gguf", "is wrong")));
            Assert.Equal((1, "edgellm: a.gguf: is wrong\n"), (result.ExitCode, result.Error));
        }

        private static Task<CliResult> RunCommandAsync(Action action)
        {
            var command = new System.CommandLine.Command("fail");
            command.SetAction(_ => action());
            return TestCli.RunAsync(["fail"], input: null, root: new System.CommandLine.RootCommand { command });
        }

        [Fact]
        public async Task A_file_that_grows_beyond_the_user_s_limit_is_an_error_and_not_a_signal()
        {
            Assert.SkipUnless(OperatingSystem.IsLinux(), "limits the size of files with bash's ulimit");
            string output = _folder.PathOf("logits"), ids = _folder.Write("ids", string.Join(' ', Enumerable.Range(1, 200)) + "\n");
            CliResult result =
                await ProgramProcess.RunAsync($"ulimit -f 64; exec edgellm logits --model {Model} --ids {ids} --output {output}", _folder);
            Assert.Equal((1, $"edgellm: {output}: this file system takes no file that large (FAT32 ends at 4.29 GB)\n"),
                (result.ExitCode, result.Error));
            Assert.Equal(["ids"], Directory.GetFiles(_folder.Root).Select(path => Path.GetFileName(path)));
        }

        [Fact]
        public async Task A_disk_that_is_full_leaves_what_was_there_and_one_that_is_too_small_is_refused_before()
        {
            Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "only root mounts a small disk");
            string disk = _folder.PathOf("disk"), output = Path.Combine(disk, "output"),
                ids = _folder.Write("ids", string.Join(' ', Enumerable.Range(1, 400)) + "\n");
            Directory.CreateDirectory(disk);
            SpecialFile.Run("mount", "-t", "tmpfs", "-o", "size=512k", "edgellm-test", disk);
            try
            {
                File.WriteAllText(output, "old");
                CliResult full = await ProgramProcess.RunAsync($"edgellm logits --model {Model} --ids {ids} --output {output}", _folder);
                Assert.Equal((1, $"edgellm: {output}: the disk is full\n"), (full.ExitCode, full.Error));
                Assert.Equal(("old", 1), (File.ReadAllText(output), Directory.GetFiles(disk).Length));
                CliResult small = await ProgramProcess.RunAsync($"edgellm quantize {Model} {output} --fast --force --no-report", _folder);
                Assert.Equal(1, small.ExitCode);
                Assert.Contains("of disk while it is made, with 67.1 MB to spare, and", small.Error);
                SpecialFile.Run("mount", "-o", "remount,ro", disk);
                CliResult readOnly =
                    await ProgramProcess.RunAsync($"edgellm logits --model {Model} --ids {ids} --output {output}", _folder);
                Assert.Equal((1, $"edgellm: {output}: the disk is mounted read-only\n"), (readOnly.ExitCode, readOnly.Error));
            }
            finally
            {
                SpecialFile.Run("umount", disk);
            }
        }

        private static string Model => SharedFolder.Require("models", "stories260K.f32.gguf");

        private Task<CliResult> RunAsync(string fault, string? input) =>
            ProgramProcess.RunAsync("exec edgellm tokenize --model " + Model, _folder, input,
            ("DOTNET_STARTUP_HOOKS", typeof(LastHandlerTests).Assembly.Location), (StartupHook.Variable, fault));
    }
}

/// <summary>
/// Runs before the program where DOTNET_STARTUP_HOOKS names this assembly; the runtime wants this name, outside of any namespace.
/// </summary>
#pragma warning disable CA1050
internal static class StartupHook
#pragma warning restore CA1050
{
    public const string Variable = "EDGELLM_TEST_FAULT";

    public static void Initialize()
    {
        string? fault = Environment.GetEnvironmentVariable(Variable);
        if (fault is null) return;
        new Thread(() =>
        {
            // Until the program has put its streams and handlers in place.
            while (StandardStreams.OpenInput.Method.DeclaringType == typeof(Console)) Thread.Sleep(10);
            Act(fault);
        })
        { IsBackground = true }.Start();
    }

    private static void Act(string fault)
    {
        switch (fault)
        {
            case "thread": Fail(); break;
            case "threads":
                foreach (int _ in Enumerable.Range(0, 4)) new Thread(Fail).Start();
                break;
            case "task":
                Forget();
                for (int i = 0; i < 10; i++)
                {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                    Thread.Sleep(20);
                }
                Environment.Exit(7); // it is alive
                break;
        }
    }

    private static void Forget()
    {
        Task forgotten = Task.Run(Fail);
        ((IAsyncResult)forgotten).AsyncWaitHandle.WaitOne();
    }

    public static void Fail() => throw new InvalidOperationException("two\nlines\u001b[2J");
}
