using EdgeLlm.Speech.Commands;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Speech.Tests.Commands;

public sealed class CommandVoiceTests
{
    private static readonly string[] Echo = Shell("cat");

    [Fact]
    public async Task A_command_gets_its_input_and_a_clean_environment_and_no_shell_reads_its_words()
    {
        CommandResult result = await new ExternalCommand("test",
            ["sh", "-c", "cat; env | cut -d= -f1 | sort; pwd; echo \"$1\"; echo oh >&2; exit 3", "sh", "$(id); `id` *"])
            .RunAsync("hello\n"u8.ToArray(), TestContext.Current.CancellationToken);
        string[] lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("hello", lines[0]);
        Assert.Subset(new HashSet<string> { "HOME", "LANG", "PATH", "PWD", "OLDPWD", "SHLVL", "_" }, lines[1..^2].ToHashSet());
        Assert.Equal(["/", "$(id); `id` *"], lines[^2..]);
        Assert.Equal((3, "oh\n"), (result.ExitCode, result.Errors));
    }

    [Theory]
    [InlineData("sleep 60", "took longer than 0.3 s")]
    [InlineData("sleep 60 & sleep 60", "took longer than 0.3 s")]
    [InlineData("exec 1>&-; sleep 60", "took longer than 0.3 s")] // its output ends, it does not
    [InlineData("yes", "more than 64 kB of text")]
    [InlineData("yes >&2", "more than 64 kB of error output")]
    public async Task A_command_that_takes_too_long_or_writes_too_much_is_ended(string script, string told)
    {
        var command = new ExternalCommand("test", Shell(script))
        {
            Limit = told.Contains("0.3") ? TimeSpan.FromMilliseconds(300) : TimeSpan.FromSeconds(60),
        };
        IOException exception =
            await Assert.ThrowsAnyAsync<IOException>(() => command.RunAsync(new byte[1 << 20], TestContext.Current.CancellationToken));
        Assert.Contains(told, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_reads_nothing_harms_nobody_and_one_that_reads_all_gets_all()
    {
        byte[] much = [.. Enumerable.Repeat((byte)'a', 1 << 20)];
        Assert.Equal(0, (await new ExternalCommand("test", ["true"]).RunAsync(much, TestContext.Current.CancellationToken)).ExitCode);
        Assert.Equal("1048576",
            (await new ExternalCommand("test", ["wc", "-c"]).RunAsync(much, TestContext.Current.CancellationToken)).Output.Trim());
    }

    [Fact]
    public async Task A_caller_that_stops_ends_the_command()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            new ExternalCommand("test", ["sleep", "60"]).RunAsync(default, stop.Token));
    }

    [Fact]
    public void Only_lists_of_a_program_and_its_arguments_are_commands()
    {
        foreach (string[] words in (string[][])[[], [""], ["a\0b"], [.. Enumerable.Repeat("a", 65)], [new string('a', 5000)]])
            Assert.Throws<FormatException>(() => new ExternalCommand("test", words));
        foreach (string program in (string[])["no-such-program", "/no/such/program", "./program", "../bin/sh"])
            Assert.Throws<EdgeLlm.Files.FileException>(() => new ExternalCommand("test", [program]).Require());
    }

    [Fact]
    public async Task A_voice_of_a_command_speaks_each_sentence_with_pauses_between()
    {
        using SpeechSynthesizer voice = Load(Wav("head -c $((2 * $(wc -c)))  /dev/zero"));
        Assert.Equal(("command:test", false), (voice.Name, voice.HasTempo));
        // Two sentences of 6 and 7 characters with a line's end each are 7 + 8 bytes, two zero bytes each: a sample. 0.25 s are 6,000
        // samples.
        Assert.Equal(7 + 6000 + 8, await CountAsync(voice.SynthesizeAsync("Hello. Night!! -- ...")));
        Assert.Equal(7 + 6000 + 8, await CountAsync(voice.SpeakAsync(PiecesAsync("Hel", "lo. Nig", "ht!!"))));
        Assert.Equal(7 + 24_000 + 7,
            await CountAsync(
                voice.SynthesizeAsync("<speak>Hello. <break time='1s'/>Night.</speak>", new SpeechOptions { IsMarkup = true })));
    }

    [Theory]
    [InlineData("exit 1", "ended with code 1")]
    [InlineData("echo no voice here >&2; exit 0", "gave no sound: no voice here")]
    [InlineData("echo hello", "is not a sound file that is known here")]
    [InlineData("cat", "is not a sound file")]
    public async Task A_command_that_gives_no_sound_is_said_with_its_reason(string script, string told)
    {
        using SpeechSynthesizer voice = Load(Shell(script));
        IOException exception =
            await Assert.ThrowsAnyAsync<IOException>(() => CountAsync(voice.SynthesizeAsync("Hello there, how are you?")));
        Assert.Contains(told, exception.Message, StringComparison.Ordinal);
        Assert.Contains("command:test", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sentence_of_more_than_60_s_is_ended_and_reading_slowly_is_no_fault()
    {
        using SpeechSynthesizer endless = Load(Wav("cat /dev/zero"));
        IOException exception = await Assert.ThrowsAnyAsync<IOException>(() => CountAsync(endless.SynthesizeAsync("Hello.")));
        Assert.Contains("60 s", exception.Message, StringComparison.Ordinal);
        using SpeechSynthesizer voice = Load(Wav("head -c 480000 /dev/zero"));
        int pieces = 0, count = 0;
        await foreach (ReadOnlyMemory<float> samples in voice.SynthesizeAsync("Hello.", null, TestContext.Current.CancellationToken))
        {
            count += samples.Length;
            if (pieces++ < 3) await Task.Delay(50, TestContext.Current.CancellationToken);
        }
        Assert.Equal(240_000, count);
    }

    [Fact]
    public void What_only_other_voices_can_is_refused()
    {
        using SpeechSynthesizer voice = Load(Echo);
        Assert.Throws<ArgumentException>(() => voice.SynthesizeAsync("Hello.", new SpeechOptions { Speed = 2 }));
        Assert.Throws<Speech.Phonemes.PhonemeException>(() => voice.SynthesizePhonemesAsync("hˈaɪ"));
        Assert.Throws<ArgumentException>(() =>
            SpeechSynthesizer.Load("command:test", new VoiceOptions { Reading = new() { Marks = true }, Commands = Commands(Echo) }));
        Assert.Contains("there is test",
            Assert.Throws<FileNotFoundException>(() =>
                SpeechSynthesizer.Load("command:other", new VoiceOptions { Commands = Commands(Echo) })).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => SpeechSynthesizer.Load("command:other"));
    }

    [Fact]
    public async Task Espeak_ng_speaks_where_it_is_installed()
    {
        if (!File.Exists("/usr/bin/espeak-ng")) Assert.Skip("espeak-ng is not installed");
        using SpeechSynthesizer voice = Load(["espeak-ng", "-v", "en-us", "--stdin", "--stdout"]);
        Assert.InRange(await CountAsync(voice.SynthesizeAsync("The kitchen lights are on. Good night.")), 2 * 24_000, 8 * 24_000);
    }

    /// <summary>A command that writes the header of a WAV file without a length, 24 kHz, 16 bits, and then what a script does.</summary>
    private static string[] Wav(string script)
    {
        using var header = new MemoryStream();
        _ = new EdgeLlm.Speech.Audio.WavWriter(header, 24_000);
        string octal = string.Concat(header.ToArray().Select(value => "\\" + Convert.ToString(value, 8).PadLeft(3, '0')));
        return Shell($"printf '{octal}'; {script}");
    }

    private static string[] Shell(string script) => ["sh", "-c", script];

    private static Dictionary<string, IReadOnlyList<string>> Commands(string[] words) => new() { ["test"] = words };

    private static SpeechSynthesizer Load(string[] words) =>
        SpeechSynthesizer.Load("command:test", new VoiceOptions { Commands = Commands(words) });

    private static async Task<int> CountAsync(IAsyncEnumerable<ReadOnlyMemory<float>> sound)
    {
        int count = 0;
        await foreach (ReadOnlyMemory<float> samples in sound) count += samples.Length;
        return count;
    }

    private static async IAsyncEnumerable<string> PiecesAsync(params string[] pieces)
    {
        await Task.Yield();
        foreach (string piece in pieces) yield return piece;
    }
}
