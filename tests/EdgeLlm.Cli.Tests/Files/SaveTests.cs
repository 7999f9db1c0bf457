using System.Text;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Files;

/// <summary>/save and /load of a conversation: what is there is only replaced where it is a conversation and somebody says so.</summary>
public sealed class SaveTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> SpecialKinds => [.. SpecialFile.Kinds];

    private string FilePath => _folder.PathOf("saved");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Over_a_conversation_it_asks_at_a_terminal()
    {
        await ChatAsync($"/save {FilePath}\n");
        byte[] first = await File.ReadAllBytesAsync(FilePath);
        string refused = await ChatAsync($"/system other\n/save {FilePath}\nn\n/save {FilePath}\n\n/save {FilePath}\n", personIn: true);
        Assert.Contains($"{FilePath} is there already. Replace it? [y/N] nothing was saved", refused);
        Assert.Equal(first, await File.ReadAllBytesAsync(FilePath));
        Assert.Contains("kept in", await ChatAsync($"/system other\n/save {FilePath}\ny\n", personIn: true));
        Assert.NotEqual(first, await File.ReadAllBytesAsync(FilePath));
    }

    [Fact]
    public async Task Without_a_terminal_it_takes_force()
    {
        await ChatAsync($"/save {FilePath}\n");
        byte[] first = await File.ReadAllBytesAsync(FilePath);
        Assert.Contains($"{FilePath}: is there already; /save --force {FilePath} replaces it",
            await ChatAsync($"/system other\n/save {FilePath}\n"));
        Assert.Equal(first, await File.ReadAllBytesAsync(FilePath));
        Assert.Contains("kept in", await ChatAsync($"/system other\n/save --force {FilePath}\n"));
        Assert.NotEqual(first, await File.ReadAllBytesAsync(FilePath));
        Assert.Contains("kept in", await ChatAsync($"/save {FilePath}\n", "--force"));
        Assert.Equal(first, await File.ReadAllBytesAsync(FilePath));
    }

    [Theory]
    [InlineData("notes")]
    [InlineData("EDGE")]
    [InlineData("")]
    public async Task Nothing_else_is_ever_replaced(string text)
    {
        _folder.Write("saved", text);
        string output = await ChatAsync($"/save {FilePath}\n/save --force {FilePath}\ny\n", "--force");
        Assert.Equal(2, output.Split($"{FilePath}: is there already and not a saved conversation; name another file").Length - 1);
        Assert.Equal(text, await File.ReadAllTextAsync(FilePath));
    }

    [Theory]
    [MemberData(nameof(SpecialKinds))]
    public async Task Devices_and_the_like_are_neither_saved_to_nor_loaded_from(string kind)
    {
        SpecialFile.Make(kind, FilePath);
        string before = SpecialFile.Describe(FilePath);
        string output = await ChatAsync($"/save --force {FilePath}\n/load {FilePath}\n/reset\n");
        Assert.Equal(2, output.Split($"{FilePath}: is a ").Length - 1);
        Assert.EndsWith("the conversation is forgotten\n", output);
        Assert.Equal(before, SpecialFile.Describe(FilePath));
    }

    [Fact]
    public async Task The_model_itself_is_safe()
    {
        string model = Model, copy = _folder.PathOf("model.gguf");
        File.Copy(model, copy);
        string output = Encoding.UTF8.GetString(
            (await TestCli.RunAsync(["run", "--chat", "--model", copy], Encoding.UTF8.GetBytes($"/save --force {copy}\n"))).OutputBytes);
        Assert.Contains("not a saved conversation", output);
        Assert.Equal(new FileInfo(model).Length, new FileInfo(copy).Length);
    }

    [Theory]
    [InlineData("/load /nonexistent/file", "/nonexistent/file: there is no such file")]
    [InlineData("/load", "which file?")]
    [InlineData("/save", "which file?")]
    [InlineData("/save --force", "which file?")]
    [InlineData("/save /nonexistent/file", "/nonexistent/file: there is no such folder")]
    [InlineData("/load /", "/: is a folder, not a file")]
    [InlineData("/save /tmp/", "/tmp/: is a folder's name; name a file")]
    public async Task What_is_wrong_is_a_line_and_the_conversation_stays(string command, string line)
    {
        string[] lines = (await ChatAsync($"{command}\n/reset\n")).Split('\n');
        Assert.Equal([line, "the conversation is forgotten", ""], lines);
    }

    [Fact]
    public async Task A_file_that_is_no_conversation_or_a_damaged_one_is_a_line_and_the_program_lives()
    {
        await ChatAsync($"/save {FilePath}\n");
        byte[] saved = await File.ReadAllBytesAsync(FilePath);
        for (int length = 0; length < saved.Length; length += Math.Max(1, saved.Length / 20))
        {
            await File.WriteAllBytesAsync(FilePath, saved[..length]);
            string[] lines = (await ChatAsync($"/load {FilePath}\n/reset\n")).Split('\n');
            Assert.Equal(3, lines.Length);
            Assert.StartsWith($"{FilePath}: ", lines[0]);
        }
    }

    [Fact]
    public async Task A_read_only_folder_says_so()
    {
        string folder = _folder.PathOf("folder"), path = Path.Combine(folder, "saved");
        Directory.CreateDirectory(folder);
        using IDisposable locked = SpecialFile.ReadOnlyFolder(folder);
        Assert.Equal($"{path}: its folder {folder} is read-only for this user\n", await ChatAsync($"/save {path}\n"));
    }

    private static string Model => SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf");

    private static async Task<string> ChatAsync(string lines, string? option = null, bool personIn = false)
    {
        string[] args =
            ["run", "--chat", "--context", "64", "--threads", "1", "--model", Model, .. option is null ? Array.Empty<string>() : [option]];
        CliResult result = await TestCli.RunAsync(args, Encoding.UTF8.GetBytes(lines), personIn: personIn);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return result.Output;
    }
}
