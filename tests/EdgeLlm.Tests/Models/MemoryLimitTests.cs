using EdgeLlm.Models;

namespace EdgeLlm.Tests.Models;

/// <summary>What "this machine has" is in a control group, out of trees of files such as the kernel shows.</summary>
public sealed class MemoryLimitTests : IDisposable
{
    private const long Machine = 8_000_000L * 1024;
    private const string Version2 = "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
    private const string Version1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";

    private readonly TestFolder _folder = new();

    public MemoryLimitTests() =>
        Write("proc/meminfo", "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    6000000 kB\n");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_a_group_it_is_the_machine_s() => Assert.Equal((Machine, 6_000_000L * 1024), MachineMemory.Read(_folder.Root));

    [Fact]
    public void The_limit_of_the_process_s_own_group_of_version_2()
    {
        Write("proc/self/cgroup", "0::/system.slice/edgellm.service\n");
        Write("proc/self/mountinfo", $"24 1 8:1 / / rw - ext4 /dev/root rw\n{Version2}\n");
        Write("sys/fs/cgroup/system.slice/edgellm.service/memory.max", "500000000\n");
        Write("sys/fs/cgroup/system.slice/edgellm.service/memory.current", "300000000\n");
        // Pages of files are dropped when there is no other room; anonymous ones are not.
        Write("sys/fs/cgroup/system.slice/edgellm.service/memory.stat",
            "anon 100000000\nfile 190000000\ninactive_anon 5\ninactive_file 120000000\nactive_file 70000000\n");
        Write("sys/fs/cgroup/system.slice/memory.max", "max\n");
        Assert.Equal((500_000_000, 390_000_000), MachineMemory.Read(_folder.Root));
    }

    [Fact]
    public void A_smaller_limit_of_a_group_above_counts()
    {
        Write("proc/self/cgroup", "0::/user.slice/user-1000.slice/run-1.scope\n");
        Write("proc/self/mountinfo", Version2 + "\n");
        Write("sys/fs/cgroup/user.slice/user-1000.slice/run-1.scope/memory.max", "4000000000\n");
        Write("sys/fs/cgroup/user.slice/memory.max", "1000000000\n");
        Write("sys/fs/cgroup/user.slice/memory.current", "900000000\n");
        Assert.Equal((1_000_000_000, 100_000_000), MachineMemory.Read(_folder.Root));
    }

    [Fact]
    public void The_limit_of_the_process_s_own_group_of_version_1()
    {
        Write("proc/self/cgroup", "9:name=systemd:/other\n4:memory:/jobs/one\n3:cpuset:/\n0::/\n");
        Write("proc/self/mountinfo",
            Version1
                + "\n40 31 0:40 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n41 31 0:41 / /sys/fs/cgroup/unified rw - cgroup2 "
                + "cgroup2 rw\n");
        Write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "500000000\n");
        Write("sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes", "200000000\n");
        Write("sys/fs/cgroup/memory/jobs/one/memory.stat",
            "inactive_file 1\ntotal_inactive_file 50000000\ntotal_active_file 50000000\nhierarchical_memory_limit 9223372036854771712\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Assert.Equal((500_000_000, 400_000_000), MachineMemory.Read(_folder.Root));
    }

    [Fact]
    public void Version_1_tells_of_a_group_above_that_can_not_be_seen()
    {
        Write("proc/self/cgroup", "4:memory,hugetlb:/docker/abc\n");
        Write("proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory,hugetlb\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Write("sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 700000000\n");
        Assert.Equal((700_000_000, 700_000_000), MachineMemory.Read(_folder.Root));
    }

    [Theory]
    [InlineData("0::/docker/abc", "/docker/abc")] // the container sees its part of the host's tree
    [InlineData("0::/", "/")] // a name space of its own
    [InlineData("0::/../elsewhere", "/")]
    [InlineData("0::/elsewhere", "/docker/abc")]
    public void In_a_container_the_top_of_what_it_sees_is_its_group(string group, string mountRoot)
    {
        Write("proc/self/cgroup", group + "\n");
        Write("proc/self/mountinfo", $"31 24 0:27 {mountRoot} /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
        Write("sys/fs/cgroup/memory.max", "600000000\n");
        Assert.Equal(600_000_000, MachineMemory.Read(_folder.Root).Total);
    }

    [Theory]
    [InlineData("max")]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1e9")]
    [InlineData("99999999999999999999999")]
    [InlineData("9223372036854771712")]
    public void What_is_no_limit_is_none(string text)
    {
        Write("proc/self/cgroup", "0::/a\n");
        Write("proc/self/mountinfo", Version2 + "\n");
        Write("sys/fs/cgroup/a/memory.max", text + "\n");
        Assert.Equal(Machine, MachineMemory.Read(_folder.Root).Total);
    }

    [Fact]
    public void A_mount_with_spaces_and_lines_that_are_damaged_are_read()
    {
        Write("proc/self/cgroup", "\nx\n::\n0::/a b\n");
        Write("proc/self/mountinfo", "\n- -\n1 2 3 4 5 -\n31 24 0:27 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
        Write("my groups/a b/memory.max", "400000000\n");
        Assert.Equal(400_000_000, MachineMemory.Read(_folder.Root).Total);
    }

    [Fact]
    public void A_group_that_uses_more_than_its_limit_has_nothing_left()
    {
        Write("proc/self/cgroup", "0::/a\n");
        Write("proc/self/mountinfo", Version2 + "\n");
        Write("sys/fs/cgroup/a/memory.max", "400000000\n");
        Write("sys/fs/cgroup/a/memory.current", "500000000\n");
        Assert.Equal((400_000_000, 0), MachineMemory.Read(_folder.Root));
    }

    private void Write(string name, string text)
    {
        string path = _folder.PathOf(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
