using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Tests.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<string> SpecialKinds => [.. SpecialFile.Kinds];

    private string Target => _folder.PathOf("file");

    private string Temporary => AtomicFile.TemporaryPath(Target);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(SpecialKinds))]
    public void Nothing_but_a_regular_file_is_replaced(string kind)
    {
        SpecialFile.Make(kind, Target);
        string before = SpecialFile.Describe(Target);
        string[] names = Names();
        FileException refused = Assert.Throws<FileException>(() => Write("new"));
        Assert.StartsWith($"{Target}: is a ", refused.Message);
        Assert.Equal(before, SpecialFile.Describe(Target));
        Assert.Equal(names, Names());
    }

    [Theory]
    [InlineData("", "''")]
    [InlineData("a\0b", "''")]
    [InlineData("folder/", "folder/")]
    [InlineData("..", "..")]
    public void A_name_that_no_file_can_have_is_refused(string path, string named)
    {
        FileException refused = Assert.Throws<FileException>(() => AtomicFile.Write(path, static _ => { }));
        Assert.StartsWith(named + ": is ", refused.Message);
    }

    [Fact]
    public void A_link_is_followed_to_a_regular_file_and_stays()
    {
        string real = _folder.PathOf("real"), first = _folder.PathOf("first");
        File.WriteAllText(real, "old");
        File.CreateSymbolicLink(first, "real");
        File.CreateSymbolicLink(Target, first);
        Write("new");
        Assert.Equal("new", File.ReadAllText(real));
        Assert.Equal("l -> real", SpecialFile.Describe(first));
        Assert.Equal($"l -> {first}", SpecialFile.Describe(Target));
        Assert.Equal(["file", "first", "real"], Names());
    }

    [Fact]
    public void Another_name_of_a_file_that_is_replaced_keeps_its_bytes()
    {
        File.WriteAllText(Target, "old");
        string other = _folder.PathOf("other");
        SpecialFile.HardLink(Target, other);
        Write("new");
        Assert.Equal(("new", "old"), (File.ReadAllText(Target), File.ReadAllText(other)));
    }

    [Theory]
    [InlineData("link to a device")]
    [InlineData("link to a folder")]
    [InlineData("link that leads nowhere")]
    [InlineData("links in a circle")]
    [InlineData("pipe")]
    [InlineData("socket")]
    [InlineData("folder")]
    [InlineData("device")]
    public void What_somebody_put_in_the_place_of_the_temporary_file_is_neither_followed_nor_removed(string kind)
    {
        SpecialFile.Make(kind, Temporary);
        string before = SpecialFile.Describe(Temporary);
        FileException refused = Assert.Throws<FileException>(() => Write("new"));
        Assert.StartsWith($"{Target}: ", refused.Message);
        Assert.Contains("remove it", refused.Message);
        Assert.Equal(before, SpecialFile.Describe(Temporary));
        Assert.False(File.Exists(Target));
    }

    [Fact]
    public void A_link_in_the_place_of_the_temporary_file_leads_nobody_to_what_it_names()
    {
        string victim = _folder.PathOf("victim");
        File.WriteAllText(victim, "keep");
        File.CreateSymbolicLink(Temporary, victim);
        Assert.Throws<FileException>(() => Write("new"));
        File.Delete(Temporary);
        SpecialFile.HardLink(victim, Temporary);
        Write("new"); // passes for what a run that was killed left; its other name keeps the bytes
        Assert.Equal("keep", File.ReadAllText(victim));
    }

    [Fact]
    public void A_file_that_only_looks_like_another_programs_temporary_one_stays()
    {
        File.WriteAllText(Target + ".tmp", "mine");
        Write("new");
        Assert.Equal("mine", File.ReadAllText(Target + ".tmp"));
    }

    [Fact]
    public void What_a_killed_run_left_is_replaced_and_what_a_running_one_writes_is_not()
    {
        File.WriteAllText(Temporary, "half");
        using (var running = AtomicFile.Create(Target))
        {
            running.Write("first"u8);
            FileException refused = Assert.Throws<FileException>(() => Write("second"));
            Assert.Equal($"{Target}: another process is writing it", refused.Message);
            running.Complete();
        }
        Assert.Equal("first", File.ReadAllText(Target));
        Assert.Equal(["file"], Names());
    }

    [Fact]
    public void Where_writing_fails_the_place_holds_what_it_held()
    {
        File.WriteAllText(Target, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(Target, static stream =>
        {
            stream.Write("half"u8);
            throw new InvalidOperationException();
        }));
        using (var dropped = AtomicFile.Create(Target)) dropped.Write("half"u8);
        Assert.Equal("old", File.ReadAllText(Target));
        Assert.Equal(["file"], Names());
    }

    [Fact]
    public void What_becomes_something_else_while_a_file_is_written_is_not_replaced()
    {
        using var file = AtomicFile.Create(Target);
        file.Write("new"u8);
        SpecialFile.Make("pipe", Target);
        Assert.Equal($"{Target}: has become a pipe meanwhile", Assert.Throws<FileException>(() => file.Complete()).Message);
        file.Dispose();
        Assert.Equal("p", SpecialFile.Describe(Target));
        Assert.Equal(["file"], Names());
    }

    [Fact]
    public void A_file_that_only_its_owner_may_read_stays_so()
    {
        File.WriteAllText(Target, "old");
        SpecialFile.Run("chmod", "600", Target);
        AtomicFile.Write(Target, _ => Assert.Equal("600", SpecialFile.RightsOf(Temporary))); // before there are bytes to read
        Assert.Equal("600", SpecialFile.RightsOf(Target));
    }

    [Fact]
    public void A_read_only_folder_says_so_whether_the_file_is_there_or_not()
    {
        string folder = _folder.PathOf("folder"), old = Path.Combine(folder, "old");
        Directory.CreateDirectory(folder);
        File.WriteAllText(old, "old");
        using IDisposable locked = SpecialFile.ReadOnlyFolder(folder);
        foreach (string path in new[] { old, Path.Combine(folder, "new") })
        {
            Assert.Equal($"{path}: its folder {folder} is read-only for this user",
                Assert.Throws<FileException>(() => AtomicFile.RequireWritable(path)).Message);
            Assert.Equal($"{path}: its folder {folder} is read-only for this user",
                Assert.Throws<FileException>(() => AtomicFile.Write(path, static _ => { })).Message);
        }
        Assert.Equal("old", File.ReadAllText(old));
    }

    [Fact]
    public void A_folder_that_is_missing_and_a_file_in_its_place_say_so()
    {
        string missing = _folder.PathOf("missing/file"), inFile = Path.Combine(Target, "file");
        File.WriteAllText(Target, "");
        Assert.Equal($"{missing}: there is no such folder",
            Assert.Throws<FileException>(() => AtomicFile.RequireWritable(missing)).Message);
        Assert.Contains("folder", Assert.Throws<FileException>(() => AtomicFile.RequireWritable(inFile)).Message);
    }

    [Theory]
    [MemberData(nameof(SpecialKinds))]
    public void A_file_that_later_runs_go_on_with_is_not_opened_through_anything_else(string kind)
    {
        SpecialFile.Make(kind, Target);
        string before = SpecialFile.Describe(Target);
        Assert.StartsWith($"{Target}: is a ", Assert.Throws<FileException>(() => AtomicFile.OpenOrCreate(Target).Dispose()).Message);
        Assert.Equal(before, SpecialFile.Describe(Target));
    }

    [Fact]
    public void A_file_that_later_runs_go_on_with_belongs_to_one_of_them()
    {
        using FileStream first = AtomicFile.OpenOrCreate(Target);
        Assert.Equal($"{Target}: another process is writing it",
            Assert.Throws<FileException>(() => AtomicFile.OpenOrCreate(Target).Dispose()).Message);
    }

    private void Write(string text) => AtomicFile.Write(Target, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    private string[] Names() =>
        [.. Directory.GetFileSystemEntries(_folder.Root).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
}
