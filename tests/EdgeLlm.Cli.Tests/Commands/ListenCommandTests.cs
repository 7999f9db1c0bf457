using System.Text.Json;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`listen`, and which texts `transcribe` and it can hear.</summary>
public sealed class ListenCommandTests : IDisposable
{
    private const string Command = "it was the season of light, it was the season of darkness";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Each_utterance_is_a_line_and_silence_is_none()
    {
        string sound = Path.Combine(_folder.Root, "two.wav");
        byte[] once = File.ReadAllBytes(Recording), silence = new byte[2 * 24_000];
        byte[] samples = [.. silence, .. once[44..], .. silence, .. once[44..], .. silence];
        byte[] file = [.. once[..40], .. BitConverter.GetBytes(samples.Length), .. samples];
        BitConverter.GetBytes(file.Length - 8).CopyTo(file, 4);
        File.WriteAllBytes(sound, file);
        CliResult text = await TestCli.RunAsync("listen", "--input", sound, "--model", Whisper, "--vad", "energy");
        Assert.Equal(("", 0), (text.Error, text.ExitCode));
        Assert.Equal([Words(Command), Words(Command)], text.Output.TrimEnd().Split('\n').Select(Words));

        CliResult json = await TestCli.RunAsync(["listen", "--input", "-", "--model", Whisper, "--vad", "energy", "--json"], file);
        JsonElement[] events = [.. json.Output.TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        JsonElement[] texts = [.. events.Where(one => Kind(one) == "text")];
        Assert.Equal([Words(Command), Words(Command)], texts.Select(one => Words(one.GetProperty("text").GetString()!)));
        Assert.InRange(texts[1].GetProperty("start").GetDouble(), 6.5, 8.5);
        Assert.Equal(2, events.Count(one => Kind(one) == "begin"));
        Assert.InRange(events.Count(one => Kind(one) == "update"), 10, 30);
        Assert.Contains(events,
            one => Kind(one) == "level" && one.GetProperty("decibels").GetDouble() > -40 && one.GetProperty("speech").GetBoolean());
        Assert.Contains(events,
            one => Kind(one) == "level" && one.GetProperty("decibels").GetDouble() < -90 && !one.GetProperty("speech").GetBoolean());

        static string Kind(JsonElement one) => one.GetProperty("event").GetString()!;
    }

    [Fact]
    public async Task Of_a_list_of_commands_the_likeliest_is_printed_as_it_is_written()
    {
        string commands = Path.Combine(_folder.Root, "commands.txt"), empty = Path.Combine(_folder.Root, "empty.txt"),
            grammar = Path.Combine(_folder.Root, "form.gbnf");
        File.WriteAllText(commands, $"# for a kiosk\nturn on (all) lights\n{Command}\n\nstop\n");
        File.WriteAllText(empty, "# none\n");
        File.WriteAllText(grammar,
            "root ::= \"it was the season of \" (\"light, \" | \"rain, \") \"it was the season of \" (\"darkness\" | \"snow\")");
        foreach (string[] form in (string[][])[["--commands", commands], ["--grammar", grammar],
            ["--regex", "it was the season of (light|rain), it was .*"]])
        {
            CliResult heard = await TestCli.RunAsync(["transcribe", Recording, "--model", Whisper, .. form]);
            Assert.StartsWith("it was the season of light, it was the season of darkness", heard.Output);
        }
        CliResult listened = await TestCli.RunAsync("listen", "--input", Recording, "--model", Whisper, "--commands", commands);
        Assert.Equal(Command + "\n", listened.Output);

        await RefusedAsync("--commands", "--commands", commands, "--regex", "a");
        await RefusedAsync("0 commands", "--commands", empty);
        await RefusedAsync("--regex", "--regex", "(");
        await RefusedAsync("no times of segments", "--regex", "a", "--timestamps");
    }

    [Fact]
    public async Task What_does_not_go_together_is_refused_in_one_line()
    {
        CliResult result = await TestCli.RunAsync("listen", "--input", Recording, "--device", "hw:0", "--model", Whisper);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
    }

    private static string Words(string text) => string.Concat(text.ToLowerInvariant().Where(c => char.IsLetter(c) || c == ' '));

    private static async Task RefusedAsync(string told, params string[] form)
    {
        CliResult result = await TestCli.RunAsync(["transcribe", Recording, "--model", Whisper, .. form]);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains(told, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
    }

    private static string Recording => SharedFolder.Require("golden", "whisper", "two_cities_5s.wav");

    private static string Whisper => SharedFolder.Require("models", "whisper-tiny.en");
}
