namespace EdgeLlm.Cli.Tests.Terminal;

/// <summary>A conversation of the program itself with somebody at a terminal.</summary>
public sealed class ConversationTests : IDisposable
{
    private const string Run = "run -n 2 --temp 0 -c 512";

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task A_paste_of_three_lines_is_one_question_and_Ctrl_C_clears_the_line_before_it_leaves()
    {
        using var terminal = PseudoTerminal.Start(Run, stateFolder: _folder.Root);
        await terminal.TypeAsync("\e[200~one\ntwo\nthree\e[201~\r");
        await terminal.TypeAsync("/stats\r");
        await terminal.WaitForAsync("2 messages");
        await terminal.TypeAsync("half a line\x03");
        await terminal.WaitForAsync("(Ctrl-C again, Ctrl-D or /bye leaves)");
        await terminal.TypeAsync("/stats\r"); // it is still there
        await terminal.WaitForAsync("2 messages");
        await terminal.TypeAsync("\x03");
        await terminal.WaitForAsync("(Ctrl-C again");
        await terminal.TypeAsync("\x03");
        Assert.Equal(130, await terminal.ExitCodeAsync());
        string history = _folder.PathOf("edgellm/history");
        Assert.Equal([@"one\ntwo\nthree", "/stats"], File.ReadAllLines(history).Distinct());
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(history));
    }

    [Fact]
    public async Task Up_brings_a_line_of_the_conversation_before_and_the_terminal_is_left_as_it_was_found()
    {
        using (var first = PseudoTerminal.Start(Run, stateFolder: _folder.Root))
        {
            await first.TypeAsync("/show parameters\r");
            await first.TypeAsync("\x04");
            Assert.Equal(0, await first.ExitCodeAsync());
        }
        using var second = PseudoTerminal.Start(Run, afterwards: "stty -a", stateFolder: _folder.Root);
        await second.TypeAsync("\e[A\r");
        await second.WaitForAsync("num_predict 2");
        await second.TypeAsync("/bye\r");
        Assert.Equal(0, await second.ExitCodeAsync());
        string settings = second.Output[second.Output.LastIndexOf("/bye", StringComparison.Ordinal)..];
        foreach (string setting in (string[])["isig", "icanon", "iexten", "echo", "icrnl", "ixon"])
            Assert.Matches($@"(^|[ \n]){setting}\b", settings);
        Assert.EndsWith("\e[?2004l", second.Output[..second.Output.LastIndexOf("speed ", StringComparison.Ordinal)].TrimEnd());
    }

    [Fact]
    public async Task Ctrl_C_stops_an_answer_and_the_conversation_goes_on()
    {
        using var terminal = PseudoTerminal.Start("run -n -1 --ignore-eos --temp 0 -c 4096 --no-history", stateFolder: _folder.Root);
        await terminal.TypeAsync("Tell me a very long story.\r");
        await terminal.WaitForAsync("\n");
        await terminal.WaitForAsync(" ");
        await terminal.SendAsync("\x03");
        await terminal.WaitForAsync("(stopped)");
        await terminal.TypeAsync("/show system\r");
        await terminal.WaitForAsync("no system prompt");
        await terminal.TypeAsync("/bye\r");
        Assert.Equal(0, await terminal.ExitCodeAsync());
        Assert.False(File.Exists(_folder.PathOf("edgellm/history")));
    }

    [Fact]
    public async Task Set_nohistory_keeps_nothing_more_and_Tab_completes_it()
    {
        using var terminal = PseudoTerminal.Start(Run, stateFolder: _folder.Root);
        await terminal.TypeAsync("/show parameters\r");
        await terminal.TypeAsync("/set noh\t\r");
        await terminal.WaitForAsync("is kept no longer");
        await terminal.TypeAsync("/shw\r");
        await terminal.WaitForAsync("did you mean /show?");
        await terminal.TypeAsync("/load smollm2-135m-instruct\r");
        await terminal.WaitForAsync("is a model");
        await terminal.TypeAsync("/set history\r");
        await terminal.TypeAsync("/show template\r");
        await terminal.TypeAsync("/bye\r");
        Assert.Equal(0, await terminal.ExitCodeAsync());
        Assert.Equal(["/show parameters", "/set nohistory", "/show template", "/bye"],
            File.ReadAllLines(_folder.PathOf("edgellm/history")));
    }

    /// <summary>A terminal has 80 columns by itself: a line that is broken there is hard to read as a list.</summary>
    [Fact]
    public async Task The_list_of_commands_fits_80_columns()
    {
        CliResult result = await TestCli.RunAsync(["run", "--chat"], "/help\n"u8.ToArray());
        Assert.All(result.Output.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.Contains("/save FILE", result.Output);
    }

    [Fact]
    public async Task A_terminal_that_can_do_nothing_gets_no_sequences_and_the_kernels_editing()
    {
        using var terminal = PseudoTerminal.Start(Run, terminal: "dumb", stateFolder: _folder.Root);
        await terminal.WaitForAsync("> ");
        await terminal.SendAsync("/hexx\x7f\x7flp\n");
        await terminal.WaitForAsync("forget the conversation");
        await terminal.WaitForAsync("> ");
        await terminal.SendAsync("Hi\n");
        await terminal.WaitForAsync("\n> ");
        await terminal.SendAsync("half a line\x03"); // the conversation is not lost by it
        await terminal.WaitForAsync("(Ctrl-C again, Ctrl-D or /bye leaves)");
        await terminal.SendAsync("/stats\n");
        await terminal.WaitForAsync("2 messages");
        await terminal.WaitForAsync("> ");
        await terminal.SendAsync("\x03");
        await terminal.WaitForAsync("(Ctrl-C again, Ctrl-D or /bye leaves)");
        await terminal.SendAsync("\x04");
        Assert.Equal(0, await terminal.ExitCodeAsync());
        Assert.DoesNotContain("\e", terminal.Output);
        Assert.All(terminal.Output.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 61)); // and words are whole
    }

    public void Dispose() => _folder.Dispose();
}
