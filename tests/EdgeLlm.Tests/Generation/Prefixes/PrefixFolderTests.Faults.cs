using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Tests.Generation.Prefixes;

/// <summary>Damaged, cut, foreign and lying files, full and read-only disks: a line in the log, and never a wrong answer.</summary>
public sealed partial class PrefixFolderTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("lfm2")]
    public void Flipped_bits_and_cut_files_cost_a_line_and_never_a_wrong_answer(string family)
    {
        float[] expected = Expected(family, Other);
        Run(family, PrefixDisk.Shared, cache => Compute(cache, First));
        string path = Assert.Single(Files());
        byte[] good = File.ReadAllBytes(path);
        var random = new Random(1);
        for (int i = 0; i < 40; i++)
        {
            byte[] bad = [.. good];
            if (i % 4 == 0) bad = bad[..random.Next(bad.Length)];
            else bad[i % 4 == 1 ? random.Next(400) : random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
            foreach (string left in Files()) File.Delete(left);
            File.WriteAllBytes(path, bad);
            _log.Clear();
            Run(family, PrefixDisk.Shared, cache => Assert.Equal(expected, Compute(cache, Other).Logits));
            bool isHarmless = good.AsSpan().CommonPrefixLength(bad) is var at && at < bad.Length
                && !_log.Exists(line => line.Contains("dropped", StringComparison.Ordinal));
            if (isHarmless) Assert.Equal(Instructions, ReusedOf(family)); // between parts, where nothing is read
        }
    }

    [Fact]
    public void Another_models_file_is_dropped_and_one_of_another_way_of_computing_left_alone()
    {
        Run("llama", PrefixDisk.Shared, cache => Compute(cache, First));
        string ours = Assert.Single(Files());
        Run("llama", PrefixDisk.Shared, cache => Assert.Equal(0, Compute(cache, Other).Reused), KeyValueType.F32);
        Assert.Equal(2, Files().Length);
        string theirs = Files().Single(path => path != ours);
        File.Copy(theirs, ours, overwrite: true);
        _log.Clear();
        Run("llama", PrefixDisk.Shared, cache => Assert.Equal(0, cache.Reuse(Other)));
        Assert.Contains(_log, line => line.Contains("another model", StringComparison.Ordinal));
        Assert.DoesNotContain(ours, Files());
        Assert.Contains(theirs, Files());
    }

    [Fact]
    public void A_folder_that_is_none_or_cannot_be_made_costs_a_line()
    {
        File.WriteAllText(Cache, "a file");
        Assert.Null(OpenFolder(PrefixDisk.Shared));
        string linked = _folder.PathOf("link");
        Directory.CreateDirectory(_folder.PathOf("elsewhere"));
        Directory.CreateSymbolicLink(linked, _folder.PathOf("elsewhere"));
        Assert.Null(PrefixFolder.Open(linked, PrefixDisk.Shared, 1 << 20, _log.Add));
        Assert.Null(PrefixFolder.Open("/proc/self/cache", PrefixDisk.Shared, 1 << 20, _log.Add));
        Assert.Equal(3, _log.Count);
    }

    [Fact]
    public void Files_of_another_user_and_links_are_not_read()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root", "only root gives files away");
        Run("llama", PrefixDisk.Shared, cache => Compute(cache, First));
        string path = Assert.Single(Files()), elsewhere = _folder.PathOf("elsewhere.kv");
        System.Diagnostics.Process.Start("chown", ["12345", path]).WaitForExit();
        Assert.Equal(0, ReusedOf("llama"));
        Assert.Contains(_log, line => line.Contains("not a file of this user", StringComparison.Ordinal));
        System.Diagnostics.Process.Start("chown", ["0", path]).WaitForExit();
        File.Move(path, elsewhere);
        File.CreateSymbolicLink(path, elsewhere);
        Assert.Equal(0, ReusedOf("llama"));
        File.Delete(path);
        File.Move(elsewhere, path);
        System.Diagnostics.Process.Start("chown", ["12345", Cache]).WaitForExit();
        Assert.Null(OpenFolder(PrefixDisk.Shared));
        Assert.Contains(_log, line => line.Contains("another user's folder", StringComparison.Ordinal));
    }

    [Fact]
    public void A_full_disk_costs_a_line_and_neither_an_answer_nor_what_is_there()
    {
        using var disk = new SmallDisk(Cache, "size=512k");
        Run("llama", PrefixDisk.Conversations, cache => Compute(cache, First));
        string first = Assert.Single(Files());
        Assert.Empty(_log);
        using (var rest = new FileStream(Path.Combine(Cache, "other"), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            Action fill = () =>
            {
                for (byte[] block = new byte[1024]; ; rest.Flush(flushToDisk: true)) rest.Write(block); // what other programs write
            };
            Assert.Throws<IOException>(fill);
        }
        int[] another = [9, .. First];
        Run("llama", PrefixDisk.Conversations, cache =>
        {
            Assert.Equal(Expected("llama", Other), Compute(cache, Other).Logits);
            Assert.Equal(Expected("llama", another), Compute(cache, another, 0).Logits);
        });
        Assert.Contains(_log, line => line.Contains("could not be kept", StringComparison.Ordinal));
        Assert.Equal([first], Files());
        Assert.Empty(Directory.GetFiles(Cache, "*.tmp"));
        Assert.Equal(Instructions, ReusedOf("llama"));
        File.Delete(Path.Combine(Cache, "other")); // there is room again
        Run("llama", PrefixDisk.Conversations, cache => Compute(cache, another, 0));
        Assert.Equal(2, Files().Length);
    }

    [Fact]
    public void A_read_only_folder_is_read_and_costs_a_line()
    {
        using var disk = new SmallDisk(Cache, "size=4m");
        Run("llama", PrefixDisk.Conversations, cache => Compute(cache, First));
        string path = Assert.Single(Files());
        byte[] good = File.ReadAllBytes(path);
        disk.Remount("ro");
        Run("llama", PrefixDisk.Conversations, cache =>
        {
            (int reused, float[] logits) = Compute(cache, Other);
            Assert.Equal((Instructions, true), (reused, logits.AsSpan().SequenceEqual(Expected("llama", Other))));
        });
        Assert.Contains(_log, line => line.Contains("not written", StringComparison.Ordinal));
        disk.Remount("rw");
        good[^100] ^= 1;
        File.WriteAllBytes(path, good);
        disk.Remount("ro");
        // damaged, and can't be removed
        Run("llama", PrefixDisk.Conversations,
            cache => Assert.Equal(Expected("llama", [.. First, 5]), Compute(cache, [.. First, 5]).Logits));
        Assert.Equal([path], Files());
    }

    /// <summary>A file that says of itself what can't be: whoever can write a snapshot can make its hash right.</summary>
    [Theory]
    [InlineData("llama")]
    [InlineData("lfm2")]
    public void Files_with_right_hashes_and_wrong_contents_crash_nothing(string family)
    {
        Run(family, PrefixDisk.Conversations, cache => Compute(cache, First));
        string good = Assert.Single(Files()), bad = _folder.PathOf("bad.kv");
        using LanguageModel model = Open(family);
        byte[] key = PrefixFolder.KeyOf(model);
        using PrefixFile file = PrefixFile.Open(good);
        StoredNode[] nodes = [.. file.Nodes];
        (string What, Func<StoredNode, StoredNode> Change)[] changes =
        [
            ("no page", node => node with { Page = default, HasPage = false }),
            ("another place", node => node with { Start = node.Start + 32 }),
            ("far beyond the context", node => node with { Start = 32 * 1_000_000 }),
            ("its own parent", node => node with { ParentId = node.Id }),
            ("tokens that there are none of", node => Again(node with { Tokens = [.. node.Tokens.Select(token => -token)] })),
            ("huge tokens", node => Again(node with { Tokens = [.. node.Tokens.Select(_ => int.MaxValue)] })),
            ("twice", node => node),
            ("a checkpoint beyond it", node => node with { Checkpoints = [new StoredPart(0, [], node.Start + node.Tokens.Length + 1)] }),
            ("a checkpoint at its beginning", node => node with { Checkpoints = [new StoredPart(0, [], node.Start)] }),
            ("many checkpoints of one length",
                node => node with { Checkpoints = [.. Enumerable.Repeat(new StoredPart(0, [], node.Start + 1), 32)] }),
        ];
        foreach ((string what, Func<StoredNode, StoredNode> change) in changes)
        {
            StoredNode[] changed = [.. nodes.Select(change)];
            if (what == "twice") changed = [.. changed, .. changed];
            foreach (byte filling in new byte[] { 0, 0x7F, 0xFF })
            {
                File.Delete(bad);
                Assert.True(PrefixFile.Write(bad, key, PrefixScope.Service, "x", (int)model.Pages.PageBytes,
                    (int)model.Pages.CheckpointBytes, changed, (_, _, to) =>
                {
                    to.Fill(filling);
                    return true;
                }), what);
                using LanguageModel victim = Open(family);
                PrefixFolder.AddSnapshot(victim, key, bad);
                using var cache = new SequenceCache(victim);
                try
                {
                    // Numbers of its own choice are all that a snapshot can bring; the service's owner names it.
                    Compute(cache, First);
                    Compute(cache, Other);
                }
                catch (NotFiniteException)
                {
                    // Told as of any model.
                }
            }
        }

        static StoredNode Again(StoredNode node) => node with { Id = PrefixFile.IdOf(node.ParentId, node.Tokens) };
    }

    [Fact]
    public void What_a_killed_process_left_half_written_is_removed()
    {
        Directory.CreateDirectory(Cache);
        string left = Path.Combine(Cache, "0123-x.kv.edgellm.tmp");
        File.WriteAllText(left, "half");
        Run("llama", PrefixDisk.Shared, cache => Compute(cache, First));
        Assert.False(File.Exists(left));
        Assert.Single(Files());
    }

    /// <summary>A file system of its own in memory; only root may make one.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string _path;

        public SmallDisk(string path, string options)
        {
            _path = path;
            Directory.CreateDirectory(path);
            Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root"
                && Do("mount", "-t", "tmpfs", "-o", options, "none", path), "only root mounts a file system");
        }

        public void Remount(string options) => Assert.True(Do("mount", "-o", $"remount,{options}", _path));

        public void Dispose() => Do("umount", "-l", _path);

        private static bool Do(string program, params string[] arguments)
        {
            using var process = System.Diagnostics.Process.Start(
                new System.Diagnostics.ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }
}
