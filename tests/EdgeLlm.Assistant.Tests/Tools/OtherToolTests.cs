using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Tools;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Tests.Tools;

public sealed class OtherToolTests : IDisposable
{
    private static readonly Vocabulary English = Vocabulary.Find("en")!;

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Theory]
    [InlineData("en", "1013 hectopascals")]
    [InlineData("de", "1013 Hektopascal")]
    [InlineData("fr", "1013 hectopascals")]
    [InlineData("es", "1013 hectopascales")]
    public void Units_are_said_as_words(string language, string expected)
    {
        Vocabulary words = Vocabulary.Find(language)!;
        Assert.Equal(expected, SensorTool.Format(new Measurement("pressure", 1013.2, "hPa"), words));
        foreach (string unit in new[] { "°C", "%", "lx", "ppm", "cm" })
            Assert.DoesNotContain(unit, SensorTool.Format(new Measurement("", 20, unit), words), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Notes_are_found_by_their_words_and_read_again_when_they_change()
    {
        Write("museum/clock.md",
            "# The clock\n\nThe tower clock was built by Anna Keller in 1742.\n\n# The well\n\nThe well is 40 metres deep.");
        Write("family.txt", "Grandmother's plum cake: 500 g flour, 1 kg plums, bake for 45 minutes.");
        Write(".hidden.txt", "the secret well of Anna Keller");
        Write("picture.jpg", "Anna Keller");
        using var house = new TestHouse(change: settings => settings with { NotesFolder = _folder });
        ToolResult found = await CallAsync(house, "search_notes", """{"query":"who built the tower clock?"}""");
        Assert.StartsWith("From museum/clock.md:\n# The clock\nThe tower clock was built by Anna Keller in 1742.", found.Text,
            StringComparison.Ordinal);
        Assert.True(found.IsUntrusted);
        Assert.DoesNotContain("secret", found.Text, StringComparison.Ordinal);
        Assert.Equal("I found nothing about that.", (await CallAsync(house, "search_notes", """{"query":"zebra"}""")).Spoken);
        Write("zebra.txt", "The zebra is in the cellar.");
        Assert.Contains("cellar", (await CallAsync(house, "search_notes", """{"query":"zebra"}""")).Text, StringComparison.Ordinal);
        Directory.Delete(_folder, recursive: true);
        Assert.Equal(ToolStatus.Failed, (await CallAsync(house, "search_notes", """{"query":"zebra"}""")).Status);
        Directory.CreateDirectory(_folder);
    }

    [Fact]
    public async Task Notes_are_found_by_their_meaning_where_there_is_a_model_for_it()
    {
        Write("a.txt", "Cats purr.");
        Write("b.txt", "Ships sail.");
        using var index = new NoteIndex(_folder, Embed);
        index.Prepare();
        await index.Embedding;
        Assert.Equal("b.txt", index.Search("vessel", 1, TestContext.Current.CancellationToken)[0].File);
        Assert.Equal("a.txt", index.Search("purr", 1, TestContext.Current.CancellationToken)[0].File);
    }

    [Fact]
    public void Passages_are_bounded_whatever_a_file_has()
    {
        string[] cut =
            [.. NoteIndex.Cut(new string('x', 5000) + "\n\n" + string.Join(' ', Enumerable.Repeat("word", 1000))
                + "\n\n# Heading\n\nshort\n\n\n\n" + "😀" + new string('y', 599) + "😀")];
        Assert.All(cut, static passage => Assert.InRange(passage.Length, 1, NoteIndex.MostPassage));
        Assert.Contains("# Heading\nshort", cut);
    }

    [Fact]
    public async Task A_second_search_in_a_turn_that_has_read_notes_waits_for_the_next_turn()
    {
        Write("a.txt", "Cats purr.");
        using var house = new TestHouse(change: settings => settings with { NotesFolder = _folder });
        var turn = new Turn(Source.Voice, "what do cats do", English);
        Assert.Equal(ToolStatus.Done, (await CallAsync(house, "search_notes", """{"query":"cats"}""", turn)).Status);
        Assert.Equal(ToolStatus.Refused, (await CallAsync(house, "search_notes", """{"query":"cats"}""", turn)).Status);
        var next = new Turn(Source.Voice, "and dogs", English) { HasUntrustedText = true };
        Assert.Equal(ToolStatus.Done, (await CallAsync(house, "search_notes", """{"query":"cats"}""", next)).Status);
        Assert.Equal(ToolStatus.Refused, (await CallAsync(house, "set_timer", """{"seconds":5}""", next)).Status);
    }

    [Fact]
    public async Task Commands_run_without_a_shell_and_only_with_arguments_that_match_whole()
    {
        using TestHouse house = WithCommands("""
            "echo": { "description": "Says a word", "command": ["echo", "word: {word};$HOME", "*"], "arguments": { "word": "[a-z]{1,8}( [a-z]+)?" } },
            "fails": { "command": ["sh", "-c", "echo no >&2; exit 3"] },
            "endless": { "command": ["yes"] },
            "env": { "command": ["env"] },
            "reboot": { "command": ["true"], "confirm": true }
            """);
        Assert.Equal("word: hello world;$HOME *", (await RunAsync(house, "echo", "\"word\":\"hello world\"")).Text);
        foreach (string wrong in new[] { "-n", "HELLO", "a;reboot", "hello\\n", "", "hello world again" })
            Assert.Equal((wrong, ToolStatus.Refused), (wrong, (await RunAsync(house, "echo", $"\"word\":\"{wrong}\"")).Status));
        Assert.Equal(ToolStatus.Refused, (await RunAsync(house, "echo", "")).Status);
        Assert.Equal(ToolStatus.Refused, (await RunAsync(house, "echo", "\"word\":\"a\",\"more\":\"b\"")).Status);
        Assert.Equal("fails ended with code 3: no", (await RunAsync(house, "fails", "")).Text);
        Assert.Contains("more than 64 kB", (await RunAsync(house, "endless", "")).Text, StringComparison.Ordinal);
        Assert.DoesNotContain("DOTNET", (await RunAsync(house, "env", "")).Text, StringComparison.Ordinal);
        Assert.Equal((ToolStatus.Asks, "Shall I do that: reboot?"),
            ((await RunAsync(house, "reboot", "")).Status, (await RunAsync(house, "reboot", "")).Spoken));
        Assert.Equal(ToolStatus.Refused, (await CallAsync(house, "run_command", """{"command":"ls"}""")).Status);
    }

    [Fact]
    public async Task A_phrase_of_the_house_runs_a_command_and_a_source_needs_the_right_to_it()
    {
        using TestHouse house = WithCommands("\"news\": { \"command\": [\"echo\", \"All is well.\"] }",
            """, "phrases": [{ "say": ["what is new"], "do": [{ "tool": "run_command", "arguments": { "command": "news" } }] }]""");
        Assert.Equal("All is well.", await house.AskAsync("What is new?"));
        Assert.Equal("I may not do that from here.", await house.AskAsync("What is new?", Source.Api));
    }

    [Fact]
    public async Task Reminders_are_said_when_they_are_due()
    {
        var time = new ManualTime();
        using var house = new TestHouse(time: time);
        Assert.Equal("I will remind you in 10 minutes: the cake.",
            (await CallAsync(house, "set_reminder", """{"text":"the cake","when":"in 10 minutes"}""")).Spoken);
        Assert.Equal("I will remind you in 6 hours and 30 minutes: the news.",
            (await CallAsync(house, "set_reminder", """{"text":"the news","when":"18:30"}""")).Spoken);
        Assert.Equal(ToolStatus.Failed, (await CallAsync(house, "set_reminder", """{"text":"x","when":"some day"}""")).Status);
        time.Advance(TimeSpan.FromMinutes(10));
        for (int i = 0; i < 6000 && !Said("Here is your reminder: the cake."); i++)
            await Task.Delay(10, TestContext.Current.CancellationToken);
        Assert.True(Said("Here is your reminder: the cake."));
        Assert.Single(house.Host.Timers.Left);

        bool Said(string text)
        {
            lock (house.Events) return house.Events.Exists(one => one.Kind == AssistantEventKind.Answered && one.Text == text);
        }
    }

    [Theory]
    [InlineData("11:59", 24 * 3600 - 60)]
    [InlineData("12:00", 24 * 3600)]
    [InlineData("7:05", 19 * 3600 + 300)]
    [InlineData("90 seconds", 90)]
    [InlineData("2 hours", 7200)]
    [InlineData("25 hours", null)]
    [InlineData("0 minutes", null)]
    [InlineData("99999999999 hours", null)]
    [InlineData("10", null)]
    [InlineData("25:00", null)]
    public void Times_of_reminders_are_within_a_day(string when, int? seconds) =>
        Assert.Equal(seconds is { } some ? TimeSpan.FromSeconds(some) : null,
            ReminderTool.Until(when, new DateTime(2026, 11, 29, 12, 0, 0, DateTimeKind.Unspecified)));

    [Fact]
    public async Task The_tier_of_meanings_reads_alone_and_only_asks_about_what_its_words_name()
    {
        using var house = new TestHouse(embed: EmbedSentences);
        Assert.Equal("The temperature of living room is 21.5 degrees.",
            await house.AskAsync("say how toasty the living room feels, buddy"));
        Assert.Equal("Shall I switch fan on?",
            await house.AskAsync(
                "get the fan going, switch it on like yesterday's champion please".Replace("yesterday's ", "", StringComparison.Ordinal)));
        Assert.Empty(house.Moves);
        Assert.Equal("fan is on.", await house.AskAsync("yes"));
        Assert.Equal([("fan", 100)], house.Moves);
        foreach (string near in new[] { "make sure the fan is not switched on", "switch on the fan if it gets warm, buddy",
            "who said switch on the fan", "spin the ventilating thing up", "was the fan on, buddy?",
            "switch the fan on and off again, buddy" })
            Assert.Equal((near, "I can't help with that."), (near, await house.AskAsync(near)));
        Assert.Single(house.Moves);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A model of embeddings that knows two subjects.</summary>
    private static float[][] Embed(IReadOnlyList<string> texts, CancellationToken cancellation) =>
        [.. texts.Select(static text => text.Contains("hip", StringComparison.Ordinal) || text.Contains("vessel", StringComparison.Ordinal)
            ? new float[] { 1, 0 } : [0, 1])];

    /// <summary>
    /// One that takes every sentence with "fan" in it, or something that blows, as a wish to turn it on, and one about a toasty room as a
    /// question for the temperature.
    /// </summary>
    private static float[][] EmbedSentences(IReadOnlyList<string> texts, CancellationToken cancellation) => [.. texts.Select(static text =>
    {
        if (text is "turn on the fan"
            || (text.Contains("fan", StringComparison.Ordinal) && text.Contains(' ') && !text.StartsWith("is the", StringComparison.Ordinal)
                && !text.StartsWith("turn off", StringComparison.Ordinal)) || text.Contains("ventilating", StringComparison.Ordinal))
            return new float[] { 1, 0, 0 };
        return text.Contains("toasty", StringComparison.Ordinal)
            || text == "what is the temperature of the living room" ? [0, 1, 0] : [0, 0, 1];
    })];

    private void Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private static TestHouse WithCommands(string commands, string more = "") =>
        new(TestHouse.Config.TrimEnd()[..^1] + $$""", "tools": { "commands": { {{commands}} } }{{more}} }""");

    private static Task<ToolResult> RunAsync(TestHouse house, string command, string arguments) =>
        CallAsync(house, "run_command", $$"""{"command":"{{command}}","arguments":{ {{arguments}} } }""");

    private static Task<ToolResult> CallAsync(TestHouse house, string tool, string arguments, Turn? turn = null) =>
        house.Host.Gate.CallAsync(new ToolCall(tool, arguments), turn ?? new Turn(Source.Voice, "tell me", English), isByModel: true,
            TestContext.Current.CancellationToken);
}
