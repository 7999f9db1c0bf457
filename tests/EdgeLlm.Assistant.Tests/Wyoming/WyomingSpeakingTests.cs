using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using EdgeLlm.Assistant.Wyoming;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Speech.Synthesis;
using EdgeLlm.Tests;

namespace EdgeLlm.Assistant.Tests.Wyoming;

public sealed class WyomingSpeakingTests
{
    private const string Format = """{"rate": 16000, "width": 2, "channels": 1}""";

    /// <summary>A voice with a sample of 1 / 100 for each character; `!` fails, `~` never ends.</summary>
    private static readonly WyomingVoice Counting =
        new("counting", ["en", "en-US"], 24_000, (text, isMarkup, stop) => SoundAsync(isMarkup ? "ssml:" + text : text, stop), StreamAsync);

    [Fact]
    public async Task Voices_are_in_the_info_with_all_that_the_library_requires()
    {
        await using var server = new TestServer(null, voices: Counting);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("describe");
        JsonElement program = Assert.Single((await peer.ReadAsync("info"))!.Value.GetProperty("tts").EnumerateArray()),
            voice = Assert.Single(program.GetProperty("voices").EnumerateArray());
        Assert.True(program.GetProperty("supports_synthesize_streaming").GetBoolean());
        foreach (JsonElement artifact in (JsonElement[])[program, voice])
        {
            Assert.NotEmpty(artifact.GetProperty("name").GetString()!);
            Assert.True(artifact.GetProperty("installed").GetBoolean());
            Assert.NotEmpty(artifact.GetProperty("attribution").GetProperty("url").GetString()!);
        }
        Assert.Equal("en", voice.GetProperty("languages")[0].GetString());
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(1)]
    public async Task A_text_becomes_sound_in_whatever_pieces_the_event_comes(int piece)
    {
        await using var server = new TestServer(null, voices: Counting);
        using TestPeer peer = server.Connect();
        for (int i = 0; i < 2; i++)
        {
            byte[] synthesize = TestPeer.Event("synthesize",
                """{"text": "hello", "voice": {"name": "counting", "speaker": null}, "text_format": null, "context": {"id": 3}}""");
            foreach (byte[] part in synthesize.Chunk(piece)) await peer.SendAsync(part);
            JsonElement start = (await peer.ReadAsync("audio-start"))!.Value;
            Assert.Equal((24_000, 2, 1, 3),
                (start.GetProperty("rate").GetInt32(), start.GetProperty("width").GetInt32(), start.GetProperty("channels").GetInt32(),
                    start.GetProperty("context").GetProperty("id").GetInt32()));
            (string type, _, byte[] payload) = (await peer.ReadAnyAsync())!.Value;
            Assert.Equal(("audio-chunk", 10), (type, payload.Length));
            Assert.Equal(328, BitConverter.ToInt16(payload));
            Assert.NotNull(await peer.ReadAsync("audio-stop"));
        }
    }

    [Theory]
    [InlineData("""{"text": "hello", "text_format": "ssml"}""", 10)]
    [InlineData("""{"text": "hello", "text_format": "text", "voice": null}""", 5)]
    [InlineData("""{"text": "hello", "voice": {"language": "en-GB"}}""", 5)]
    [InlineData("""{"text": "hello", "voice": {}}""", 5)]
    [InlineData("""{"text": ""}""", 0)]
    public async Task A_text_may_be_SSML_and_its_voice_be_asked_for_by_language(string synthesize, int samples)
    {
        await using var server = new TestServer(null, voices: Counting);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("synthesize", synthesize);
        Assert.Equal(samples, (await SoundOfAsync(peer)).Length / 2);
    }

    [Fact]
    public async Task A_long_sound_comes_in_events_of_at_most_64_kB()
    {
        await using var server = new TestServer(null, voices: Counting);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("synthesize", $$"""{"text": "{{new string('a', 40_000)}}"}""");
        Assert.Equal(80_000, (await SoundOfAsync(peer)).Length);
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(3)]
    public async Task A_text_that_is_still_written_is_spoken_as_it_comes_and_its_whole_is_ignored(int piece)
    {
        await using var server = new TestServer(null, voices: Counting);
        using TestPeer peer = server.Connect();
        await peer.SendAsync(TestPeer.Event("synthesize-start", """{"voice": {"name": "counting"}, "context": 5}"""));
        Assert.NotNull(await peer.ReadAsync("audio-start"));
        await peer.SendAsync(TestPeer.Event("synthesize-chunk", """{"text": "one "}"""));
        (string type, _, byte[] payload) = (await peer.ReadAnyAsync())!.Value; // before the text has ended
        Assert.Equal(("audio-chunk", 8), (type, payload.Length));
        byte[] rest = [.. TestPeer.Event("synthesize-chunk", """{"text": "two"}"""),
            .. TestPeer.Event("synthesize", """{"text": "one two"}"""), .. TestPeer.Event("synthesize-stop")];
        foreach (byte[] part in rest.Chunk(piece)) await peer.SendAsync(part);
        Assert.Equal(6, (await SoundOfAsync(peer, started: true)).Length);
        Assert.Equal(5, (await peer.ReadAsync("synthesize-stopped"))!.Value.GetProperty("context").GetInt32());
        await peer.WriteAsync("synthesize", """{"text": "abc"}"""); // after a stream it counts again
        Assert.Equal(6, (await SoundOfAsync(peer)).Length);
    }

    [Theory]
    [InlineData("synthesize", "{}", "text")]
    [InlineData("synthesize", """{"text": 1}""", "text")]
    [InlineData("synthesize", """{"text": "a", "voice": "counting"}""", "voice")]
    [InlineData("synthesize", """{"text": "a", "voice": {"name": "nobody"}}""", "nobody")]
    [InlineData("synthesize", """{"text": "a", "voice": {"language": "de"}}""", "de")]
    [InlineData("synthesize", """{"text": "a", "text_format": "html"}""", "ssml")]
    [InlineData("synthesize-chunk", """{"text": "a"}""", "synthesize-start")]
    [InlineData("synthesize", """{"text": "!"}""", "SSML, character 1")] // the voice refuses it
    public async Task A_peer_that_asks_for_what_is_not_there_is_told_and_its_connection_closed(string type, string data, string told)
    {
        await using var server = new TestServer(null, voices: Counting);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync(type, data);
        (string next, JsonElement error, _) = (await peer.ReadAnyAsync())!.Value;
        if (next == "audio-start") (next, error, _) = (await peer.ReadAnyAsync())!.Value; // the voice found out later
        Assert.Equal("error", next);
        Assert.Contains(told, error.GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Null(await peer.ReadAsync(null));
    }

    [Fact]
    public async Task A_peer_may_wait_in_silence_while_it_is_spoken_to_and_one_that_leaves_ends_the_speech()
    {
        var ended = new TaskCompletionSource();
        WyomingVoice slow = Counting with { Say = (_, _, stop) => SlowAsync(ended, stop) };
        await using var server = new TestServer(null, limits: new WyomingLimits { Silence = TimeSpan.FromSeconds(1) }, voices: slow);
        using (TestPeer peer = server.Connect())
        {
            await peer.WriteAsync("synthesize", """{"text": "a"}""");
            Assert.NotNull(await peer.ReadAsync("audio-start"));
            for (int i = 0; i < 15; i++) Assert.NotNull(await peer.ReadAsync("audio-chunk")); // 1.5 s
        }
        await ended.Task.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Recognition_goes_on_while_another_peer_and_the_same_one_are_spoken_to()
    {
        var recognizer = new WyomingRecognizer("test", ["en"], (samples, _, _) => Task.FromResult($"{samples.Length} samples"));
        await using var server = new TestServer(recognizer, voices: Counting);
        using TestPeer speaks = server.Connect(), hears = server.Connect();
        await speaks.WriteAsync("synthesize", """{"text": "~"}"""); // without an end
        Assert.NotNull(await speaks.ReadAsync("audio-start"));
        foreach (TestPeer peer in (TestPeer[])[hears, speaks])
        {
            await peer.WriteAsync("transcribe", "{}");
            await peer.WriteAsync("audio-start", Format);
            await peer.WriteAsync("audio-chunk", Format, new byte[200]);
            await peer.WriteAsync("audio-stop");
            while (true)
            {
                (string type, JsonElement data, _) = (await peer.ReadAnyAsync())!.Value;
                if (type == "audio-chunk") continue;
                Assert.Equal(("transcript", "100 samples"), (type, data.GetProperty("text").GetString()));
                break;
            }
        }
    }

    [Fact]
    public async Task Words_that_are_sure_are_sent_while_the_person_speaks_where_the_model_can()
    {
        var recognizer =
            new WyomingRecognizer("test", ["en"], (_, _, _) => Task.FromResult("whole"), async (sound, language, agreed, stop) =>
        {
            int count = 0;
            await foreach (float[] piece in sound.ReadAllAsync(stop))
            {
                count += piece.Length;
                await agreed(piece.Length.ToString(CultureInfo.InvariantCulture) + " ");
            }
            return "100 200 " + language + count;
        });
        await using var server = new TestServer(recognizer);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("transcribe", """{"language": "en"}""");
        await peer.WriteAsync("audio-start", Format);
        Assert.Equal("en", (await peer.ReadAsync("transcript-start"))!.Value.GetProperty("language").GetString());
        await peer.WriteAsync("audio-chunk", Format, new byte[200]);
        Assert.Equal("100 ", (await peer.ReadAsync("transcript-chunk"))!.Value.GetProperty("text").GetString());
        await peer.WriteAsync("audio-chunk", Format, new byte[400]);
        Assert.Equal("200 ", (await peer.ReadAsync("transcript-chunk"))!.Value.GetProperty("text").GetString());
        await peer.WriteAsync("audio-stop");
        Assert.Equal("en300", (await peer.ReadAsync("transcript-chunk"))!.Value.GetProperty("text").GetString());
        Assert.NotNull(await peer.ReadAsync("transcript-stop"));
        Assert.Equal("100 200 en300", (await peer.ReadAsync("transcript"))!.Value.GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_voice_speaks_what_its_synthesizer_does()
    {
        using var synthesizer = SpeechSynthesizer.Load(SharedFolder.Require("models", "voice-heart"));
        var voice = new WyomingVoice("heart", ["en"], synthesizer.SampleRate,
            (text, isMarkup, stop) => synthesizer.SynthesizeAsync(text, new SpeechOptions { IsMarkup = isMarkup }, stop),
            (text, stop) => synthesizer.SpeakAsync(text, null, stop));
        await using var server = new TestServer(null, voices: voice);
        using TestPeer peer = server.Connect();
        await peer.WriteAsync("synthesize", """{"text": "The lights are on. Good night."}""");
        byte[] whole = await SoundOfAsync(peer);
        await peer.WriteAsync("synthesize-start", "{}");
        foreach (string part in (string[])["The lig", "hts are on. ", "Good night."])
            await peer.WriteAsync("synthesize-chunk", $$"""{"text": "{{part}}"}""");
        await peer.WriteAsync("synthesize-stop");
        Assert.Equal(whole, await SoundOfAsync(peer));
        Assert.NotNull(await peer.ReadAsync("synthesize-stopped"));
        Assert.InRange(whole.Length, 48_000, 480_000);
        await peer.WriteAsync("synthesize", """{"text": "<speak>Good <break time='1s'/> night.</speak>", "text_format": "ssml"}""");
        Assert.InRange((await SoundOfAsync(peer)).Length, 72_000, 480_000);
        await peer.WriteAsync("synthesize", """{"text": "<speak>Good", "text_format": "ssml"}""");
        Assert.Contains("<speak> is not closed", (await peer.ReadAsync("error"))!.Value.GetProperty("text").GetString(),
            StringComparison.Ordinal);
    }

    private static async Task<byte[]> SoundOfAsync(TestPeer peer, bool started = false)
    {
        if (!started) Assert.NotNull(await peer.ReadAsync("audio-start"));
        var sound = new List<byte>();
        while (true)
        {
            (string type, _, byte[] payload) = (await peer.ReadAnyAsync())!.Value;
            if (type == "audio-stop") return [.. sound];
            Assert.Equal("audio-chunk", type);
            Assert.InRange(payload.Length, 2, 1 << 16);
            sound.AddRange(payload);
        }
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<float>> SoundAsync(string text, [EnumeratorCancellation] CancellationToken stop)
    {
        await Task.Yield();
        if (text == "!") throw new PhonemeException("SSML, character 1");
        do
        {
            if (text.Length > 0) yield return Enumerable.Repeat(0.01f, text.Length).ToArray();
            if (text == "~") await Task.Delay(1, stop);
        }
        while (text == "~");
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<float>> StreamAsync(IAsyncEnumerable<string> text,
        [EnumeratorCancellation] CancellationToken stop)
    {
        await foreach (string piece in text.WithCancellation(stop)) yield return Enumerable.Repeat(0.01f, piece.Length).ToArray();
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<float>> SlowAsync(TaskCompletionSource ended,
        [EnumeratorCancellation] CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await Task.Delay(100, stop);
                yield return new float[10];
            }
        }
        finally
        {
            ended.SetResult();
        }
    }
}
