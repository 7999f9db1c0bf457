using System.Text;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Files;

/// <summary>Every command that writes a file, with everything that may be in the file's place.</summary>
public sealed class OutputTests : IDisposable
{
    private const string Output = "OUTPUT", Input = "INPUT", Ids = "IDS", Text = "TEXT", Other = "OTHER";

    private static readonly string[] Writers =
    [
        $"quantize {Input} {Output} --fast --force --no-report",
        $"quantize {Input} {Output} --type q8_0 --force --no-report",
        $"quantize {Input} {Output} --no-report --force",
        $"quantize {Input} {Other} --no-report --write-imatrix {Output} --force",
        $"logits --model {Input} --ids {Ids} --output {Output}",
        $"perplexity --model {Input} --against {Input} --text {Text} --context 64 --keep-logits {Output}",
    ];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string> SpecialOutputs => Cross(Writers, SpecialFile.Kinds);

    public static TheoryData<string, string> InputsAsOutputs => Cross(Writers, ["the same path", "another path", "hard link", "link"]);

    private string OutputPath => _folder.PathOf("output.gguf");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(SpecialOutputs))]
    public async Task What_is_not_a_regular_file_is_refused_and_stays(string commandLine, string kind)
    {
        SpecialFile.Make(kind, OutputPath);
        string before = SpecialFile.Describe(OutputPath);
        CliResult result = await RunAsync(commandLine, OutputPath);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        BadInputTests.RequireOneLine(result.Error);
        Assert.StartsWith($"edgellm: {OutputPath}: is a ", result.Error);
        Assert.Equal(before, SpecialFile.Describe(OutputPath));
        Assert.False(File.Exists(_folder.PathOf("other.gguf")));
    }

    [Theory]
    [MemberData(nameof(InputsAsOutputs))]
    public async Task What_is_read_is_never_replaced(string commandLine, string way)
    {
        string input = InputPath(),
            output = way == "another path" ? Path.Combine(_folder.Root, "..", Path.GetFileName(_folder.Root), "input.gguf") : OutputPath;
        byte[] before = await File.ReadAllBytesAsync(input);
        switch (way)
        {
            case "the same path": output = input; break;
            case "hard link": SpecialFile.HardLink(input, output); break;
            case "link": File.CreateSymbolicLink(output, input); break;
        }
        string[] names = Names();
        CliResult result = await RunAsync(commandLine, output);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        BadInputTests.RequireOneLine(result.Error);
        Assert.StartsWith($"edgellm: {output}: ", result.Error);
        Assert.Contains("name another file", result.Error);
        Assert.Equal(before, await File.ReadAllBytesAsync(input));
        Assert.Equal(names, Names().Except(["ids.txt", "text.txt"]));
    }

    /// <summary>
    /// Files that lie on an output's way have names of their own: none of them may be what is read, or what the user keeps.
    /// </summary>
    [Theory]
    [InlineData("output.gguf.state", false)]
    [InlineData("output.gguf.state.stream", false)]
    [InlineData("output.gguf.state.source", false)]
    [InlineData("output.gguf.state.tuning", false)]
    [InlineData("output.gguf.edgellm.tmp", false)]
    [InlineData("output.gguf.report.json", false)]
    [InlineData("output.gguf.tmp", true)]
    public async Task What_is_read_is_not_lost_on_the_output_s_way(string name, bool goesWell)
    {
        string input = _folder.PathOf(name);
        File.Move(InputPath(), input);
        byte[] before = await File.ReadAllBytesAsync(input);
        CliResult result = await TestCli.RunAsync(["quantize", input, OutputPath, .. goesWell ? (string[])["--fast", "--no-report"] : []]);
        Assert.Equal(goesWell ? 0 : 1, result.ExitCode);
        if (!goesWell) Assert.Equal(("edgellm: ", 1), (result.Error[..9], result.Error.Count(letter => letter == '\n')));
        Assert.Equal(before, await File.ReadAllBytesAsync(input));
    }

    [Theory]
    [InlineData("--chat-template")]
    [InlineData("--calibrate")]
    [InlineData("--imatrix")]
    [InlineData("--evaluate")]
    public async Task Nor_is_a_text_that_is_read(string option)
    {
        string text = _folder.Write("output.gguf", "{{ messages }}");
        CliResult result = await TestCli.RunAsync("quantize", InputPath(), text, option, text, "--force");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("is the file that is read", result.Error);
        Assert.Equal("{{ messages }}", await File.ReadAllTextAsync(text));
    }

    [Fact]
    public async Task Nor_is_a_file_of_a_folder_that_is_read()
    {
        string folder = Path.Combine(_folder.Root, "model"), blob = _folder.Write("blob", "weights");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), "{}");
        File.CreateSymbolicLink(Path.Combine(folder, "model.safetensors"), blob); // as in a cache of the hub
        foreach (string output in new[] { Path.Combine(folder, "config.json"), blob })
        {
            CliResult result = await TestCli.RunAsync("quantize", folder, output, "--fast", "--force");
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("name another file", result.Error);
        }
        Assert.Equal("weights", await File.ReadAllTextAsync(blob));
    }

    [Fact]
    public async Task Work_that_was_not_finished_does_not_take_the_place_of_another_file()
    {
        string mine = _folder.Write("output.gguf.state", "my notes on Ohio");
        CliResult result = await TestCli.RunAsync("quantize", InputPath(), OutputPath, "--no-report");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"{mine}: is where unfinished work is kept, and edgellm did not make it", result.Error);
        Assert.Equal("my notes on Ohio", await File.ReadAllTextAsync(mine));
    }

    [Fact]
    public async Task A_link_to_a_regular_file_is_followed_and_stays()
    {
        string real = _folder.Write("real.gguf", "old");
        File.CreateSymbolicLink(OutputPath, real);
        CliResult refused = await TestCli.RunAsync("quantize", InputPath(), OutputPath, "--fast", "--no-report");
        Assert.Equal((1, "old"), (refused.ExitCode, await File.ReadAllTextAsync(real)));
        Assert.Contains("is there already; --force replaces it", refused.Error);
        Assert.Equal(0, (await TestCli.RunAsync("quantize", InputPath(), OutputPath, "--fast", "--no-report", "--force")).ExitCode);
        Assert.Equal($"l -> {real}", SpecialFile.Describe(OutputPath));
        Assert.Equal("GGUF", Encoding.ASCII.GetString((await File.ReadAllBytesAsync(real))[..4]));
    }

    [Theory]
    [InlineData("device")]
    [InlineData("pipe")]
    [InlineData("folder")]
    [InlineData("link that leads nowhere")]
    [InlineData("link")]
    public async Task A_report_goes_only_where_nothing_else_is(string kind)
    {
        string report = OutputPath + ".report.html", victim = _folder.Write("victim", "keep");
        if (kind == "link") File.CreateSymbolicLink(report, victim);
        else SpecialFile.Make(kind, report);
        string before = SpecialFile.Describe(report);
        CliResult result = await TestCli.RunAsync("quantize", InputPath(), OutputPath, "--fast");
        Assert.Equal(1, result.ExitCode);
        BadInputTests.RequireOneLine(result.Error);
        Assert.StartsWith($"edgellm: {report}: is a ", result.Error);
        Assert.Equal((before, "keep"), (SpecialFile.Describe(report), await File.ReadAllTextAsync(victim)));
        Assert.False(File.Exists(OutputPath));
    }

    [Fact]
    public async Task An_importance_matrix_does_not_go_where_something_else_is_written()
    {
        string folder = _folder.PathOf("folder"), way = _folder.PathOf("way");
        Directory.CreateDirectory(folder);
        Directory.CreateSymbolicLink(way, folder);
        foreach (string name in new[] { "output.gguf", "output.gguf.report.json", "output.gguf.state" })
        {
            CliResult result = await TestCli.RunAsync("quantize", InputPath(), Path.Combine(folder, "output.gguf"), "--write-imatrix",
                Path.Combine(way, name));
            Assert.Equal(2, result.ExitCode);
            Assert.Contains("which is written too", result.Error);
        }
        Assert.Empty(Directory.GetFiles(folder));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task A_read_only_folder_and_a_missing_one_say_so(int writer)
    {
        string folder = _folder.PathOf("folder");
        Directory.CreateDirectory(folder);
        InputPath();
        using IDisposable locked = SpecialFile.ReadOnlyFolder(folder);
        string output = Path.Combine(folder, "new");
        CliResult result = await RunAsync(Writers[writer], output);
        Assert.Equal((1, $"edgellm: {output}: its folder {folder} is read-only for this user\n"), (result.ExitCode, result.Error));
        output = Path.Combine(_folder.Root, "missing", "new");
        result = await RunAsync(Writers[writer], output);
        Assert.Equal((1, $"edgellm: {output}: there is no such folder\n"), (result.ExitCode, result.Error));
    }

    [Fact]
    public void A_disk_that_is_too_small_is_told_with_the_spare()
    {
        string output = _folder.PathOf("output.gguf");
        long free = FreeSpace.At(_folder.Root) ?? 0;
        Assert.SkipWhen(free < 200_000_000, "this disk is nearly full");
        IOException refused = Assert.ThrowsAny<IOException>(() => FreeSpace.Require(output, free - 1_000_000));
        Assert.Contains($"{output}: takes ", refused.Message);
        Assert.Contains("with 67.1 MB to spare", refused.Message);
        Assert.Contains($"{_folder.Root} has ", refused.Message);
        FreeSpace.Require(output, free / 2);
    }

    [Fact]
    public async Task Messages_about_a_folder_s_weights_name_the_folder_and_not_a_temporary_file()
    {
        string folder = SharedFolder.Require("golden", "logits", "llama"), copy = _folder.PathOf("model");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(folder)) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        string calibration = _folder.Write("short.txt", "Too short.");
        CliResult result = await TestCli.RunAsync("quantize", copy, OutputPath, "--calibrate", calibration, "--no-report");
        Assert.Equal(1, result.ExitCode);
        Assert.DoesNotContain(".tmp", result.Error);
        Assert.DoesNotContain(Directory.GetFiles(_folder.Root), file => file.EndsWith(".tmp", StringComparison.Ordinal));
    }

    private static TheoryData<string, string> Cross(IEnumerable<string> lines, IEnumerable<string> ways)
    {
        var data = new TheoryData<string, string>();
        foreach (string line in lines)
        {
            foreach (string way in ways) data.Add(line, way);
        }
        return data;
    }

    private Task<CliResult> RunAsync(string commandLine, string output) =>
        TestCli.RunAsync([.. commandLine.Split(' ').Select(word => word switch
    {
        Output => output,
        Input => InputPath(),
        Other => _folder.PathOf("other.gguf"),
        Ids => _folder.Write("ids.txt", "1 2 3\n"),
        Text => _folder.Write("text.txt", string.Concat(Enumerable.Repeat("Once upon a time there was a little girl. ", 60))),
        _ => word,
    })]);

    private string InputPath()
    {
        string path = _folder.PathOf("input.gguf");
        if (!File.Exists(path)) File.Copy(SharedFolder.Require("models", "stories260K.f32.gguf"), path);
        return path;
    }

    private string[] Names() =>
        [.. Directory.GetFileSystemEntries(_folder.Root).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
}
