using System.Text.Json;
using EdgeLlm.Cli.Commands;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`edgellm vad`, `edgellm wake` and `edgellm wyoming`.</summary>
public sealed class DetectionCommandTests
{
    [Theory]
    [InlineData("v5")]
    [InlineData("v6")]
    public async Task Vad_prints_probabilities_and_segments_as_the_reference_has_them(string version)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "speech", "silero.json")));
        JsonElement expected = golden.RootElement.GetProperty("at_16000").GetProperty(version).GetProperty("two_cities_5s");
        string file = SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"),
            model = SharedFolder.Require("models", "speech", $"silero_vad_{version}.onnx");
        CliResult result = await TestCli.RunAsync("vad", file, "--model", model, "--json");
        Assert.Equal(0, result.ExitCode);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        Assert.Equal(expected.GetProperty("probabilities").GetArrayLength(),
            json.RootElement.GetProperty("probabilities").GetArrayLength());
        Assert.Equal(Segments(expected), Segments(json.RootElement));

        CliResult text = await TestCli.RunAsync(["vad", "-", "--model", model], File.ReadAllBytes(file));
        Assert.Equal(Segments(expected).Count, text.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        static List<(long, long)> Segments(JsonElement json) =>
            [.. json.GetProperty("segments").EnumerateArray().Select(segment => (segment[0].GetInt64(), segment[1].GetInt64()))];
    }

    [Fact]
    public async Task Wake_prints_every_result_and_detection_as_the_reference_has_them()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "speech", "wake.json")));
        JsonElement expected = golden.RootElement.GetProperty("outputs").GetProperty("okay_nabu").GetProperty("okay_nabu_1");
        string file = SharedFolder.Require("golden", "speech", "wake", "okay_nabu_1.wav"),
            model = SharedFolder.Require("models", "speech", "okay_nabu.tflite"),
            other = SharedFolder.Require("models", "speech", "alexa.json");
        CliResult result = await TestCli.RunAsync("wake", file, "--model", model, "--json");
        Assert.Equal(0, result.ExitCode);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        Assert.Equal(expected.GetProperty("q").EnumerateArray().Select(q => q.GetInt32()),
            json.RootElement.GetProperty("q").EnumerateArray().Select(q => q.GetInt32()));
        JsonElement detection = Assert.Single(json.RootElement.GetProperty("detected").EnumerateArray());
        foreach (string field in (string[])["inference", "frame", "samples"])
            Assert.Equal(expected.GetProperty("detected").GetProperty(field).GetInt32(), detection.GetProperty(field).GetInt32());

        CliResult text = await TestCli.RunAsync("wake", file, "--model", other, "--model", model);
        Assert.Equal("3.14 Okay Nabu\n", text.Output);
    }

    [Fact]
    public async Task Without_a_model_loudness_counts()
    {
        byte[] wav = Wav(Enumerable.Range(0, 48_000)
            .Select(i => (short)(i is >= 16_000 and < 32_000 ? 8000 * Math.Sin(i * .1) : 3 * Math.Sin(i * 1.7))));
        CliResult result = await TestCli.RunAsync(["vad", "-", "--model", "energy"], wav);
        Assert.Equal("0.96 2.05\n", result.Output);
    }

    [Theory]
    [InlineData("vad")]
    [InlineData("wake")]
    public async Task What_can_not_be_heard_is_one_line(string command)
    {
        CliResult missing = await TestCli.RunAsync(command, "/nonexistent.wav", "--model", "no-such-model");
        Assert.NotEqual(0, missing.ExitCode);
        Assert.Single(missing.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        CliResult text = await TestCli.RunAsync(["vad", "-", "--model", "energy"], "What is this?"u8.ToArray());
        Assert.Equal("edgellm: standard input: is not a sound file that is known here; WAV and FLAC files are read\n", text.Error);
    }

    [Theory]
    [InlineData("0.0.0.0:10300", "--allow")]
    [InlineData("here", "an address and a port")]
    [InlineData("127.0.0.1:99999", "an address and a port")]
    public async Task Wyoming_listens_to_other_machines_only_where_it_is_said_which(string address, string advice)
    {
        CliResult result = await TestCli.RunAsync("wyoming", "--listen", address);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(advice, result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("en-GB")]
    [InlineData("xx")]
    [InlineData(null)]
    public async Task Wyoming_recognizes_whatever_language_Home_Assistant_names(string? language)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "whisper", "two_cities_5s.json")));
        using var recognizer = SpeechRecognizer.Load(SharedFolder.Require("models", "whisper-tiny.en"));
        using AudioReader reader = AudioReader.Open(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"));
        string text = await WyomingCommand.Recognizer(recognizer)
            .Recognize(reader.ReadToEnd(1 << 20)!, language, TestContext.Current.CancellationToken);
        Assert.Equal(golden.RootElement.GetProperty("text").GetString()!.Trim(), text.Trim());
    }

    private static byte[] Wav(IEnumerable<short> samples)
    {
        byte[] data = [.. samples.SelectMany(BitConverter.GetBytes)];
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        writer.Write("RIFF"u8);
        writer.Write(36 + data.Length);
        writer.Write("WAVEfmt "u8);
        writer.Write(16);
        writer.Write((short)1);
        writer.Write((short)1);
        writer.Write(16_000);
        writer.Write(32_000);
        writer.Write((short)2);
        writer.Write((short)16);
        writer.Write("data"u8);
        writer.Write(data.Length);
        writer.Write(data);
        return file.ToArray();
    }
}
