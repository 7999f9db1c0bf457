using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`edgellm say` with the voice of `../shared`, packed once.</summary>
public sealed class SayCommandTests : IClassFixture<SayCommandTests.Voice>
{
    private readonly Voice _voice;

    public SayCommandTests(Voice voice) => _voice = voice;

    [Fact]
    public async Task A_text_becomes_a_WAV_file_with_its_length_and_the_same_from_the_folder()
    {
        string packed = _voice.Folder.PathOf("packed.wav"), folder = _voice.Folder.PathOf("folder.wav");
        CliResult result = await SayAsync("Hello there.", "-o", packed);
        Assert.Equal((0, ""), (result.ExitCode, result.Output));
        Assert.Contains("packed.wav: ", result.Error, StringComparison.Ordinal);
        byte[] file = File.ReadAllBytes(packed);
        Assert.Equal(file.Length - 44, BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(40)));
        Assert.InRange(file.Length, 30_000, 60_000); // some 0.9 s: the voice's silence is cut
        Assert.Equal(0,
            (await TestCli.RunAsync("say", "Hello there.", "-o", folder, "--voice",
                SharedFolder.Require("models", "voice-heart"))).ExitCode);
        Assert.Equal(file, File.ReadAllBytes(folder));
    }

    [Fact]
    public async Task Standard_output_gets_the_same_samples_and_phonemes_say_the_same_as_their_text()
    {
        CliResult text = await SayAsync("Hello there.", "-o", "-"), phonemes = await SayAsync("həlˈO ðˈɛɹ.", "--phonemes", "-o", "-");
        Assert.Equal(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(text.OutputBytes.AsSpan(40)));
        Assert.Equal(text.OutputBytes, phonemes.OutputBytes);
        // the International Phonetic Alphabet
        Assert.Equal(text.OutputBytes, (await SayAsync("hə.ˈloʊ ˈðɛr.", "--phonemes", "-o", "-")).OutputBytes);
        CliResult piped =
            await TestCli.RunAsync(["say", "-", "-o", "-", "--voice", await _voice.PathAsync()], "Hello there.\n"u8.ToArray());
        Assert.Equal(text.OutputBytes, piped.OutputBytes);
        CliResult other = await SayAsync("Hello there.", "-o", "-", "--seed", "8");
        Assert.NotEqual(text.OutputBytes, other.OutputBytes);
        Assert.Equal(text.OutputBytes.Length, other.OutputBytes.Length);
    }

    [Fact]
    public async Task Pauses_are_as_asked_and_none_is_at_the_end()
    {
        int one = await LengthAsync("One."), two = await LengthAsync("One. Two."), longer = await LengthAsync("One. Two.", "--pause", "1"),
            none = await LengthAsync("One. Two.", "--pause", "0");
        Assert.InRange(two - one, 24000 / 4, 24000 * 2);
        Assert.Equal(24000 * 3 / 4, longer - two);
        Assert.Equal(24000 / 4 - 72, two - none); // 3 ms of the pause are the sentence's end, faded out
        Assert.InRange(await LengthAsync("One.", "--pause", "reference"), one + 12000, one + 30000);
    }

    [Fact]
    public async Task Stages_are_written_under_the_references_names()
    {
        string stages = _voice.Folder.PathOf("stages.safetensors");
        Assert.Equal(0, (await SayAsync("Hello there.", "-o", "-", "--pause", "reference", "--stages", stages)).ExitCode);
        byte[] file = File.ReadAllBytes(stages);
        string header = System.Text.Encoding.UTF8.GetString(file, 8, (int)BinaryPrimitives.ReadInt64LittleEndian(file));
        foreach (string name in new[] { "text", "prosody_text", "log_duration", "f0", "energy", "dec_in", "dec_7", "head", "pulses",
            "source_spectrum", "noise", "audio" })
            Assert.Contains($"\"{name}\":", header, StringComparison.Ordinal);
        Assert.Contains("\"head\":{\"dtype\":\"F32\",\"shape\":[110,3005]", header, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("say", "--speed", "3", "Hello")]
    [InlineData("say", "--volume", "loud", "Hello")]
    [InlineData("say", "--pause", "9", "Hello")]
    [InlineData("say", "-o", "a.mp3", "Hello")]
    [InlineData("say", "Hello", "--file", "a.txt")]
    [InlineData("say", "--phonemes", "b\u4e00d", "-o", "-")]
    [InlineData("say", "<speak>Hello", "-o", "-")]
    [InlineData("say", "")]
    [InlineData("say", " \n")]
    [InlineData("pull", "en_US-joe-medium.onnx")]
    public async Task A_wrong_command_line_is_refused_in_one_line(params string[] arguments)
    {
        CliResult result = await TestCli.RunAsync(arguments[0] == "pull" ? arguments : [.. arguments, "--voice", await _voice.PathAsync()]);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData("--speed", "2")]
    [InlineData("--lexicon", "a.txt")]
    [InlineData("--phonemes")]
    public async Task Options_of_voices_of_edgellm_are_refused_with_a_command(params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["say", "Hello", "--voice", "command:other", "-o", "-", .. options]);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Contains(options[0], result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_player_gets_the_samples_and_an_answer_is_spoken_while_it_is_written()
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "needs a shell");
        string player = _voice.Folder.PathOf("player/aplay"), played = _voice.Folder.PathOf("played.raw");
        Directory.CreateDirectory(Path.GetDirectoryName(player)!);
        File.WriteAllText(player, $"#!/bin/sh\nexec /bin/cat > {played}\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(player, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string folders = Path.GetDirectoryName(player)!;
        CliResult said = await TestCli.RunAsync(["say", "Hello there.", "--voice", await _voice.PathAsync()], null, folders: folders);
        Assert.Equal((0, "", ""), (said.ExitCode, said.Output, said.Error));
        Assert.Equal((await SayAsync("Hello there.", "-o", "-")).OutputBytes[44..], File.ReadAllBytes(played));

        File.Delete(played);
        string model = SharedFolder.Require("models", "stories260K.f32.gguf");
        CliResult answer = await TestCli.RunAsync(["run", "--speak", "--voice", await _voice.PathAsync(), "--raw", "--model", model,
            "--temperature", "0", "--max-tokens", "40", "Once upon a time"], null, folders: folders);
        Assert.Equal(0, answer.ExitCode);
        Assert.InRange(answer.Output.Length, 40, 1000);
        Assert.InRange(new FileInfo(played).Length, 48_000, 2_000_000);
        CliResult none = await TestCli.RunAsync(["say", "Hello there.", "--voice", await _voice.PathAsync()], null,
            folders: "/nonexistent");
        Assert.Equal(1, none.ExitCode);
        Assert.Contains("-o FILE.wav", none.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_voices_folder_is_pulled_and_its_language_and_licence_are_shown()
    {
        using var home = new TemporaryFolder();
        CliResult pulled = await TestCli.RunAsync(["pull", SharedFolder.Require("models", "voice-heart")], null, home.Environment);
        Assert.Equal((0, ""), (pulled.ExitCode, pulled.Error));
        Assert.Contains("say --voice heart", pulled.Output, StringComparison.Ordinal);
        Assert.Contains("voice, en-US, apache-2.0", (await TestCli.RunAsync(["list"], null, home.Environment)).Output,
            StringComparison.Ordinal);
        string shown = (await TestCli.RunAsync(["inspect", "heart"], null, home.Environment)).Output;
        Assert.Contains("apache-2.0", shown, StringComparison.Ordinal);
        Assert.Contains("en-US", shown, StringComparison.Ordinal);
        Assert.Contains("It speaks", shown, StringComparison.Ordinal);
        Assert.Equal((await SayAsync("Hello there.", "-o", "-")).OutputBytes,
            (await TestCli.RunAsync(["say", "Hello there.", "-o", "-"], null, home.Environment)).OutputBytes);
    }

    [Fact]
    public async Task Breaks_and_rates_of_SSML_are_kept_and_marks_are_text_without_their_option()
    {
        int plain = await LengthAsync("One. Two."), broken = await LengthAsync("<speak>One. <break time=\"1s\"/> Two.</speak>"),
            slow = await LengthAsync("<speak><prosody rate=\"slow\">One. Two.</prosody></speak>");
        Assert.InRange(broken - plain, 24000 * 3 / 4 - 3000, 24000 + 3000);
        Assert.InRange(slow, plain * 21 / 20, plain * 2);
        Assert.Equal((await SayAsync("Hello there.", "-o", "-")).OutputBytes,
            (await SayAsync("[Hello](/wəɹld/) there.", "-o", "-")).OutputBytes);
        Assert.NotEqual((await SayAsync("Hello there.", "-o", "-")).OutputBytes,
            (await SayAsync("[Hello](/wˈɜɹld/) there.", "--marks", "-o", "-")).OutputBytes);
    }

    [Theory]
    [InlineData("Read **all** of [it](/it/).", "Read all of it.")]
    [InlineData("<speak>Hello</speak> there.", "Hello there.")] // no SSML: tags are left out
    public async Task Markdown_is_read_without_its_marks_from_an_argument_and_a_stream(string markdown, string plain)
    {
        byte[] expected = (await SayAsync(plain, "-o", "-")).OutputBytes;
        Assert.Equal(expected, (await SayAsync(markdown, "--markdown", "-o", "-")).OutputBytes);
        string voice = await _voice.PathAsync();
        CliResult streamed = await TestCli.RunAsync(["say", "-", "--markdown", "-o", "-", "--voice", voice], Encoding.UTF8.GetBytes(markdown));
        Assert.Equal(expected[44..], streamed.OutputBytes[44..]);
        CliResult phonemes = await TestCli.RunAsync(["phonemes", markdown, "--markdown", "--voice", voice]);
        Assert.Equal((await TestCli.RunAsync(["phonemes", plain, "--voice", voice])).Output, phonemes.Output);
    }

    [Theory]
    [InlineData("--marks")]
    [InlineData("--phonemes")]
    public async Task Markdown_with_an_option_that_reads_the_text_in_another_way_is_refused(string other)
    {
        CliResult result = await SayAsync("Hello.", "--markdown", other, "-o", "-");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains($"--markdown and {other} read the text in different ways", result.Error, StringComparison.Ordinal);
    }

    private async Task<CliResult> SayAsync(params string[] arguments) =>
        await TestCli.RunAsync(["say", .. arguments, "--voice", await _voice.PathAsync()]);

    /// <summary>Samples of what is said.</summary>
    private async Task<int> LengthAsync(params string[] arguments)
    {
        CliResult result = await SayAsync([.. arguments, "-o", "-"]);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return (result.OutputBytes.Length - 44) / 2;
    }

    /// <summary>The voice as `edgellm quantize` packs it, made when it is first asked for.</summary>
    public sealed class Voice : IDisposable
    {
        private Task<string>? _path;

        internal TemporaryFolder Folder { get; } = new();

        public Task<string> PathAsync() => _path ??= PackAsync(SharedFolder.Require("models", "voice-heart"));

        public void Dispose() => Folder.Dispose();

        private async Task<string> PackAsync(string folder)
        {
            string path = Folder.PathOf("heart.gguf");
            Assert.Equal(0, (await TestCli.RunAsync("quantize", folder, path)).ExitCode);
            return path;
        }
    }
}
