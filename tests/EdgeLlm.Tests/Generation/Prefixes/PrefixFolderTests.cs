using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Tests.Generation.Prefixes;

/// <summary>Prefixes that survive a restart, and files that are not to be believed.</summary>
public sealed partial class PrefixFolderTests : IDisposable
{
    private const int Instructions = 45;

    private static readonly int[] Ids = [.. Enumerable.Range(0, 150).Select(i => 3 + i * 37 % 490)];
    private static readonly int[] First = [.. Ids[..80]];
    private static readonly int[] Other = [.. Ids[..Instructions], .. Ids[100..130]];

    private readonly TestFolder _folder = new();
    private readonly List<string> _log = [];

    private string Cache => _folder.PathOf("cache");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama")]
    [InlineData("gemma3")]
    [InlineData("lfm2")]
    [InlineData("qwen3-5")]
    [InlineData("mistral-window")]
    public void Instructions_survive_a_restart_and_conversations_where_that_is_asked_for(string family)
    {
        float[] expected = Expected(family, Other);
        Run(family, PrefixDisk.Shared, cache => Compute(cache, First));
        Run(family, PrefixDisk.Shared, cache =>
        {
            (int reused, float[] logits) = Compute(cache, Other);
            Assert.Equal(Instructions, reused);
            Assert.Equal(expected, logits);
        });
        int[] longer = [.. First, .. Ids[90..110]];
        // what was said in it had not been kept
        Run(family, PrefixDisk.Conversations, cache => Assert.Equal(Instructions, Compute(cache, longer).Reused));
        Run(family, PrefixDisk.Conversations, cache =>
        {
            int[] after = [.. longer, .. Ids[..9]];
            (int reused, float[] logits) = Compute(cache, after);
            Assert.Equal(longer.Length, reused);
            Assert.Equal(Expected(family, after), logits);
        });
    }

    [Fact]
    public void Each_part_is_written_once_and_for_this_user_alone()
    {
        Run("lfm2", PrefixDisk.Conversations, cache => Compute(cache, First));
        string[] written = Files();
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Cache));
            foreach (string path in Directory.GetFiles(Cache))
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }
        Run("lfm2", PrefixDisk.Conversations, cache => Compute(cache, First));
        Assert.Equal(written, Files());
        Run("lfm2", PrefixDisk.Conversations, cache => Compute(cache, [.. First, 7]));
        Assert.Equal(written.Length + 1, Files().Length);
        Assert.Equal(written, Files().Intersect(written));
        Assert.Empty(_log);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("lfm2")]
    public void Instructions_of_several_conversations_are_written_once(string family)
    {
        Run(family, PrefixDisk.Shared, cache =>
        {
            foreach (int i in Enumerable.Range(0, 5)) Compute(cache, [.. Ids[..Instructions], .. Ids[(60 + i)..130]]);
        });
        using PrefixFile file = PrefixFile.Open(Assert.Single(Files()));
        Assert.Equal([32, Instructions - 32], file.Nodes.Select(node => node.Tokens.Length));
        Assert.Equal(Instructions, ReusedOf(family));
    }

    [Fact]
    public void One_process_writes_and_others_read()
    {
        Run("llama", PrefixDisk.Shared, cache => Compute(cache, First));
        using LanguageModel model = Open("llama"), second = Open("llama");
        using PrefixFolder writer = OpenFolder(PrefixDisk.Conversations)!;
        writer.Add(model, PrefixFolder.KeyOf(model));
        using (PrefixFolder reader = OpenFolder(PrefixDisk.Conversations)!)
        {
            reader.Add(second, PrefixFolder.KeyOf(second));
            using var cache = new SequenceCache(second);
            Assert.Equal(Instructions, Compute(cache, Other).Reused);
        }
        Assert.Single(Files());
        Assert.Contains(_log, line => line.Contains("not written", StringComparison.Ordinal));
    }

    [Fact]
    public void What_was_not_used_for_the_longest_time_makes_room()
    {
        const long Most = 120_000;
        using LanguageModel model = Open("llama");
        for (int i = 0; i < 12; i++)
        {
            using PrefixFolder folder = PrefixFolder.Open(Cache, PrefixDisk.Conversations, Most, _log.Add)!;
            folder.Add(model, PrefixFolder.KeyOf(model));
            using var cache = new SequenceCache(model);
            Compute(cache, [10 + i, .. First], 0);
        }
        Assert.InRange(Files().Sum(path => new FileInfo(path).Length), 1, Most);
        using LanguageModel again = Open("llama");
        using PrefixFolder last = PrefixFolder.Open(Cache, PrefixDisk.Conversations, Most, _log.Add)!;
        last.Add(again, PrefixFolder.KeyOf(again));
        using var after = new SequenceCache(again);
        Assert.Equal(First.Length, Compute(after, [21, .. First], 0).Reused);
        Assert.Equal(0, Compute(after, [10, .. First], 0).Reused);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gemma3")]
    [InlineData("lfm2")]
    public void A_snapshot_serves_every_scope_and_no_other_model(string family)
    {
        string path = _folder.PathOf("kiosk.kv");
        using (LanguageModel model = Open(family))
        {
            long bytes = PrefixSnapshot.Write(model, Ids.AsSpan(0, Instructions), path, CancellationToken.None);
            Assert.Equal(new FileInfo(path).Length, bytes);
        }
        using (LanguageModel model = Open(family))
        {
            Assert.Null(PrefixFolder.AddSnapshot(model, PrefixFolder.KeyOf(model), path));
            foreach (PrefixScope scope in new[] { PrefixScope.Service, new PrefixScope("one") })
            {
                using var cache = new SequenceCache(model) { Scope = scope };
                (int reused, float[] logits) = Compute(cache, Other);
                Assert.Equal(Instructions, reused);
                Assert.Equal(Expected(family, Other), logits);
            }
        }
        using LanguageModel other = Open(family, KeyValueType.I8);
        Assert.Contains("not used", PrefixFolder.AddSnapshot(other, PrefixFolder.KeyOf(other), path));
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^1]);
        Assert.Contains("cut off", PrefixFolder.AddSnapshot(other, PrefixFolder.KeyOf(other), path));
        Assert.Contains("missing.kv", PrefixFolder.AddSnapshot(other, PrefixFolder.KeyOf(other), _folder.PathOf("missing.kv")));
    }

    private int ReusedOf(string family)
    {
        int reused = -1;
        Run(family, PrefixDisk.Shared, cache => reused = cache.Reuse(Other, Instructions));
        return reused;
    }

    /// <summary>A service's life: opens the model and the folder, computes, and writes at its end.</summary>
    private void Run(string family, PrefixDisk mode, Action<SequenceCache> compute, KeyValueType type = KeyValueType.F16)
    {
        using LanguageModel model = Open(family, type);
        using PrefixFolder folder = OpenFolder(mode)!;
        folder.Add(model, PrefixFolder.KeyOf(model));
        using var cache = new SequenceCache(model);
        compute(cache);
    }

    private PrefixFolder? OpenFolder(PrefixDisk mode) => PrefixFolder.Open(Cache, mode, 1 << 30, _log.Add);

    private string[] Files() => [.. Directory.GetFiles(Cache, "*.kv").Order(StringComparer.Ordinal)];

    private static (int Reused, float[] Logits) Compute(SequenceCache cache, int[] prompt, int instructions = Instructions)
    {
        int reused = cache.Reuse(prompt, instructions);
        float[] logits = cache.Model.Forward(prompt.AsSpan(reused), cache.Memory).ToArray();
        cache.Append(prompt.AsSpan(reused));
        cache.Keep();
        return (reused, logits);
    }

    private static float[] Expected(string family, int[] prompt)
    {
        using LanguageModel plain = Open(family, bytes: 0);
        using KvCache cache = plain.CreateCache();
        return plain.Forward(prompt, cache).ToArray();
    }

    private static LanguageModel Open(string family, KeyValueType type = KeyValueType.F16, long bytes = 64_000_000) => LanguageModel.Load(
        SharedFolder.Require("golden", "logits", family, "model.gguf"),
        new ModelOptions { Threads = 2, ContextLength = 200, PrefillChunk = 16, PrefixBytes = bytes, CacheType = type });
}
