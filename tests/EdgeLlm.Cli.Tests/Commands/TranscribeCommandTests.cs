using System.Text.Json;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`transcribe`, and what `quantize` and `logits` do with models that hear.</summary>
public sealed class TranscribeCommandTests : IDisposable
{
    private const string Text = "It was the season of light, it was the season of darkness.";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_recording_becomes_a_line_of_text_or_JSON_or_subtitles()
    {
        CliResult text = await TestCli.RunAsync("transcribe", Recording, "--model", Whisper);
        Assert.Equal((Text + "\n", "", 0), (text.Output, text.Error, text.ExitCode));

        CliResult json =
            await TestCli.RunAsync(["transcribe", "-", "--model", Whisper, "--words"], File.ReadAllBytes(Recording));
        JsonElement root = JsonDocument.Parse(json.Output).RootElement;
        Assert.Equal(Text, root.GetProperty("text").GetString());
        Assert.Equal("en", root.GetProperty("language").GetString());
        Assert.Equal(4.8, root.GetProperty("duration").GetDouble());
        Assert.Equal(12, root.GetProperty("segments")[0].GetProperty("words").GetArrayLength());

        CliResult srt = await TestCli.RunAsync("transcribe", Recording, "--model", Whisper, "--format", "srt");
        Assert.StartsWith("1\n00:00:00,000 --> 00:00:0", srt.Output);
        Assert.EndsWith(Text + "\n\n", srt.Output);
    }

    [Fact]
    public async Task A_stream_gives_a_line_of_JSON_for_each_half_second_and_one_at_the_end()
    {
        byte[] samples = File.ReadAllBytes(Recording)[44..(44 + 2 * 40000)];
        CliResult result =
            await TestCli.RunAsync(["transcribe", "-", "--model", Whisper, "--stream", "--pcm", "16000", "--format", "json"], samples);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        JsonElement[] lines = [.. result.Output.TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([0.5, 1, 1.5, 2, 2.5, 2.5], lines.Select(line => line.GetProperty("seconds").GetDouble()));
        Assert.StartsWith(lines[^2].GetProperty("agreed").GetString()!, lines[^1].GetProperty("agreed").GetString()!);
        Assert.Contains("season of light", lines[^1].GetProperty("agreed").GetString());
    }

    [Fact]
    public async Task A_packed_model_is_a_fraction_of_the_folder_and_has_the_words()
    {
        string packed = Path.Combine(_folder.Root, "tiny.gguf");
        CliResult made = await TestCli.RunAsync("quantize", Whisper, packed);
        Assert.Equal(("", 0), (made.Error, made.ExitCode));
        Assert.InRange(new FileInfo(packed).Length, 30_000_000, 45_000_000);
        CliResult text = await TestCli.RunAsync("transcribe", Recording, "--model", packed);
        Assert.Equal((Text + "\n", "", 0), (text.Output, text.Error, text.ExitCode));
    }

    [Fact]
    public async Task What_does_not_go_together_is_refused_in_one_line()
    {
        await Refused(1, "not one that hears", "transcribe", Recording, "--model", SharedFolder.Require("models", "stories260K.f32.gguf"));
        await Refused(2, "translate", "transcribe", Recording, "--model", Whisper, "--translate");
        await Refused(2, "knows English alone, not 'de'", "transcribe", Recording, "--model", Whisper, "--language", "de");
        await Refused(2, "--live is of --stream", "transcribe", Recording, "--model", Whisper, "--live");
        await Refused(2, "--words prints JSON, not srt", "transcribe", Recording, "--model", Whisper, "--words", "--format", "srt");
        await Refused(2, "--pcm is of standard input", "transcribe", Recording, "--model", Whisper, "--pcm", "16000");
        await Refused(1, "not a sound file", "transcribe", _folder.Write("text", "no sound at all, only text"), "--model", Whisper);
        await Refused(2, "a model that hears, which --type is not for", "quantize", Whisper,
            Path.Combine(_folder.Root, "x.gguf"), "--type", "q4_0");
        await Refused(2, "--decoder is of models that hear", "quantize", SharedFolder.Require("models", "stories260K.f32.gguf"),
            Path.Combine(_folder.Root, "x.gguf"), "--decoder", "e8");

        async Task Refused(int exitCode, string message, params string[] arguments)
        {
            CliResult result = await TestCli.RunAsync(arguments);
            Assert.Contains(message, result.Error);
            Assert.Equal((exitCode, 1), (result.ExitCode, result.Error.TrimEnd().Split('\n').Length));
        }
    }

    [Fact]
    public async Task Stages_and_logits_of_a_recording_are_those_of_the_reference()
    {
        JsonElement expected =
            JsonDocument.Parse(File.ReadAllText(SharedFolder.Require("golden", "whisper", "two_cities_5s.json"))).RootElement;
        string ids = _folder.Write("ids",
            string.Join(' ', expected.GetProperty("ids").EnumerateArray().Take(5).Select(id => id.GetInt32())) + "\n"),
            output = Path.Combine(_folder.Root, "x.safetensors");
        CliResult result = await TestCli.RunAsync("logits", "--model", Whisper, "--audio", Recording, "--ids", ids, "-o", output);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        var found = Safetensors.Read(output);
        var golden = Safetensors.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.safetensors"));
        Assert.Equal(golden["log_mel"].Shape, found["log_mel"].Shape);
        Assert.Equal([1500, 384], found["encoder"].Shape);
        Assert.InRange(golden["log_mel"].Values.Zip(found["log_mel"].Values, (a, b) => Math.Abs(a - b)).Max(), 0, 1e-4);
        Assert.InRange(golden["first_logits"].Values.Zip(found["logits"].Values[51864..], (a, b) => Math.Abs(a - b)).Max(), 0, 5e-4);
    }

    private static string Whisper => SharedFolder.Require("models", "whisper-tiny.en");

    private static string Recording => SharedFolder.Require("golden", "whisper", "two_cities_5s.wav");
}
