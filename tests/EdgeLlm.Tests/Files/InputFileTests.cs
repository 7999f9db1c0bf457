using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Quantization;

namespace EdgeLlm.Tests.Files;

public sealed class InputFileTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<string> SpecialKinds => [.. SpecialFile.Kinds];

    private string Source => _folder.PathOf("file");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(SpecialKinds))]
    public void Only_a_regular_file_is_opened(string kind)
    {
        SpecialFile.Make(kind, Source);
        Assert.StartsWith($"{Source}: is a ", Assert.Throws<FileException>(() => InputFile.Open(Source).Dispose()).Message);
        Assert.StartsWith($"{Source}: is a ", Assert.Throws<FileException>(() => InputFile.OpenHandle(Source).Dispose()).Message);
        if (kind != "pipe") Assert.StartsWith($"{Source}: is a ", Assert.Throws<FileException>(() => InputFile.Read(Source, 10)).Message);
    }

    [Fact]
    public async Task A_pipe_is_read_to_its_end_and_no_further_than_it_may()
    {
        SpecialFile.Make("pipe", Source);
        InputFile.RequireReadable(Source); // takes nothing out of it
        Task writing = Task.Run(() => File.WriteAllText(Source, "text"));
        Assert.Equal("text", InputFile.ReadText(Source, 1 << 20));
        await writing;
        writing = Task.Run(() =>
        {
            using FileStream pipe = new(Source, FileMode.Open, FileAccess.Write);
            try
            {
                for (int i = 0; i < 1000; i++) pipe.Write(new byte[1 << 16]);
                Assert.Fail("64 MB were taken");
            }
            catch (IOException)
            {
                // Nobody reads on.
            }
        });
        Assert.Equal($"{Source}: has more than the 1 MiB that such a file may have",
            Assert.Throws<FileException>(() => InputFile.Read(Source, 1 << 20)).Message);
        await writing;
    }

    [Theory]
    [InlineData("missing", "there is no such file")]
    [InlineData("missing/file", "there is no such file")]
    public void What_is_missing_is_said(string name, string problem)
    {
        string path = _folder.PathOf(name);
        Assert.Equal($"{path}: {problem}", Assert.Throws<FileException>(() => InputFile.Open(path).Dispose()).Message);
        Assert.Equal($"{path}: {problem}", Assert.Throws<FileException>(() => InputFile.RequireReadable(path)).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    public void A_name_that_no_file_can_have_is_one_line(string path)
    {
        string message = Assert.Throws<FileException>(() => InputFile.Open(path).Dispose()).Message;
        Assert.DoesNotContain("Parameter", message);
        Assert.DoesNotContain("\n", message);
    }

    [Fact]
    public void A_line_that_never_ends_is_refused_and_others_are_as_they_were()
    {
        const string Text = "one\r\ntwo\n\nthree\rfour";
        using var lines = new LineReader("standard input", Bytes(Text), Encoding.UTF8, 5);
        using var expected = new StringReader(Text);
        string? line;
        do Assert.Equal(line = expected.ReadLine(), lines.ReadLine());
        while (line is not null);
        using var endless = new LineReader("standard input", Bytes("12345\n123456"), Encoding.UTF8, 5);
        Assert.Equal("12345", endless.ReadLine());
        Assert.Equal("standard input: has a line of more than 5 characters",
            Assert.Throws<FileException>(() => endless.ReadLine()).Message);

        static MemoryStream Bytes(string text) => new(Encoding.UTF8.GetBytes(text));
    }

    [Fact]
    public void A_file_is_one_by_whatever_name_and_a_place_by_whatever_way()
    {
        string folder = _folder.PathOf("folder"), way = _folder.PathOf("way"), hard = _folder.PathOf("hard"), soft = _folder.PathOf("soft"),
            other = _folder.PathOf("other");
        Directory.CreateDirectory(folder);
        File.CreateSymbolicLink(way, folder);
        File.WriteAllText(Source, "same");
        File.WriteAllText(other, "same");
        SpecialFile.HardLink(Source, hard);
        File.CreateSymbolicLink(soft, Source);
        string identity = FileStatus.Of(Source)!.Identity;
        Assert.Equal(identity, FileStatus.Of(hard)!.Identity);
        Assert.Equal(identity, FileStatus.Of(soft)!.Identity);
        Assert.Equal(identity, FileStatus.Of(Path.Combine(folder, "..", "file"))!.Identity);
        Assert.NotEqual(identity, FileStatus.Of(other)!.Identity);

        Assert.True(FileStatus.IsSamePlace(Path.Combine(folder, "new"), Path.Combine(way, "new")));
        Assert.True(FileStatus.IsSamePlace(Source, soft));
        Assert.False(FileStatus.IsSamePlace(Path.Combine(folder, "new"), _folder.PathOf("new")));
        Assert.False(FileStatus.IsSamePlace(Path.Combine(folder, "new"), Path.Combine(way, "newer")));
        Assert.False(FileStatus.IsSamePlace(Source, Path.Combine(folder, "file")));
    }

    /// <summary>errno of Linux: each has words, and none of .NET's.</summary>
    [Theory]
    [InlineData(5, "the disk or card has an error (input/output error)")]
    [InlineData(11, "another process is using it")]
    [InlineData(16, "is in use: a mounted file or device can't be replaced")]
    [InlineData(19, "is not a file that can be mapped into memory")]
    [InlineData(20, "a part of the path is not a folder")]
    [InlineData(24, "too many files are open")]
    [InlineData(28, "the disk is full")]
    [InlineData(30, "the disk is mounted read-only")]
    [InlineData(36, "the name is too long")]
    [InlineData(40, "the links lead in a circle")]
    [InlineData(122, "the user's share of the disk is used up")]
    [InlineData(9999, "Something else")]
    public void The_system_s_errors_have_words_of_ours(int error, string words)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "numbers of Linux");
        Assert.Equal($"a: {words}", FileException.Writing("a", new IOException("Something else : '/a'", error)).Message);
    }

    [Fact]
    public void An_error_that_nobody_gave_its_file_gets_it_out_of_the_runtime_s_words()
    {
        Assert.Equal("/a/b: may not be read or written by this user",
            FileException.DescribeWithPath(new UnauthorizedAccessException("Access to the path '/a/b' is denied.")));
        Assert.Equal("/a'b: there is no such file",
            FileException.DescribeWithPath(new DirectoryNotFoundException("Could not find a part of the path '/a'b'.")));
        Assert.Equal("is cut off", FileException.DescribeWithPath(new EndOfStreamException()));
    }

    [Fact]
    public void Unfinished_work_never_takes_the_place_of_anything_else()
    {
        byte[] identity = new byte[32];
        File.WriteAllText(Source, "precious");
        FileException refused = Assert.Throws<FileException>(() => QuantizationState.Open(Source, identity).Dispose());
        Assert.Contains("edgellm did not make it", refused.Message);
        Assert.Equal("precious", File.ReadAllText(Source));
        File.WriteAllText(Source, "EDGE"); // cut off when a run was killed
        QuantizationState.Open(Source, identity).Dispose();
        identity[3] = 1; // another run's
        QuantizationState.Open(Source, identity).Dispose();
        Assert.Equal(40, new FileInfo(Source).Length);
    }
}
