using System.Text.Json;
using EdgeLlm.Cli.Doctor;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Tests.Doctor;

public sealed class DoctorTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    [Fact]
    public async Task Every_check_says_what_it_found_and_what_is_wrong_how_to_mend_it()
    {
        CliResult result = await TestCli.RunAsync(["doctor", "--json"], null, _root.Environment);
        using JsonDocument document = JsonDocument.Parse(result.OutputBytes);
        JsonElement[] checks = [.. document.RootElement.GetProperty("checks").EnumerateArray()];
        Assert.All(checks, check => Assert.NotEqual("", check.GetProperty("value").GetString()));
        Assert.All(checks,
            check => Assert.Equal(check.GetProperty("status").GetString() != "ok", check.GetProperty("advice").GetString() is not null));
        Assert.Superset(
            new HashSet<string?> { "processor", "instructions", "kernel", "threads", "memory", "page size", "disk", "default model" },
            checks.Select(check => check.GetProperty("name").GetString()).ToHashSet());
        Assert.Equal(document.RootElement.GetProperty("status").GetString() == "problem" ? 1 : 0, result.ExitCode);
        Assert.Contains("page size", (await TestCli.RunAsync("doctor")).Output);
    }

    [Theory]
    [InlineData("coherent_pool=1M cgroup_disable=memory quiet", "Note")]
    [InlineData("coherent_pool=1M cgroup_disable=memory quiet cgroup_enable=memory", "Ok")]
    [InlineData("quiet", "Ok")]
    public void Memory_limits_that_the_boot_line_switches_off_are_noted(string line, string status)
    {
        _root.Write("proc/cmdline", line + "\n");
        Assert.Equal(status, new MemoryChecks(Files).ControlGroups().Status.ToString());
        _root.Write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
        Assert.Equal(status, new MemoryChecks(Files).ControlGroups().Status.ToString());
        _root.Write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
        Assert.Equal(CheckStatus.Ok, new MemoryChecks(Files).ControlGroups().Status);
    }

    [Fact]
    public void A_limit_of_the_own_control_group_is_shown()
    {
        _root.Write("proc/self/cgroup", "0::/system.slice/edgellm.service\n");
        _root.Write("proc/self/mountinfo", "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
        _root.Write("sys/fs/cgroup/system.slice/edgellm.service/memory.max", "500000000\n");
        Assert.Contains("500 MB", new MemoryChecks(Files).ControlGroups().Value);
    }

    [Theory]
    [InlineData("throttled=0x0", "Ok", "none")]
    [InlineData("throttled=0x50005", "Problem", "under-voltage now")]
    [InlineData("throttled=0x4", "Problem", "slowed down now")]
    [InlineData("throttled=0x50000", "Note", "under-voltage since")]
    [InlineData("throttled=0x80000", "Note", "slowed down since")]
    public void Throttling_is_read_out_of_the_firmwares_bits(string answer, string status, string text)
    {
        Check check = RaspberryPiChecks.Throttling(answer)!;
        Assert.Equal(status, check.Status.ToString());
        Assert.Contains(text, check.Value);
    }

    [Fact]
    public void An_answer_that_is_no_number_says_nothing() => Assert.Null(RaspberryPiChecks.Throttling("VCHI initialization failed"));

    [Fact]
    public void A_Raspberry_Pi_5_without_interleaved_memory_gets_the_advice_to_update()
    {
        _root.Write("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0");
        _root.Write("proc/cpuinfo", "processor\t: 0\nCPU part\t: 0xd0b\n");
        _root.Write("proc/cmdline", "numa_policy=interleave numa=fake=8 quiet");
        Assert.Equal("Raspberry Pi 5 Model B Rev 1.0, Cortex-A76", Processor.Name(Files));
        Assert.Equal([CheckStatus.Ok, CheckStatus.Ok],
            new RaspberryPiChecks(Files, static _ => "throttled=0x0").All().Select(check => check.Status));
        _root.Write("proc/cmdline", "quiet");
        Check check = Assert.Single(new RaspberryPiChecks(Files, static _ => null).All());
        Assert.Contains("rpi-eeprom-update", check.Advice);
    }

    [Fact]
    public void Other_machines_are_not_asked_what_only_a_Raspberry_Pi_knows() =>
        Assert.Empty(new RaspberryPiChecks(Files, static _ => "throttled=0x50005").All());

    [Fact]
    public void Slow_governors_and_hot_processors_are_told()
    {
        Assert.DoesNotContain(new ComputeChecks(Files).All(), check => check.Name is "governor" or "temperature");
        _root.Write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n");
        _root.Write("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "2400000\n");
        _root.Write("sys/class/thermal/thermal_zone0/temp", "84500\n");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "these files are Linux's");
        Check[] checks = [.. new ComputeChecks(Files).All()];
        Check governor = checks.Single(check => check.Name == "governor");
        Assert.Equal(("ondemand, up to 2400 MHz", CheckStatus.Note), (governor.Value, governor.Status));
        Assert.Equal(CheckStatus.Problem, checks.Single(check => check.Name == "temperature").Status);
    }

    [Theory]
    [InlineData(8_000_000_000, 6_000_000_000, "Ok")]
    [InlineData(430_000_000, 120_000_000, "Problem")]
    public void Scarce_memory_is_a_problem(long total, long available, string status) =>
        Assert.Equal(status, MemoryChecks.Memory(total, available).Status.ToString());

    public void Dispose() => _root.Dispose();

    private SystemFiles Files => new(_root.Root);
}
