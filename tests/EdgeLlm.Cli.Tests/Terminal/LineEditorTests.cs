using System.Text;
using EdgeLlm.Cli.Run;
using EdgeLlm.Cli.Terminal;

namespace EdgeLlm.Cli.Tests.Terminal;

/// <summary>Keys as a terminal sends them, and what comes of them: the text that is sent, and the screen.</summary>
public sealed class LineEditorTests
{
    private const string Left = "\e[D", Right = "\e[C", Up = "\e[A", Down = "\e[B", Home = "\e[H", End = "\e[F",
        Delete = "\e[3~", Backspace = "\x7f";

    [Theory]
    [InlineData("hello", "hello\r")]
    [InlineData("hello world", "hello wrld" + Left + Left + Left + "o\r")]
    [InlineData("xabc", "abc\x01x\r")]
    [InlineData("xabcy", "bc" + Home + "xa" + End + "y\r")]
    [InlineData("xabc", "abc\eOHx\r")] // a keypad in application mode
    [InlineData("xabc", "abc\e[1~x\r")]
    [InlineData("ac", "abc" + Left + Backspace + "\r")]
    [InlineData("ab", "abc\b\r")]
    [InlineData("ac", "abc" + Left + Left + Delete + "\r")]
    [InlineData("ac", "abc\x02\x02\x04\r")] // Ctrl-B twice, Ctrl-D
    [InlineData("one two ", "one two three\x17\r")] // Ctrl-W
    [InlineData("one ", "one two-three\x17\x17\r")]
    [InlineData("one four", "one two" + "\e" + Backspace + "four\r")]
    [InlineData("one", "one two\eb\x02\x0b\r")] // Alt-B, Ctrl-B, Ctrl-K
    [InlineData("two", "one two" + "\e[1;5D\x15\r")] // Ctrl-Left, Ctrl-U
    [InlineData("two one ", "one two\x17\x01\x19 \x05\r")] // Ctrl-W, Ctrl-A, Ctrl-Y, a space, Ctrl-E
    [InlineData("one !two", "one two" + Home + "\e[1;5C !" + Delete + "\r")]
    [InlineData("two", "one two" + Home + "\ed" + Delete + "\r")] // Alt-D
    [InlineData("one\ntwo", "one\ntwo\r")] // Ctrl-J
    [InlineData("one\ntwo", "one\e\rtwo\r")] // Alt-Enter
    [InlineData("oneX\ntwo", "one\ntwo" + Up + "X\r")]
    [InlineData("one\ntwoX", "one\ntwo" + Home + Up + Down + End + "X\r")]
    [InlineData("ab", "a\e[15~\e[1;2P\a" + "b\r")] // keys that do nothing
    [InlineData("a\uFFFDb", "a\0" + "b\r", 0xC3)] // a byte that is no UTF-8
    public void Keys_edit_as_in_readline(string expected, string keys, int strayByte = 0)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(keys);
        if (strayByte != 0) bytes[Array.IndexOf(bytes, (byte)0)] = (byte)strayByte;
        var terminal = new Typed(40, 10);
        Assert.Equal(new LineEntry(LineEnd.Line, expected), terminal.Read(bytes));
    }

    [Theory]
    [InlineData("日本語", 2, "日")]
    [InlineData("a👩‍👩‍👧‍👦", 1, "a")] // a family of one character
    [InlineData("e\u0301e\u0301", 1, "e\u0301")]
    [InlineData("🇩🇪🇫🇷", 1, "🇩🇪")]
    public void Backspace_and_arrows_take_whole_characters(string typed, int times, string expected)
    {
        Assert.Equal(expected, new Typed(40, 10).Read(typed + string.Concat(Enumerable.Repeat(Backspace, times)) + "\r").Text);
        string moved = new Typed(40, 10).Read(typed + string.Concat(Enumerable.Repeat(Left, times)) + "|\r").Text;
        Assert.StartsWith(expected + "|", moved, StringComparison.Ordinal);
    }

    [Fact]
    public void A_paste_of_several_lines_is_one_text_that_Enter_sends()
    {
        var terminal = new Typed(40, 10);
        LineEntry entry = terminal.Read("Summarise: \e[200~one\r\ntwo\rthree\n\x07\e[201~\r");
        Assert.Equal(new LineEntry(LineEnd.Line, "Summarise: one\ntwo\nthree\n"), entry);
        Assert.Equal(["> Summarise: one", ". two", ". three", "."], terminal.Screen.Visible);
        Assert.False(terminal.Screen.TakesBracketedPaste);
    }

    [Fact]
    public void A_paste_may_hold_anything_and_be_long()
    {
        string book = string.Concat(Enumerable.Range(0, 600).Select(i => $"Line {i} of a text, with [201~ and \\ in it.\n"));
        var terminal = new Typed(80, 24);
        Assert.Equal(book, terminal.Read($"\e[200~{book}\e[201~\r").Text);
        Assert.Equal(601, terminal.Screen.All.Length); // all of it is above the next prompt then
        Assert.StartsWith(". Line 599 of a text", terminal.Screen.All[^2]);
    }

    [Fact]
    public void Ctrl_C_and_Ctrl_D_end_it()
    {
        Assert.Equal(new LineEntry(LineEnd.Interrupt, "half"), new Typed(40, 10).Read("half\x03"));
        Assert.Equal(new LineEntry(LineEnd.EndOfInput, ""), new Typed(40, 10).Read("\x04"));
        Assert.Equal(new LineEntry(LineEnd.EndOfInput, ""), new Typed(40, 10).Read("gone")); // the terminal was closed
        var terminal = new Typed(40, 10);
        terminal.Read("half" + Left + "\x03");
        Assert.Equal(["> half^C"], terminal.Screen.Visible);
        Assert.Equal((1, 0), terminal.Screen.Cursor);
    }

    [Fact]
    public void Up_and_Down_bring_earlier_lines_and_what_was_being_typed()
    {
        var terminal = new Typed(40, 10);
        foreach (string line in (string[])["first", "second", "third\nof two lines"]) terminal.History.Add(line);
        Assert.Equal("third\nof two lines", terminal.Read(Up + "\r").Text);
        Assert.Equal("second!", terminal.Read(Up + Up + Up + "!\r").Text); // through both lines of the third
        Assert.Equal("first", terminal.Read(Up + Up + Up + Up + Up + Up + Up + "\r").Text);
        Assert.Equal("draft!", terminal.Read("draft" + Up + Down + Down + "!\r").Text);
        Assert.Equal("secondx", terminal.Read("\x10\x10\x10x\r").Text); // Ctrl-P
    }

    [Theory]
    [InlineData("Why is the sky blue?", "\x12sky\r")] // Ctrl-R, in small or capital letters
    [InlineData("what is the SKY?", "\x12sky\x12\r")] // the one before
    [InlineData("what is the SKY?", "\x12sky\x12\x12\x12\r")] // and none before that
    [InlineData("Why is the sky blue?!", "\x12sky\x05!\r")] // another key takes the line
    [InlineData("Why is the sky blue?", "\x12skz" + Backspace + "\r")]
    [InlineData("draft!", "draft\x12sky\a!\r")] // Ctrl-G
    [InlineData("draft", "draft\x12nothing has this\r")]
    [InlineData("Write a poem.", "\x12" + "blue" + Up + "\r")]
    public void Ctrl_R_searches_earlier_lines(string expected, string keys)
    {
        var terminal = new Typed(40, 10);
        foreach (string line in (string[])["what is the SKY?", "Write a poem.", "Why is the sky blue?"]) terminal.History.Add(line);
        Assert.Equal(expected, terminal.Read(keys).Text);
        Assert.Equal(["> " + expected], terminal.Screen.Visible); // with the usual prompt again
    }

    [Fact]
    public void Ctrl_R_shows_what_is_sought_and_what_is_found()
    {
        var terminal = new Typed(40, 10);
        terminal.History.Add("Why is the sky blue?");
        var shown = new List<string>();
        terminal.Check = () => shown.Add(string.Join('|', terminal.Screen.Visible));
        terminal.Read("draft\x12sky");
        Assert.Equal("(search: sky) Why is the sky blue?", shown[^1]);
        terminal = new Typed(40, 10); // without a history
        terminal.Check = () => shown.Add(string.Join('|', terminal.Screen.Visible));
        terminal.Read("draft\x12sky");
        Assert.Equal("(not found: sky) draft", shown[^1]);
    }

    [Fact]
    public void Tab_writes_what_is_certain_and_lists_the_rest()
    {
        string[] lines = ["/save ", "/set history", "/set parameter top_k ", "/set parameter top_p ", "/show info", "/stats"];
        var terminal = new Typed(40, 10);
        terminal.Editor.Completions = new CommandCompletion(lines, []).For;
        Assert.Equal("/stats", terminal.Read("/st\t\r").Text);
        Assert.Equal("/set history", terminal.Read("/SET H\t\r").Text);
        Assert.Equal("/set parameter top_k 5", terminal.Read("/set p\tt\tk\t5\r").Text);
        Assert.Equal("no\tcommand", terminal.Read("no\t\e[200~\t\e[201~command\r").Text); // Tab does nothing, a pasted one is text
        terminal = new Typed(40, 10);
        terminal.Editor.Completions = new CommandCompletion(lines, []).For;
        Assert.Equal("/show info", terminal.Read("/s\th\ti\t\r").Text);
        Assert.Equal(["> /s", "/save  /set  /show  /stats", "> /show info"], terminal.Screen.Visible);
    }

    [Fact]
    public void Tab_knows_files_after_commands_that_take_one()
    {
        using var folder = new TemporaryFolder();
        folder.Write("talk one.chat", "");
        folder.Write("talks/two.chat", "");
        folder.Write(".hidden", "");
        var completion = new CommandCompletion(["/load ", "/save "], ["/save ", "/save --force ", "/load "]);
        string root = folder.Root + "/";
        Assert.Equal([$"/load {root}talk one.chat", $"/load {root}talks/"], completion.For($"/load {root}t"));
        Assert.Equal([$"/save --force {root}talks/two.chat"], completion.For($"/save --force {root}talks/"));
        Assert.Equal([$"/load {root}.hidden"], completion.For($"/load {root}."));
        Assert.Empty(completion.For("/load /nonexistent/x"));
        Assert.Empty(completion.For("What is /etc"));
    }

    /// <summary>After every key, the screen is as if the text had been written anew.</summary>
    [Fact]
    public void The_screen_always_shows_the_text_and_the_cursor_its_place()
    {
        string[] keys = [Left, Right, Up, Down, Home, End, Delete, Backspace, "\x17", "\x0b", "\x15", "\x19", "\n", "a", "b c", "word ",
            "日本", "👍", "é", "\t", "0123456789012345678901234567890123456789"];
        for (int seed = 0; seed < 40; seed++)
        {
            var dice = new Random(seed);
            (int columns, int rows) = (dice.Next(8, 30), dice.Next(2, 12));
            var typed = new StringBuilder();
            var buffer = new LineBuffer();
            var terminal = new Typed(columns, rows);
            terminal.Check = () =>
            {
                ScreenText expected = ScreenText.Of("> ", ". ", terminal.Text, terminal.Place, columns);
                string[] shown = terminal.Screen.Visible, all = [.. expected.Rows.Select(row => row.TrimEnd())];
                (int row, int column) = terminal.Screen.Cursor;
                int top = expected.CursorRow - row;
                Assert.True(top >= 0 && top + rows >= Math.Min(all.Length, rows), $"seed {seed}");
                string[] part = [.. all.Skip(top).Take(rows)];
                while (part.Length > 0 && part[^1].Length == 0) part = part[..^1];
                Assert.Equal(part, shown);
                Assert.Equal(expected.CursorColumn, column);
            };
            for (int i = 0; i < 60; i++) typed.Append(keys[dice.Next(keys.Length)]).Append('\0'); // 0 does nothing, and parts texts
            terminal.Read(typed.ToString());
        }
    }

    [Fact]
    public void A_text_that_is_longer_than_the_screen_shows_the_part_with_the_cursor_and_in_the_end_all()
    {
        string text = string.Join('\n', Enumerable.Range(0, 30).Select(i => $"row {i}"));
        var terminal = new Typed(20, 5);
        terminal.Check = () => Assert.True(terminal.Screen.Visible.Length <= 5);
        terminal.Read(text + string.Concat(Enumerable.Repeat(Up, 20)) + "\0\r");
        Assert.Equal(text.Split('\n').Select((row, i) => (i == 0 ? "> " : ". ") + row), terminal.Screen.All[^30..]);
    }

    [Fact]
    public void Ctrl_L_clears_the_screen_and_keeps_the_text()
    {
        var terminal = new Typed(20, 5);
        terminal.Screen.Write("an earlier answer\n");
        terminal.Check = () => { };
        Assert.Equal("hello!", terminal.Read("hello\f!\r").Text);
        Assert.Equal(["> hello!"], terminal.Screen.Visible);
    }

    [Fact]
    public void A_screen_that_becomes_narrower_is_drawn_again()
    {
        var terminal = new Typed(40, 10);
        int calls = 0;
        terminal.Check = () =>
        {
            if (++calls == 2) terminal.Editor.Redraw(sameScreen: true);
        };
        Assert.Equal("some words!", terminal.Read("some words\0!\r").Text);
        Assert.Equal(["> some words!"], terminal.Screen.Visible);
    }

    /// <summary>An editor whose keys are given, and whose screen can be looked at whenever it waits for a key.</summary>
    private sealed class Typed
    {
        private Queue<byte> _bytes = [];

        public Typed(int columns, int rows)
        {
            Screen = new VirtualScreen(columns, rows);
            Editor = new LineEditor(new KeyReader(Next), Screen, History, () => (columns, rows));
        }

        public VirtualScreen Screen { get; }

        public LineHistory History { get; } = new(null);

        public LineEditor Editor { get; }

        public Action Check { get; set; } = () => { };

        public string Text => Editor.Buffer.Text;

        public int Place => Editor.Buffer.Cursor;

        public LineEntry Read(string keys) => Read(Encoding.UTF8.GetBytes(keys));

        public LineEntry Read(byte[] keys)
        {
            _bytes = new Queue<byte>(keys);
            return Editor.Read("> ", ". ", () => { });
        }

        private int Next(int milliseconds)
        {
            if (milliseconds < 0) Check();
            return _bytes.TryDequeue(out byte value) ? value : -1;
        }
    }
}
