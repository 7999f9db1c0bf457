using System.CommandLine;
using System.Globalization;
using System.Text;
using EdgeLlm.Cli;
using EdgeLlm.Cli.Commands;
using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>
/// Command lines and settings. Commands that end soon and change nothing are run; of `serve`, `pull` and `rm` the command line is only
/// parsed. Values that may name files are those of the case's folder.
/// </summary>
internal static class OptionsTarget
{
    private static readonly string[] Commands = ["run", "run", "run", "inspect", "tokenize", "template", "logits", "perplexity", "quantize",
        "serve", "bench", "pull", "rm", "list", "kernels"];

    private static readonly string[] ParsedOnly = ["serve", "bench", "pull", "rm", "doctor"];

    /// <summary>Options that name a file to write: their values stay in the folder.</summary>
    private static readonly string[] Outputs = ["--output", "--keep-logits", "--write-imatrix", "--state"];

    private static readonly string[] Settings = [.. Setting.All.Select(setting => setting.Name)];

    // Made once, as in the program: options that commands share note each command that they are given to.
    private static readonly Command Root = EdgeLlmCommand.Create();

    private const string SettingsFile =
        """{"model":"model.gguf","name":"tiny","listen":"127.0.0.1:11500","origins":["http://a"],"hosts":"x.lan","context":64,"threads":1,"kv":"f16","conversations":2,"parallel":2,"models":"none","keepAlive":"5m","whenFull":"cut","requestSeconds":9,"queue":4,"bodyLimit":65536,"stopSeconds":3}""";

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        if (dice.OneIn(4)) return ReadSettings(current);
        if (!File.Exists("model.gguf")) Prepare();
        string[] arguments = MakeArguments(dice, Root);
        current.Begin(arguments.Sum(argument => 2 * argument.Length));
        return ParsedOnly.Contains(arguments[0]) ? Parse(Root, arguments) : Run(Root, arguments);
    }

    private static string? Parse(Command root, string[] arguments) =>
        CommandRunner.Parse(root, arguments).Errors.Count > 0 ? "usage" : null;

    private static string? Run(Command root, string[] arguments)
    {
        var errors = new StringWriter();
        Console.SetError(errors);
        Console.SetIn(new StringReader("hi"));
        StandardStreams.OpenInput = () => new MemoryStream("hi"u8.ToArray());
        StandardStreams.OpenOutput = () => new MemoryStream();
        StandardStreams.HasPersonIn = () => false;
        StandardStreams.HasPersonOut = () => false;
        using var limit = new CancellationTokenSource();
        int code = CommandRunner.RunAsync(root, arguments).GetAwaiter().GetResult();
        string text = errors.ToString();
        if (code is not (ExitCode.Success or ExitCode.Failure or ExitCode.Usage)) throw Wrong($"exit code {code}");
        if (code == ExitCode.Success) return null;
        string[] lines = text.TrimEnd('\n').Split('\n');
        if (!lines[^1].StartsWith("edgellm: ", StringComparison.Ordinal)) throw Wrong("the last line of standard error is not the error");
        if (ChildLoop.ProblemOf(lines[^1]) is { } problem) throw Wrong($"the message {problem}");
        if (text.Contains("   at ", StringComparison.Ordinal)) throw Wrong("a stack trace");
        return code == ExitCode.Usage ? "usage" : "failure";

        WrongResultException Wrong(string what) =>
            new($"{what}: edgellm {string.Join(' ', arguments.Select(argument => $"'{argument}'"))}\n{text}");
    }

    private static string[] MakeArguments(Dice dice, Command root)
    {
        string name = dice.Of(Commands);
        Command command = root.Subcommands.First(command => command.Name == name);
        List<string> arguments = [name];
        foreach (Argument argument in command.Arguments)
        {
            if (!dice.OneIn(5))
                arguments.Add(argument.Name == "output" ? "out.gguf" : name is "inspect" or "quantize" ? FileOf(dice) : dice.Text());
        }
        Option[] options = [.. command.Options.Where(option => !option.Hidden)];
        if (options.Any(option => option.Name == "--model")) arguments.AddRange(["--model", dice.OneIn(6) ? FileOf(dice) : "model.gguf"]);
        if (options.Any(option => option.Name == "--max-tokens")) arguments.AddRange(["--max-tokens", "4"]);
        if (name == "perplexity") arguments.AddRange(["--text", dice.OneIn(6) ? FileOf(dice) : "text.txt"]);
        if (name == "quantize") arguments.AddRange(["--fast", "--force"]);
        for (int count = dice.Below(5); count > 0 && options.Length > 0; count--)
        {
            Option option = dice.Of(options);
            if (option.Name is "--calibrate" or "--evaluate" or "--size" or "--bits") continue; // minutes of work
            arguments.Add(dice.OneIn(30) ? dice.Text() : option.Name);
            if (option.ValueType == typeof(bool) || dice.OneIn(12)) continue;
            arguments.Add(Outputs.Contains(option.Name) ? dice.Pick("written.dat", "missing/written.dat") : ValueOf(dice, option));
        }
        // What a command writes is named by no other text: it can't leave the folder.
        return [.. arguments.Select(argument => argument.StartsWith('/')
            || argument.Contains("..", StringComparison.Ordinal) ? "x" : argument)];
    }

    private static string ValueOf(Dice dice, Option option)
    {
        if (option.HelpName is "FILE" or "MODEL" or "FOLDER" or "FILE.gguf") return FileOf(dice);
        return dice.Below(8) switch
        {
            0 => dice.Text(),
            1 => dice.Number().ToString("R", CultureInfo.InvariantCulture),
            2 or 3 => ((long)dice.Integer()).ToString(CultureInfo.InvariantCulture),
            4 => dice.Pick("f16", "f32", "i8", "scalar", "error", "drop", "q8_0", "q4_0", "e4", "e8", "16", "32", "5=1", "5=-inf",
                "999999=1", "-1=1", "5=nan", "NaN", "inf", "1e400"),
            _ => dice.Below(100).ToString(CultureInfo.InvariantCulture),
        };
    }

    private static string FileOf(Dice dice) =>
        dice.Pick("model.gguf", "packed.gguf", "text.txt", "missing.gguf", "folder", "empty.gguf", "damaged.gguf", "prompts.json", "");

    private static string? ReadSettings(FuzzCase current)
    {
        Dice dice = current.Dice;
        byte[] json = JsonMutator.Mutate(dice, Encoding.UTF8.GetBytes(SettingsFile), Settings);
        string path = current.PathOf("settings.json");
        File.WriteAllBytes(path, json);
        var line = new Dictionary<string, string>();
        for (int count = dice.Below(3); count > 0; count--)
            line[dice.Of(Settings)] = dice.OneIn(2) ? dice.Text() : dice.Integer().ToString(CultureInfo.InvariantCulture);
        string? variable = dice.OneIn(4) ? dice.Of(Setting.All).EnvironmentName : null;
        string text = dice.Text();
        current.Begin(json.Length);
        SettingsReader.Read(path, name => name == variable ? text : null, line);
        return null;
    }

    private static void Prepare()
    {
        File.Copy(Samples.ModelPath, "model.gguf");
        File.Copy(Path.Combine(Samples.Folder, "packed-0.gguf"), "packed.gguf");
        File.WriteAllText("text.txt", string.Concat(Enumerable.Repeat("the thing and the other ", 20)));
        File.WriteAllText("prompts.json", """{"messages":[{"role":"user","content":"hi"}]}""");
        File.WriteAllText("empty.gguf", "");
        File.WriteAllBytes("damaged.gguf", File.ReadAllBytes(Samples.ModelPath)[..5000]);
        Directory.CreateDirectory("folder");
        // Models and measurements of the user are not those of the fuzzer.
        foreach (string variable in new[] { "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME" })
            Environment.SetEnvironmentVariable(variable, Path.GetFullPath("home"));
    }
}
