using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Files;

/// <summary>
/// Every place where a command takes a file, with everything that may be there in its place: one line of our own words and the documented
/// exit code.
/// </summary>
public sealed class BadInputTests : IDisposable
{
    private const string Model = "MODEL", Bad = "BAD", Output = "OUTPUT", Ids = "IDS", Json = "JSON", Text = "TEXT";

    private readonly TemporaryFolder _folder = new();

    /// <summary>Command lines by the kinds of files that they refuse. What a pipe gives, a text may be read from.</summary>
    private static readonly (string Kinds, string[] CommandLine)[] CommandLines =
    [
        ("model", ["run", "--model", Bad, "hello"]),
        ("model", ["bench", "--model", Bad]),
        ("model", ["bench", "--model", Model, "--threads", "1", "--rounds", "1", "--prompt", "2", "--decode", "1", "--peer-decode",
            "1", "--peer-model", Bad]),
        ("model", ["inspect", Bad]),
        ("model", ["inspect", "--verify", "--json", Bad]),
        ("model", ["logits", "--model", Bad, "--ids", Ids, "--output", Output]),
        ("text", ["logits", "--model", Model, "--ids", Bad, "--output", Output]),
        ("model", ["perplexity", "--model", Bad, "--text", Text]),
        ("model", ["perplexity", "--model", Model, "--text", Text, "--against", Bad]),
        ("text", ["perplexity", "--model", Model, "--text", Bad]),
        ("kept", ["perplexity", "--model", Model, "--against", Model, "--text", Text, "--context", "64", "--keep-logits", Bad]),
        ("text", ["template", "--template", Bad, "--input", Json]),
        ("text", ["template", "--model", Model, "--chat-template", "chatml", "--input", Bad]),
        ("text", ["template", "--model", Model, "--chat-template", Bad, "--input", Json]),
        ("model", ["template", "--model", Bad, "--input", Json]),
        ("model", ["tokenize", "--model", Bad]),
        ("text", ["run", "--model", Model, "--chat-template", Bad, "hello"]),
        ("model", ["quantize", Bad, Output, "--fast"]),
        ("model", ["quantize", Bad, Output, "--dry-run"]),
        ("text", ["quantize", Model, Output, "--calibrate", Bad]),
        ("imatrix", ["quantize", Model, Output, "--imatrix", Bad]),
        ("imatrix", ["quantize", Model, Output, "--type", "q4_0", "--imatrix", Bad]),
        ("text", ["quantize", Model, Output, "--fast", "--chat-template", Bad]),
        ("reference", ["quantize", Model, Output, "--fast", "--evaluate", Bad]),
        ("model", ["serve", "--check", "--model", Bad]),
        ("text", ["serve", "--check", "--model", Model, "--config", Bad]),
        ("text", ["serve", "--check", "--model", Model, "--api-key-file", Bad]),
        ("text", ["serve", "--check", "--model", Model, "--chat-template", Bad]),
    ];

    private static readonly Dictionary<string, string[]> KindsOf = new()
    {
        ["model"] = ["missing", "missing folder", "below a file", "folder", "empty", "noise", "device", "pipe", "socket",
            "link that leads nowhere", "links in a circle", "newline", "long name"],
        ["imatrix"] = ["missing", "missing folder", "folder", "empty", "noise", "device", "socket", "link that leads nowhere",
            "links in a circle", "newline"],
        ["text"] = ["missing", "missing folder", "below a file", "folder", "empty", "noise", "device", "socket", "link that leads nowhere",
            "links in a circle", "newline", "long name"],
        ["reference"] = ["missing", "missing folder", "folder", "device", "socket", "link that leads nowhere", "links in a circle"],
        ["kept"] = ["missing folder", "below a file", "folder", "empty", "noise", "device", "pipe", "socket", "link that leads nowhere",
            "links in a circle", "long name"],
    };

    public static TheoryData<string, string> Cases
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach ((string kinds, string[] commandLine) in CommandLines)
            {
                foreach (string kind in KindsOf[kinds])
                {
                    // Noise is a chat template and a text as good as any other; so is an empty template.
                    if (kind == "noise" && commandLine.Contains("--chat-template")
                        && commandLine[Array.IndexOf(commandLine, "--chat-template") + 1] == Bad)
                        continue;
                    if (kind is "noise" or "empty" && commandLine.Contains("--template")) continue;
                    if (kind == "noise" && commandLine[Math.Max(0, Array.IndexOf(commandLine, Bad) - 1)] is "--text" or "--calibrate")
                        continue;
                    data.Add(string.Join(' ', commandLine), kind);
                }
            }
            return data;
        }
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_bad_file_is_one_line_and_1(string commandLine, string kind)
    {
        string bad = Make(kind);
        string[] args = [.. commandLine.Split(' ').Select(word => word switch
        {
            Bad => bad,
            Model => SharedFolder.Require("models", "stories260K.f32.gguf"),
            Output => _folder.PathOf("output.gguf"),
            Ids => _folder.Write("ids.txt", "1 2 3\n"),
            Json => _folder.Write("input.json", """{"messages": []}"""),
            Text => _folder.Write("text.txt", string.Concat(Enumerable.Repeat("Once upon a time there was a little girl. ", 60))),
            _ => word,
        })];
        CliResult result = await TestCli.RunAsync(args, [], _folder.Environment);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        RequireOneLine(result.Error);
        string named = kind is "newline" or "long name" ? "edgellm: " : kind == "empty" && args.Contains("--calibrate")
            ? "the calibration text has fewer" : Path.GetFileName(bad);
        Assert.Contains(named, result.Error);
        Assert.False(File.Exists(_folder.PathOf("output.gguf")));
        Assert.Empty(Directory.GetFiles(_folder.Root, "*.tmp"));
    }

    [Theory]
    [InlineData(2, "list", "--json=maybe")]
    [InlineData(2, "run", "--seed", "x", "hello")]
    [InlineData(2, "run", "--seed", "1.5", "hello")]
    [InlineData(2, "run", "--max-tokens", "1e9", "hello")]
    [InlineData(2, "run", "--top-k", "99999999999", "hello")]
    [InlineData(2, "run", "--temperature", "NaN", "hello")]
    [InlineData(2, "run", "--min-p", "-1", "hello")]
    [InlineData(2, "run", "--dry-base", "0", "--dry-multiplier", "1", "hello")]
    [InlineData(2, "run", "--logit-bias", "-1=3", "hello")]
    [InlineData(2, "run", "--kv", "f8", "hello")]
    [InlineData(2, "run", "--kernel", "", "hello")]
    [InlineData(2, "run", "--threads")]
    [InlineData(2, "bench", "--peer-decode", "fast")]
    [InlineData(2, "bench", "--rounds", "0")]
    [InlineData(2, "quantize", "one")]
    [InlineData(2, "quantize", "one", "two", "--size", "large")]
    [InlineData(2, "quantize", "one", "two", "--bits", "")]
    [InlineData(2, "quantize", "one", "two", "--type", "q3")]
    [InlineData(2, "template")]
    [InlineData(2, "template", "--input", "x", "--now", "later")]
    [InlineData(2, "perplexity", "--text", "x", "--context", "1")]
    [InlineData(2, "logits")]
    [InlineData(2, "serve", "--threads", "none")]
    [InlineData(2, "serve", "--listen", ":::")]
    [InlineData(2, "rm")]
    [InlineData(2, "nonsense")]
    [InlineData(2, "pull", "/")]
    [InlineData(1, "rm", "nobody", "--yes")]
    public async Task A_wrong_command_line_is_one_line_and_2(int exitCode, params string[] args)
    {
        CliResult result = await TestCli.RunAsync(args, [], _folder.Environment);
        Assert.Equal((exitCode, ""), (result.ExitCode, result.Output));
        RequireOneLine(result.Error);
    }

    /// <summary>Files that no option names: the token of the hub, and the folder of models.</summary>
    [Theory]
    [InlineData("HF_TOKEN_PATH", "folder")]
    [InlineData("HF_TOKEN_PATH", "device")]
    [InlineData("HF_TOKEN_PATH", "noise")]
    [InlineData("HF_TOKEN_PATH", "socket")]
    [InlineData("HF_TOKEN_PATH", "link that leads nowhere")]
    [InlineData("XDG_DATA_HOME", "empty")]
    [InlineData("XDG_DATA_HOME", "device")]
    [InlineData("XDG_DATA_HOME", "links in a circle")]
    public async Task A_bad_file_of_the_environment_is_one_line_and_1(string variable, string kind)
    {
        string bad = Make(kind);
        var environment = new Dictionary<string, string?>(_folder.Environment)
        {
            ["HF_ENDPOINT"] = "http://127.0.0.1:9",
            ["HF_HOME"] = _folder.Root,
            ["HF_TOKEN"] = null,
            [variable] = bad,
        };
        CliResult result = await TestCli.RunAsync(["pull", "owner/name"], [], environment);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        RequireOneLine(result.Error);
        Assert.Contains(Path.GetFileName(bad), result.Error);
    }

    [Fact]
    public async Task A_folder_that_may_not_be_changed_is_said_where_a_model_is_removed()
    {
        File.WriteAllBytes(_folder.ModelPath("sample.gguf"), SampleGguf.Bytes());
        using IDisposable locked = SpecialFile.ReadOnlyFolder(_folder.Models);
        CliResult result = await TestCli.RunAsync(["rm", "sample", "--yes"], [], _folder.Environment);
        Assert.Equal((1, $"edgellm: {_folder.ModelPath("sample.gguf")}: may not be removed by this user\n"),
            (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task What_a_user_may_not_read_is_said_by_name()
    {
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "root may read everything");
        string path = _folder.Write("secret", "x");
        SpecialFile.Run("chmod", "0", path);
        Assert.Equal($"edgellm: {path}: may not be read by this user\n",
            (await TestCli.RunAsync("template", "--template", path, "--input", path)).Error);
    }

    /// <summary>Says what makes an error one of ours.</summary>
    internal static void RequireOneLine(string error)
    {
        Assert.StartsWith("edgellm: ", error);
        Assert.EndsWith("\n", error);
        Assert.DoesNotContain(error[..^1], char.IsControl);
        foreach (string theirs in (string[])["(Parameter", "System.", "`1", "   at ", "Exception", "fault of edgellm", ".tmp",
            "Could not find", "Access to the path", "Object reference"])
            Assert.DoesNotContain(theirs, error);
        Assert.InRange(error.Length, 20, 600);
    }

    private string Make(string kind)
    {
        string path = _folder.PathOf("bad-file");
        switch (kind)
        {
            case "missing": return path;
            case "missing folder": return Path.Combine(_folder.Root, "no-folder", "bad-file");
            case "below a file": return Path.Combine(_folder.Write("a-file", "x"), "bad-file");
            case "empty": return _folder.Write("bad-file", "");
            case "newline": return path + "\nedgellm: all is well\u001b[2J";
            case "long name": return _folder.PathOf(new string('n', 300));
            case "noise":
                byte[] noise = new byte[300];
                new Random(1).NextBytes(noise);
                File.WriteAllBytes(path, noise);
                return path;
            case "device": return "/dev/zero"; // never written here
            default:
                SpecialFile.Make(kind, path);
                return path;
        }
    }
}
