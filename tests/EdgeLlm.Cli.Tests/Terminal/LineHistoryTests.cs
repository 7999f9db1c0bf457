using EdgeLlm.Cli.Terminal;

namespace EdgeLlm.Cli.Tests.Terminal;

public sealed class LineHistoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File_ => _folder.PathOf("state/history");

    [Fact]
    public void Lines_are_kept_for_the_next_conversation_in_a_file_that_only_its_owner_reads()
    {
        var history = new LineHistory(File_);
        foreach (string line in (string[])["one", "two\nlines", @"back\slash \n", "one", "one"]) history.Add(line);
        Assert.Equal(["one", "two\nlines", @"back\slash \n", "one"], new LineHistory(File_).Lines); // no line twice in a row
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(File_));
        Assert.False(File.Exists(File_ + ".tmp"));
    }

    [Fact]
    public void The_last_thousand_are_kept_of_all_conversations()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File_)!);
        File.WriteAllLines(File_, Enumerable.Range(0, 1500).Select(i => $"old {i}"));
        LineHistory first = new(File_), second = new(File_);
        Assert.Equal(1000, first.Lines.Count);
        first.Add("from the first");
        second.Add("from the second");
        string[] lines = File.ReadAllLines(File_);
        Assert.Equal((1000, "old 502"), (lines.Length, lines[0]));
        Assert.Equal(["from the first", "from the second"], lines[^2..]);
    }

    [Fact]
    public void Without_a_file_or_with_one_that_can_not_be_used_only_this_conversation_has_them()
    {
        LineHistory none = new(null), folder = new(_folder.Root), control = new(_folder.Write("control", "a\e[2Jb\x07\n"));
        none.Add("one");
        folder.Add("one");
        Assert.Equal(["one"], none.Lines);
        Assert.Equal(["one"], folder.Lines);
        Assert.Equal(["a[2Jb"], control.Lines); // nothing in it moves the cursor
        control.Add(new string('x', 20_000));
        Assert.Single(control.Lines);
    }

    public void Dispose() => _folder.Dispose();
}
