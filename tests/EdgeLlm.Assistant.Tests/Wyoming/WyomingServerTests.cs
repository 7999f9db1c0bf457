using System.Text;
using System.Text.Json;
using EdgeLlm.Assistant.Wyoming;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Tests;

namespace EdgeLlm.Assistant.Tests.Wyoming;

public sealed class WyomingServerTests
{
    private const string Start = "audio-start", Chunk = "audio-chunk", Stop = "audio-stop",
        Format = """{"rate": 16000, "width": 2, "channels": 1, "timestamp": null}""";

    [Fact]
    public async Task Describe_is_answered_with_all_that_the_library_requires()
    {
        await using var server = new TestServer(Recognizer);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("describe");
        JsonElement info = (await peer.ReadAsync("info"))!.Value;
        JsonElement program = Assert.Single(info.GetProperty("asr").EnumerateArray()),
            model = Assert.Single(program.GetProperty("models").EnumerateArray());
        foreach (JsonElement artifact in (JsonElement[])[program, model])
        {
            Assert.NotEmpty(artifact.GetProperty("name").GetString()!);
            Assert.True(artifact.GetProperty("installed").GetBoolean());
            Assert.NotEmpty(artifact.GetProperty("attribution").GetProperty("name").GetString()!);
            Assert.NotEmpty(artifact.GetProperty("attribution").GetProperty("url").GetString()!);
            Assert.Equal(JsonValueKind.String, artifact.GetProperty("version").ValueKind);
            Assert.Equal(JsonValueKind.String, artifact.GetProperty("description").ValueKind);
        }
        Assert.Equal("en", model.GetProperty("languages")[0].GetString());
        Assert.False(program.GetProperty("supports_transcript_streaming").GetBoolean());
        Assert.True(program.GetProperty("requires_external_vad").GetBoolean());
        foreach (string other in (string[])["tts", "handle", "intent", "wake", "mic", "snd"])
            Assert.Empty(info.GetProperty(other).EnumerateArray());
    }

    [Theory]
    [InlineData(int.MaxValue)] // all events in one piece
    [InlineData(1000)]
    [InlineData(7)]
    [InlineData(1)]
    public async Task An_utterance_becomes_a_transcript_in_whatever_pieces_its_events_come(int piece)
    {
        await using var server = new TestServer(Recognizer);
        using TestPeer peer = server.Connect();
        for (int utterance = 0; utterance < 2; utterance++)
        {
            byte[] events =
            [
                .. TestPeer.Event("transcribe", """{"name": null, "language": "en", "context": {"id": 7}}"""),
                .. TestPeer.Event(Start, Format), .. TestPeer.Event(Chunk, Format, new byte[1000]),
                .. TestPeer.Event(Chunk, Format, new byte[601]), .. TestPeer.Event(Chunk, Format, new byte[399]),
                .. TestPeer.Event(Stop, """{"timestamp": null}"""),
            ];
            foreach (byte[] part in events.Chunk(piece)) await peer.SendAsync(part);
            JsonElement transcript = (await peer.ReadAsync("transcript"))!.Value;
            Assert.Equal("1000 samples in en", transcript.GetProperty("text").GetString());
            Assert.Equal(7, transcript.GetProperty("context").GetProperty("id").GetInt32());
        }
    }

    [Fact]
    public async Task Sound_of_any_format_is_brought_to_16_kHz_and_one_channel()
    {
        await using var server = new TestServer(Recognizer);
        using TestPeer peer = server.Connect();
        const string Other = """{"rate": 48000, "width": 3, "channels": 2}""";
        await peer.WriteAsync("transcribe", "{}");
        await peer.WriteAsync(Chunk, Other, new byte[4800 * 6]); // no audio-start before
        await peer.WriteAsync(Stop);
        Assert.Equal("1600 samples in ", (await peer.ReadAsync("transcript"))!.Value.GetProperty("text").GetString());
    }

    [Fact]
    public async Task No_sound_is_an_empty_transcript()
    {
        await using var server = new TestServer(Recognizer);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("transcribe", "{}");
        await peer.WriteAsync(Start, Format);
        await peer.WriteAsync(Stop);
        Assert.Equal("", (await peer.ReadAsync("transcript"))!.Value.GetProperty("text").GetString());
    }

    [Fact]
    public async Task Data_may_be_in_the_header_and_that_of_the_block_counts_first()
    {
        await using var server = new TestServer(Recognizer);
        using TestPeer peer = server.Connect();
        await peer.SendAsync(
            Encoding.UTF8.GetBytes(
                "{\"type\":\"ping\",\"data\":{\"text\":\"a\"}}\n{\"type\":\"ping\",\"data\":{\"text\":\"a\"},\"data_length\":12}\n{\"text\":\"b\"}{\"type\":\"ping\",\"data\":null}\n"));
        Assert.Equal("a", (await peer.ReadAsync("pong"))!.Value.GetProperty("text").GetString());
        Assert.Equal("b", (await peer.ReadAsync("pong"))!.Value.GetProperty("text").GetString());
        Assert.Equal(JsonValueKind.Null, (await peer.ReadAsync("pong"))!.Value.GetProperty("text").ValueKind);
    }

    [Fact]
    public async Task Events_that_are_not_known_are_passed_over()
    {
        await using var server = new TestServer(Recognizer);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("run-satellite");
        await peer.WriteAsync("played", "{\"x\": [1, 2, {}]}", new byte[10]);
        await peer.WriteAsync("ping");
        Assert.NotNull(await peer.ReadAsync("pong"));
    }

    public static TheoryData<string, string> Malformed => new()
    {
        { "not JSON", "hello\n" },
        { "an array", "[]\n" },
        { "no type", "{}\n" },
        { "a type that is no text", "{\"type\": 1}\n" },
        { "a type that is not UTF-8", "{\"type\": \"\\ud800\"}\n" },
        { "data that is no object", "{\"type\": \"ping\", \"data\": 1}\n" },
        { "a negative length", "{\"type\": \"ping\", \"data_length\": -1}\n" },
        { "a length that is no number", "{\"type\": \"ping\", \"payload_length\": \"1\"}\n" },
        { "a length that is no whole number", "{\"type\": \"ping\", \"payload_length\": 1.5}\n" },
        { "large data", "{\"type\": \"ping\", \"data_length\": 65537}\n" },
        { "a large payload", "{\"type\": \"ping\", \"payload_length\": 4294967297}\n" },
        { "a block that is not JSON", "{\"type\": \"ping\", \"data_length\": 3}\nabc" },
        { "a block that is no object", "{\"type\": \"ping\", \"data_length\": 2}\n[]" },
        { "deep JSON", "{\"type\": \"ping\", \"data\": " + new string('[', 100) + new string(']', 100) + "}\n" },
        { "a text that is a number", "{\"type\": \"ping\", \"data\": {\"text\": 1}}\n" },
        { "names that are no list", "{\"type\": \"detect\", \"data\": {\"names\": \"x\"}}\n" },
        { "a long header", new string(' ', 20_000) },
        { "sound without a format", "{\"type\": \"audio-start\"}\n" },
        { "sound of no width", "{\"type\": \"audio-start\", \"data\": {\"rate\": 16000, \"width\": 9, \"channels\": 1}}\n" },
        { "sound of no rate", "{\"type\": \"audio-start\", \"data\": {\"rate\": 0, \"width\": 2, \"channels\": 1}}\n" },
        { "sound of many channels", "{\"type\": \"audio-start\", \"data\": {\"rate\": 16000, \"width\": 2, \"channels\": 1000000}}\n" },
        { "sound that changes",
            "{\"type\": \"audio-start\", \"data\": {\"rate\": 16000, \"width\": 2, \"channels\": 1}}\n{\"type\": \"audio-chunk\", "
                + "\"data\": {\"rate\": 8000, \"width\": 2, \"channels\": 1}}\n" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task A_peer_that_breaks_the_rules_is_told_and_its_connection_closed(string kind, string bytes)
    {
        _ = kind;
        await using var server = new TestServer(Recognizer);
        using TestPeer peer = server.Connect();
        await peer.SendAsync(Encoding.UTF8.GetBytes(bytes));
        JsonElement error = (await peer.ReadAsync("error"))!.Value;
        Assert.NotEmpty(error.GetProperty("text").GetString()!);
        Assert.Null(await peer.ReadAsync(null));
        using TestPeer other = server.Connect(); // the server goes on
        await other.WriteAsync("ping");
        Assert.NotNull(await other.ReadAsync("pong"));
    }

    [Fact]
    public async Task A_peer_that_sends_on_after_it_broke_a_rule_is_told_all_the_same()
    {
        await using var server = new TestServer(Recognizer);
        for (int i = 0; i < 20; i++)
        {
            using TestPeer peer = server.Connect();
            await peer.SendAsync([.. "hello\n"u8, .. new byte[100_000]]);
            Assert.Contains("must be JSON", (await peer.ReadAsync("error"))!.Value.GetProperty("text").GetString(),
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_utterance_that_is_too_long_ends_the_connection()
    {
        await using var server = new TestServer(Recognizer, limits: new WyomingLimits { Utterance = TimeSpan.FromSeconds(1) });
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("transcribe", "{}");
        await peer.WriteAsync(Start, Format);
        await peer.WriteAsync(Chunk, Format, new byte[32_000]);
        await peer.WriteAsync(Chunk, Format, new byte[2]);
        Assert.Contains("1 s", (await peer.ReadAsync("error"))!.Value.GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_silent_peer_is_left_alone_after_a_while_also_in_the_middle_of_an_event()
    {
        await using var server = new TestServer(Recognizer, limits: new WyomingLimits { Silence = TimeSpan.FromMilliseconds(200) });
        foreach (string begun in (string[])["", "{\"type\"", "{\"type\": \"ping\", \"payload_length\": 10}\nabc"])
        {
            using TestPeer peer = server.Connect();
            await peer.SendAsync(Encoding.UTF8.GetBytes(begun));
            Assert.Null(await peer.ReadAsync(null));
        }
    }

    [Fact]
    public async Task A_peer_that_closes_within_an_event_harms_nobody()
    {
        await using var server = new TestServer(Recognizer);
        for (int i = 0; i < 20; i++)
        {
            using TestPeer peer = server.Connect();
            await peer.SendAsync("{\"type\": \"ping\", \"payload_length\": 10}\nabc"u8.ToArray());
        }
        using TestPeer other = server.Connect();
        await other.WriteAsync("ping");
        Assert.NotNull(await other.ReadAsync("pong"));
    }

    [Fact]
    public async Task There_are_so_many_connections_and_no_more()
    {
        await using var server = new TestServer(Recognizer, limits: new WyomingLimits { Connections = 2 });
        using (TestPeer first = server.Connect(), second = server.Connect())
        {
            foreach (TestPeer peer in (TestPeer[])[first, second])
            {
                await peer.WriteAsync("ping");
                Assert.NotNull(await peer.ReadAsync("pong"));
            }
            using TestPeer third = server.Connect();
            Assert.Contains("2 connections", (await third.ReadAsync("error"))!.Value.GetProperty("text").GetString(),
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_model_that_fails_is_said_and_the_server_goes_on()
    {
        await using var server =
            new TestServer(new WyomingRecognizer("broken", ["en"], (_, _, _) => throw new InvalidOperationException("secret")));
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("transcribe", "{}");
        await peer.WriteAsync(Chunk, Format, new byte[100]);
        await peer.WriteAsync(Stop);
        Assert.DoesNotContain("secret", (await peer.ReadAsync("error"))!.Value.GetProperty("text").GetString(), StringComparison.Ordinal);
        using TestPeer other = server.Connect();
        await other.WriteAsync("ping");
        Assert.NotNull(await other.ReadAsync("pong"));
    }

    [Theory]
    [InlineData(2048)] // 1024 samples: the library's pieces
    [InlineData(777)]
    public async Task A_wake_word_is_detected_while_sound_comes_and_its_absence_said_at_the_end(int bytes)
    {
        WyomingWakeWord[] words = [Word("okay_nabu"), Word("alexa")];
        await using var server = new TestServer(null, words);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("describe");
        JsonElement model = (await peer.ReadAsync("info"))!.Value.GetProperty("wake")[0].GetProperty("models")[0];
        Assert.Equal("okay_nabu", model.GetProperty("name").GetString());
        Assert.Equal("Okay Nabu", model.GetProperty("phrase").GetString());

        byte[] sound = File.ReadAllBytes(SharedFolder.Require("golden", "speech", "wake", "alexa_1.wav"))[44..];
        foreach ((string names, string? detected) in ((string, string?)[])[("""["alexa"]""", "alexa"),
            ("""["okay_nabu"]""", null), ("[]", "alexa")])
        {
            await peer.WriteAsync("detect", $$"""{"names": {{names}}, "context": null}""");
            await peer.WriteAsync(Start, Format);
            foreach (byte[] part in sound.Chunk(bytes)) await peer.WriteAsync(Chunk, Format, part);
            if (detected is not null)
            {
                JsonElement detection = (await peer.ReadAsync("detection"))!.Value;
                Assert.Equal(detected, detection.GetProperty("name").GetString());
                Assert.InRange(detection.GetProperty("timestamp").GetInt64(), 1000, 2000);
            }
            await peer.WriteAsync(Stop, "{}");
            if (detected is null) Assert.NotNull(await peer.ReadAsync("not-detected"));
        }
        await peer.WriteAsync("detect", """{"names": ["hey_jarvis"]}""");
        Assert.NotNull(await peer.ReadAsync("error"));
    }

    private static WyomingRecognizer Recognizer =>
        new("test", ["en"], (samples, language, _) => Task.FromResult($"{samples.Length} samples in {language}"));

    private static WyomingWakeWord Word(string name)
    {
        string path = SharedFolder.Require("models", "speech", name + ".json");
        return new WyomingWakeWord(name, WakeWordSettings.Read(path), () => WakeWordModel.Load(path));
    }
}
