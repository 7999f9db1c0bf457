using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Pull;

/// <summary>`edgellm pull` of models that hear.</summary>
public sealed class SpeechPullTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task A_folder_that_hears_is_packed_and_then_listed_inspected_and_used_by_its_name()
    {
        CliResult pulled = await RunAsync("pull", SharedFolder.Require("golden", "speech", "moonshine"));
        Assert.Equal(("", 0), (pulled.Error, pulled.ExitCode));
        Assert.Contains("It hears: edgellm transcribe FILE --model moonshine", pulled.Output);
        Assert.Contains("moonshine (hears), licence not stated", (await RunAsync("list")).Output);
        CliResult inspected = await RunAsync("inspect", "moonshine");
        Assert.Contains("It hears", inspected.Output);
        Assert.Contains("mapped from the file", inspected.Output);
        Assert.Contains("model that hears", (await RunAsync("doctor")).Output);
        Assert.Equal(0,
            (await RunAsync("transcribe", SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"),
                "--model", "moonshine")).ExitCode);
    }

    [Fact]
    public async Task Detectors_are_checked_copied_and_go_by_their_names()
    {
        string models = SharedFolder.Require("models", "speech");
        CliResult word = await RunAsync("pull", Path.Combine(models, "alexa.json")),
            activity = await RunAsync("pull", Path.Combine(models, "silero_vad_v6.onnx"));
        Assert.Equal((0, 0, "", ""), (word.ExitCode, activity.ExitCode, word.Error, activity.Error));
        Assert.Contains("It wakes by \"Alexa\": edgellm wake FILE --model alexa", word.Output);
        Assert.Contains("edgellm vad FILE --model silero_vad_v6", activity.Output);
        string listed = (await RunAsync("list")).Output;
        Assert.Contains("wake word \"Alexa\"", listed);
        Assert.Contains("voice activity (Silero), MIT", listed);
        Assert.Contains("\"name\": \"alexa\"", (await RunAsync("list", "--json")).Output);
        Assert.Contains("mean probability 0.9", (await RunAsync("inspect", "alexa")).Output);
        Assert.Contains("voice activity of Silero's network",
            (await RunAsync("inspect", Path.Combine(models, "silero_vad_v5.onnx"))).Output);
        Assert.Equal(0,
            (await RunAsync("wake", SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"), "--model", "alexa")).ExitCode);
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(models, "alexa.tflite")),
            await File.ReadAllBytesAsync(Path.Combine(Models, "speech", "alexa.tflite")));
    }

    [Fact]
    public async Task What_a_package_puts_beside_the_program_is_used_without_a_name()
    {
        string beside = Path.Combine(_folder.Root, "beside"), models = SharedFolder.Require("models", "speech"),
            sound = SharedFolder.Require("golden", "speech", "wake", "okay_nabu_1.wav");
        Directory.CreateDirectory(beside);
        foreach (string name in (string[])["okay_nabu.json", "okay_nabu.tflite"])
            File.Copy(Path.Combine(models, name), Path.Combine(beside, name));
        string recognizer = Path.Combine(beside, "tiny-moonshine.gguf");
        Assert.Equal(0, (await RunAsync("quantize", SharedFolder.Require("golden", "speech", "moonshine"), recognizer)).ExitCode);
        var environment = new Dictionary<string, string?>(_folder.Environment) { [TestCli.SpeechFolder] = beside };

        CliResult heard = await TestCli.RunAsync(["transcribe", sound], null, environment);
        Assert.Equal(("", 0), (heard.Error, heard.ExitCode));
        Assert.Equal(heard.Output, (await TestCli.RunAsync(["transcribe", sound, "-m", "tiny-moonshine"], null, environment)).Output);
        Assert.Equal("3.14 Okay Nabu\n", (await TestCli.RunAsync(["wake", sound], null, environment)).Output);
        string listed = (await TestCli.RunAsync(["list"], null, environment)).Output;
        Assert.Contains("tiny-moonshine", listed);
        Assert.Contains("Okay Nabu", listed);

        // microWakeWord's model of voice activity has a wake word's form: it must not wake by any speech.
        foreach (string name in (string[])["vad.json", "vad.tflite"]) File.Copy(Path.Combine(models, name), Path.Combine(beside, name));
        Assert.Equal("3.14 Okay Nabu\n", (await TestCli.RunAsync(["wake", sound], null, environment)).Output);
        Assert.Contains("voice activity (microWakeWord)", (await TestCli.RunAsync(["list"], null, environment)).Output);

        // Two that hear: Home Assistant's one has to be named, too.
        File.Copy(recognizer, Path.Combine(beside, "another.gguf"));
        foreach (string[] command in (string[][])[["transcribe", sound], ["wyoming"]])
        {
            CliResult several = await TestCli.RunAsync(command, null, environment);
            Assert.Equal((ExitCode.Usage, "edgellm: several models hear (another, tiny-moonshine): name one with --model\n"),
                (several.ExitCode, several.Error));
        }
    }

    [Fact]
    public async Task Where_no_model_is_the_command_that_gets_one_is_said()
    {
        string sound = SharedFolder.Require("golden", "speech", "wake", "okay_nabu_1.wav");
        foreach (string[] command in (string[][])[["transcribe", sound], ["wake", sound], ["wake", sound, "-m", "okay_nabu"], ["listen"]])
        {
            CliResult result = await RunAsync(command);
            Assert.NotEqual(0, result.ExitCode);
            Assert.Contains("`edgellm pull", result.Error);
            Assert.Single(result.Error.TrimEnd().Split('\n'));
        }
    }

    [Fact]
    public async Task What_is_damaged_or_of_another_kind_is_refused_and_nothing_is_left()
    {
        string other = Path.Combine(_folder.Root, "other");
        Directory.CreateDirectory(other);
        await File.WriteAllTextAsync(Path.Combine(other, "silero.onnx"), "not ONNX");
        await File.WriteAllTextAsync(Path.Combine(other, "word.json"), """{"type":"micro","micro":{},"version":2}""");
        await File.WriteAllTextAsync(Path.Combine(other, "ggml-tiny.bin"), "lmgg and no more");
        await File.WriteAllTextAsync(Path.Combine(other, "en_US-amy.onnx"), "of Piper");
        foreach (string name in new[] { "silero.onnx", "word.json", "ggml-tiny.bin" })
        {
            CliResult result = await RunAsync("pull", Path.Combine(other, name));
            Assert.Equal(1, result.ExitCode);
            Assert.Contains(Path.GetFileNameWithoutExtension(name), result.Error);
            Assert.Single(result.Error.TrimEnd().Split('\n'));
        }
        Assert.Contains("Piper's voices (.onnx) do not run here yet",
            (await RunAsync("pull", Path.Combine(other, "en_US-amy.onnx"))).Error);
        Assert.Contains("voice-heart: is not in this folder, and pull takes it only from where it is on this machine",
            (await RunAsync("pull", "voice-heart")).Error);
        Assert.Empty(Directory.Exists(Models) ? Directory.GetFiles(Models, "*", SearchOption.AllDirectories) : []);
    }

    [Fact]
    public async Task A_repository_of_a_recognizer_is_fetched_and_packed_and_its_licence_is_said_first()
    {
        string source = SharedFolder.Require("golden", "speech", "moonshine-streaming");
        Dictionary<string, byte[]> files = new[] { "config.json", "model.safetensors", "tokenizer.json" }.ToDictionary(name => name,
            name => File.ReadAllBytes(Path.Combine(source, name)));
        files["README.md"] = "---\nlicense: other\nlicense_name: moonshine-community\n---\n"u8.ToArray();
        files["onnx/model.onnx"] = [1, 2, 3];
        using var hub = LocalHub.With(files);
        CliResult result = await RunAsync(hub, "pull", "owner/name");
        Assert.Equal(0, result.ExitCode);
        Assert.StartsWith("licence: ", result.Output);
        Assert.Contains("moonshine-community", result.Output);
        Assert.Contains("It hears: edgellm transcribe FILE --model name", result.Output);
        Assert.Equal(["name.gguf"], Directory.GetFileSystemEntries(Models).Select(Path.GetFileName));
        Assert.DoesNotContain(hub.Requests, request => request.Target.Contains("onnx/", StringComparison.Ordinal));

        files["config.json"] = """{"model_type":"llama"}"""u8.ToArray();
        using var text = LocalHub.With(files);
        CliResult refused = await RunAsync(text, "pull", "owner/name");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("has no GGUF file", refused.Error);
        Assert.Equal(["name.gguf"], Directory.GetFileSystemEntries(Models).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Without_a_name_models_that_hear_and_speak_are_listed_with_their_licences()
    {
        string output = (await RunAsync("pull")).Output;
        foreach (string said in new[] { "openai/whisper-tiny.en", "151 MB", "(apache-2.0)", "UsefulSensors/moonshine-base",
            "silero_vad.onnx", "okay_nabu.json", "voice-heart", "not for commercial use" })
            Assert.Contains(said, output);
    }

    public void Dispose() => _folder.Dispose();

    private string Models => _folder.Models;

    private Task<CliResult> RunAsync(params string[] args) => TestCli.RunAsync(args, null, _folder.Environment);

    private Task<CliResult> RunAsync(LocalHub hub, params string[] args) =>
        TestCli.RunAsync(args, null, new Dictionary<string, string?>(_folder.Environment) { ["HF_ENDPOINT"] = hub.Address });
}
